import pytest
import torch

from holdfast import __version__
from holdfast.artifacts import load_mask, load_scores, save_mask, save_scores
from holdfast.judge.guard import GuardJudge
from holdfast.made_by import prompts_entry
from holdfast.models.generate import generate
from holdfast.models.layout import Layout, sigma
from holdfast.models.load import fingerprint
from holdfast.models.options import GenerateOptions
from holdfast.models.sites import scored_sites
from holdfast.objective.completions import Completion
from holdfast.records import Exchange, Prompt
from holdfast.score import SCORES, JudgeGradient, ResponseLikelihood, ScoreOptions, score, score_halves
from holdfast.score.esi import esi
from holdfast.score.gradient import sum_gradients
from holdfast.score.measure import split_by_prompt
from holdfast.select import TopOptions, select_top
from tests.tiny import make_loaded, make_moe

EXCHANGES = [Exchange(f"{word} ?", answer) for word in ("help", "clock", "mend") for answer in ("safe", "not that .")]


class OppositeLikelihoods(ResponseLikelihood):
    """Pulls the model one way for one half of the exchanges and exactly the other way for the other."""

    def contributions(self, model, items):
        signs = torch.tensor([1.0 if item % 2 else -1.0 for item in items])
        return signs * super().contributions(model, items)


def test_esi_is_the_gradient_times_the_standard_deviation_of_the_matrix(llama, tokenizer):
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    scores = score(make_loaded(llama, tokenizer), objective)
    names = [site.name for site in scored_sites(llama)]
    total = sum_gradients(llama, names, objective, range(len(EXCHANGES)))
    assert sorted(scores.entries) == sorted(names)
    for name in names:
        weight = llama.get_parameter(name).detach()
        expected = (total.sums[name] / len(EXCHANGES)).abs() * weight.std()
        torch.testing.assert_close(scores.entries[name], expected)
        assert scores.entries[name].dtype == torch.float32


def test_the_absolute_value_is_taken_after_the_mean(llama, tokenizer):
    """Every exchange is there twice with opposite signs, so its effects cancel: mean |gradient| would be far from 0."""
    twice = [exchange for exchange in EXCHANGES for _ in range(2)]
    cancelled = score(make_loaded(llama, tokenizer), OppositeLikelihoods(tokenizer, twice))
    plain = score(make_loaded(llama, tokenizer), ResponseLikelihood(tokenizer, EXCHANGES))
    for name, entries in plain.entries.items():
        assert float(cancelled.entries[name].max()) < 1e-4 * float(entries.max())


def test_sigma_is_taken_of_each_expert_not_of_the_fused_tensor(tokenizer):
    model = make_moe()
    fused = model.model.layers[0].mlp.experts.gate_up_proj
    with torch.no_grad():
        fused.normal_(generator=torch.Generator().manual_seed(0))
        fused.mul_(torch.tensor([1.0, 10.0, 0.1, 5.0])[:, None, None])
    site = next(site for site in scored_sites(model) if site.name.endswith("0.mlp.experts.gate_up_proj"))
    gate, up = fused.detach().chunk(2, dim=1)
    scores = esi(fused.detach(), torch.ones_like(fused), sigma(fused, site.layout))
    for expert in range(4):
        for part, matrix in ((slice(None, len(gate[0])), gate[expert]), (slice(len(gate[0]), None), up[expert])):
            torch.testing.assert_close(scores[expert, part], matrix.std().expand(matrix.shape))


def test_sigma_is_float32_for_half_precision_weights():
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    assert torch.equal(sigma(weight, Layout()), weight.float().std().expand(64, 1))


def test_gradients_are_not_edited_by_a_formula():
    gradient = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    before = gradient.clone()
    for name in SCORES:
        if SCORES[name].needs == "gradient":
            assert bool((SCORES[name].formula(torch.randn(2, 3), gradient, torch.ones(2, 1)) >= 0).all())
    assert torch.equal(gradient, before)


def test_halves_share_no_prompt_and_the_whole_is_as_if_scored_at_once(llama, tokenizer):
    loaded, objective = make_loaded(llama, tokenizer), ResponseLikelihood(tokenizer, EXCHANGES)
    told = []
    halves = score_halves(loaded, objective, progress=lambda label, done, total: told.append((done, total)))
    whole = score(loaded, objective)
    for name, entries in whole.entries.items():
        largest = float(entries.max())
        torch.testing.assert_close(halves.whole.entries[name], entries, rtol=0, atol=1e-5 * largest)
        assert not torch.allclose(halves.first.entries[name], halves.second.entries[name])
    assert told[-1] == (6, 6)
    assert halves.whole.made_by["num_items"] == 6
    assert halves.first.made_by["num_items"] + halves.second.made_by["num_items"] == 6


