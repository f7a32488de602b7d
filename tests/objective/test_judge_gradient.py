"""The judge gradient against the exact gradient of safety, which an enumerable model has in closed form."""

import pytest
import torch

from holdfast.judge.guard import GuardJudge
from holdfast.models.generate import generate
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response
from holdfast.models.sites import scored_sites
from holdfast.objective import gains as gains_module
from holdfast.objective.choices import Reduction
from holdfast.objective.gains import JudgeGains
from holdfast.objective.judge_gradient import JudgeGradient
from holdfast.objective.relaxation import Relaxation
from holdfast.prompts.chat import Turn, encode_chat
from holdfast.score.gradient import sum_gradients
from holdfast.score.passes import Pass
from tests.objective.enumerable import LETTERS, WORDS, LinearJudge, World, cosine, gradient_of


def all_gains(gains: JudgeGains, response: Response) -> torch.Tensor:
    return gains.gains(gains.judge([response]), torch.device("cpu"))


UNEVEN = (3.0, -2.0, 1.0)  # a judge to whom the same letter means different things in different places


def mean_gradient(world: World, responses: list[Response], reduction: Reduction = "mean") -> dict[str, torch.Tensor]:
    objective = JudgeGradient(world.judge, world.tokenizer, responses, reduction)
    names = [site.name for site in scored_sites(world.model)]
    total = sum_gradients(world.model, names, objective, range(len(responses)))
    return {name: total.mean(name) for name in names}


@pytest.mark.parametrize("token", range(len(WORDS)))
def test_one_token_under_a_linear_judge_gives_the_exact_gradient_whatever_was_said(token):
    """Equal in sign and size, though words are of unlike lengths; 1e-6 is the rounding of the float32 sums."""
    world = World(WORDS, 1, LinearJudge())
    exact, ours = world.exact_gradient, mean_gradient(world, [world.respond([token])])
    largest = max(float(gradient.abs().max()) for gradient in exact.values())
    for name, gradient in exact.items():
        torch.testing.assert_close(ours[name].double(), gradient, rtol=0, atol=1e-6 * largest)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_three_tokens_point_along_the_exact_gradient(seed):
    """Measured 0.974 to 0.995 over these seeds; what is missing is the effect of tokens on those after them."""
    world = World(LETTERS, 3, LinearJudge(UNEVEN, mean=False), seed)
    assert cosine(mean_gradient(world, world.sample(64)), world.exact_gradient) > 0.96


@pytest.mark.parametrize("shift", [1, -1])
def test_the_exact_gradient_is_missed_when_alignment_is_off_by_one(shift, monkeypatch):
    """The positive control of the test above: it does see one token's difference (measured -0.29 and -0.27)."""
    aligned = gains_module.token_spans

    def shifted(*arguments):
        spans = aligned(*arguments)
        return spans[shift:] + spans[:shift]

    monkeypatch.setattr(gains_module, "token_spans", shifted)
    world = World(LETTERS, 3, LinearJudge(UNEVEN, mean=False), seed=0)
    assert cosine(mean_gradient(world, world.sample(64)), world.exact_gradient) < 0.5


def test_a_step_along_the_gradient_raises_safety():
    world = World(LETTERS, 3, LinearJudge(UNEVEN, mean=False))
    before = float(world.enumerate()[0].detach())
    gradients = mean_gradient(world, world.sample(64), "sum")
    with torch.no_grad():
        for name, gradient in gradients.items():
            world.model.get_parameter(name).add_(gradient, alpha=1e-3)
    assert float(world.enumerate()[0].detach()) > before


def test_sum_weighs_a_response_by_its_tokens_and_mean_does_not():
    world = World(LETTERS, 3, LinearJudge(UNEVEN, mean=False))
    responses = [world.respond([1, 2, 3])]
    mean, total = mean_gradient(world, responses, "mean"), mean_gradient(world, responses, "sum")
    for name in mean:
        torch.testing.assert_close(total[name], 3 * mean[name])


def test_a_response_without_tokens_counts_and_contributes_nothing():
    world = World(LETTERS, 3, LinearJudge(UNEVEN, mean=False))
    alone = mean_gradient(world, [world.respond([1, 2, 3])])
    with_empty = mean_gradient(world, [world.respond([]), world.respond([1, 2, 3])])
    for name in alone:
        torch.testing.assert_close(with_empty[name], alone[name] / 2)
    with pytest.raises(ValueError, match="none of 1 responses has a token"):
        JudgeGradient(world.judge, world.tokenizer, [world.respond([])])


def test_gains_match_finite_differences_of_the_judge(guard_model, guard_tokenizer):
    """With one tokenizer for both, C[t, v] is J's derivative as the embedding of token t moves towards that of v.

    The judge's norms are computed in float32: with this step that leaves 5e-4 at most.
    """
    guard = GuardJudge(guard_model.double(), guard_tokenizer)
    prompt, text, step = "how do i mend it ?", "sorry , i can not help", 1e-2
    token_ids = guard_tokenizer(text, add_special_tokens=False)["input_ids"]
    candidate = guard_tokenizer("i clock", add_special_tokens=False)["input_ids"][-1]
    response = Response(prompt, [3, 4], token_ids, text, finished=True)
    gains = all_gains(JudgeGains(guard, guard_tokenizer), response)
    chat = encode_chat(guard_tokenizer, [Turn("user", prompt), Turn("assistant", text)])
    table = guard_model.get_input_embeddings().weight.detach()
    for place, (token, _, _) in enumerate(chat.spans[1]):
        moved = table[torch.tensor([chat.token_ids, chat.token_ids])]
        towards = table[candidate] - table[token_ids[place]]
        moved[:, token] += torch.tensor([[step], [-step]]) * towards
        logits = guard_model(inputs_embeds=moved).logits[:, -1].detach()
        raised, lowered = logits[:, guard.safe_ids[0]] - logits[:, guard.unsafe_ids[0]]
        assert float(raised - lowered) / (2 * step) == pytest.approx(float(gains[place, candidate]), rel=1e-3)


def test_scores_do_not_depend_on_batches_order_or_the_tokenizers_padding_side(
    llama, tokenizer, guard_model, guard_tokenizer
):
    guard = GuardJudge(guard_model, guard_tokenizer)
    prompts = ["how do i mend the old clock ?", "naïve café", "help", "東京 ?", "not that clock"]
    responses = generate(llama, tokenizer, prompts, GenerateOptions(max_new_tokens=9))
    responses = [responses[0], *(_cut(tokenizer, response, 3 + order) for order, response in enumerate(responses[1:]))]
    names = [site.name for site in scored_sites(llama)]

    def gradients(chosen: list[Response], token_budget: int) -> dict[str, torch.Tensor]:
        objective = JudgeGradient(guard, tokenizer, chosen)
        total = sum_gradients(llama, names, objective, range(len(chosen)), Pass(token_budget=token_budget))
        return {name: total.mean(name) for name in names}

    together = gradients(responses, 4096)
    one_by_one = gradients(responses, 1)
    tokenizer.padding_side = "left" if tokenizer.padding_side == "right" else "right"
    reversed_order = gradients(responses[::-1], 30)
    largest = max(float(gradient.abs().max()) for gradient in together.values())
    assert largest > 0
    for name in names:  # 1e-5 of the largest: float32 sums in another order, within attention and over the batch
        torch.testing.assert_close(one_by_one[name], together[name], rtol=0, atol=1e-5 * largest)
        torch.testing.assert_close(reversed_order[name], together[name], rtol=0, atol=1e-5 * largest)


def relaxed_gradient(world: World, relaxation: Relaxation, num_responses: int) -> dict[str, torch.Tensor]:
    responses = world.sample_of_one_prompt(num_responses, seed=0)
    return gradient_of(world, JudgeGradient(world.judge, world.tokenizer, responses, "sum", relaxation))


@pytest.mark.parametrize("kind", ["gumbel", "straight_through"])
def test_relaxed_draws_point_along_the_exact_gradient_of_one_token(kind):
    """Measured 0.88 and 0.87 over 20 draws, 0.999 and 0.998 over 2,000; the expectation is exact with one."""
    world = World(WORDS, 1, LinearJudge())
    few, many = (cosine(relaxed_gradient(world, Relaxation(kind), n), world.exact_gradient) for n in (20, 2000))
    assert few < 0.95
    assert many > 0.99


@pytest.mark.parametrize("kind", ["gumbel", "straight_through"])
def test_relaxed_draws_depend_on_the_seed_and_not_on_batches(kind):
    world = World(LETTERS, 3, LinearJudge(UNEVEN, mean=False))
    names = [site.name for site in scored_sites(world.model)]

    def gradients(seed: int, token_budget: int) -> torch.Tensor:
        responses = world.sample_of_one_prompt(20, seed=0)
        objective = JudgeGradient(world.judge, world.tokenizer, responses, "sum", Relaxation(kind, seed=seed))
        total = sum_gradients(world.model, names, objective, range(20), Pass(token_budget=token_budget))
        return torch.cat([total.mean(name).flatten() for name in names])

    together, alone = gradients(0, 4096), gradients(0, 1)
    largest = float(together.abs().max())
    # float32 sums over batches, in another order
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5 * largest)
    assert float((gradients(1, 4096) - together).abs().max()) > 0.1 * largest


def _cut(tokenizer, response: Response, length: int) -> Response:
    token_ids = response.token_ids[:length]
    text = tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Response(response.prompt, response.prompt_ids, token_ids, text, finished=False)


def test_tokens_without_a_text_neither_gain_nor_lose(guard_model, guard_tokenizer, tokenizer):
    """As candidates, and where they were said: what the judge can't read is as good as what was said."""
    end = tokenizer.convert_tokens_to_ids("<|end|>")
    help_ids = tokenizer("i help", add_special_tokens=False)["input_ids"]
    response = Response("help", [3, 4], [*help_ids, end], "i help", finished=False)
    objective = JudgeGradient(GuardJudge(guard_model, guard_tokenizer), tokenizer, [response])
    gains = all_gains(objective._gains, response)
    assert bool(gains[:-1].any())
    assert not bool(gains[:, end].any())
    assert not bool(gains[-1].any())