def test_several_responses_to_a_prompt_stay_in_one_half():
    completions = [Completion(f"prompt {order // 3}", [1, 2], [1]) for order in range(15)]
    for seed in range(5):
        first, second = split_by_prompt(completions, seed)
        assert sorted(first + second) == list(range(15))
        assert {position // 3 for position in first} & {position // 3 for position in second} == set()
        assert len(first) == 6
    with pytest.raises(ValueError, match="at least 2 distinct prompts, got 1"):
        split_by_prompt(completions[:3], 0)


def test_scoring_by_a_guard_gives_scores_for_every_matrix_and_says_how(llama, tokenizer, guard_model, guard_tokenizer):
    loaded, guard = make_loaded(llama, tokenizer), GuardJudge(guard_model, guard_tokenizer)
    prompts = ["how do i mend the old clock ?", "help", "naïve café"]
    responses = generate(llama, tokenizer, prompts, GenerateOptions(max_new_tokens=6))
    scores = score(loaded, JudgeGradient(guard, tokenizer, responses), ScoreOptions(token_budget=64))
    assert scores.unit == "judge log-odds per sigma"
    assert scores.base == loaded.base == fingerprint(llama)
    assert scores.num_parameters == sum(weight.numel() for weight in llama.parameters())
    assert scores.made_by == {
        "prompts": prompts_entry([Prompt(prompt) for prompt in prompts]),
        "model": {"name": "tiny", "fingerprint": loaded.base},
        "holdfast": __version__,
        "method": "esi",
        "token_budget": 64,
        "objective": "judge_gradient",
        "reduction": "mean",
        "num_items": 3,
    }
    assert all(bool(entries.any()) for entries in scores.entries.values())


def test_idle_experts_score_zero_are_counted_and_stay_when_scores_and_masks_are_stored(tokenizer, tmp_path):
    model = make_moe()
    for layer in model.model.layers:
        layer.mlp.gate.weight.data.zero_()  # all four experts tie, so every token takes the same two
    scores = score(make_loaded(model, tokenizer), ResponseLikelihood(tokenizer, EXCHANGES))
    assert scores.made_by["idle_experts"] == 4
    stacked = [name for name in scores.entries if "experts" in name]
    assert len(stacked) == 4
    for name in stacked:
        assert sum(bool(expert.any()) for expert in scores.entries[name]) == 2
    save_scores(tmp_path / "scores.safetensors", scores)
    loaded = load_scores(tmp_path / "scores.safetensors")
    assert loaded.shapes == scores.shapes
    assert loaded.made_by["idle_experts"] == 4
    mask = select_top(scores, TopOptions(fraction=0.5))
    save_mask(tmp_path / "mask.safetensors", mask)
    assert load_mask(tmp_path / "mask.safetensors").equals(mask)
    assert dict(mask.shapes) == scores.shapes


def test_an_expert_is_idle_only_when_all_of_its_matrices_are(tokenizer):
    model = make_moe()
    for layer in model.model.layers:
        layer.mlp.experts.gate_up_proj.data[:, 16:].zero_()  # no up: down_proj gets no gradient, up does
    scores = score(make_loaded(model, tokenizer), ResponseLikelihood(tokenizer, EXCHANGES))
    assert not scores.entries["model.layers.0.mlp.experts.down_proj"].any()
    assert scores.made_by["idle_experts"] == 0


def test_an_unknown_score_is_refused_before_the_work(llama, tokenizer):
    with pytest.raises(ValueError, match="unknown score 'none'; known: esi, gradient_magnitude"):
        score(make_loaded(llama, tokenizer), ResponseLikelihood(tokenizer, EXCHANGES), ScoreOptions(method="none"))


def test_each_other_score_is_its_formula():
    weight, gradient = torch.tensor([[2.0, -3.0, 0.5]]).half(), torch.tensor([[-1.0, 2.0, 4.0]])
    one = torch.ones(1, 1)
    needed = {"gradient": gradient, "inputs": gradient.square(), "noise": gradient, "nothing": torch.empty(0)}
    found = {name: SCORES[name].formula(weight, needed[SCORES[name].needs], one).tolist() for name in SCORES}
    found.pop("esi")
    assert found == {
        "gradient_magnitude": [[1.0, 2.0, 4.0]],
        "magnitude": [[2.0, 3.0, 0.5]],
        "random": gradient.tolist(),
        "snip": [[2.0, 6.0, 2.0]],
        "wanda": [[2.0, 6.0, 2.0]],
    }
    assert SCORES["snip"].unit.format(objective="log-odds") == "log-odds"


def test_sums_on_the_host_give_the_same_scores(llama, tokenizer):
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    usual, on_host = (
        score(make_loaded(llama, tokenizer), objective, ScoreOptions(sums_on_host=one)) for one in (False, True)
    )
    assert on_host.made_by == usual.made_by
    assert all(torch.equal(on_host.entries[name], entries) for name, entries in usual.entries.items())
