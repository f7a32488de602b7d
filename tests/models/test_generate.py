from dataclasses import replace

import pytest
import torch

from holdfast.models.continuing import Written
from holdfast.models.generate import continue_prompts, generate
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import ResponseLog
from holdfast.models.ways import find_way
from tests.models.families import FAMILIES, make_family
from tests.tiny import make_llama

PROMPTS = ["hello", "how do i mend the old clock ?", "a"]


def test_batched_answers_equal_answers_one_by_one(llama, tokenizer):
    options = GenerateOptions(max_new_tokens=8)
    together = generate(llama, tokenizer, PROMPTS, options)
    alone = [generate(llama, tokenizer, [prompt], options)[0] for prompt in PROMPTS]
    assert [response.token_ids for response in together] == [response.token_ids for response in alone]
    assert [response.prompt for response in together] == PROMPTS


def test_sampling_repeats_with_its_seed_and_leaves_the_global_generator_alone(llama, tokenizer):
    options = GenerateOptions(max_new_tokens=6, temperature=1.0, num_samples=3, seed=4)
    before = torch.random.get_rng_state()
    first, second = (generate(llama, tokenizer, PROMPTS, options) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first == second
    assert len({response.text for response in first[:3]}) > 1
    assert [response.prompt for response in first[:4]] == ["hello"] * 3 + [PROMPTS[1]]


def test_a_response_goes_on_from_its_opening_and_holds_it(llama, tokenizer):
    openings = ["sorry , i can", "", " help"]
    options = GenerateOptions(max_new_tokens=5)
    found = generate(llama, tokenizer, PROMPTS, options, openings=openings)
    plain = generate(llama, tokenizer, PROMPTS, options)
    for response, before, opening in zip(found, plain, openings, strict=True):
        begun = tokenizer(opening, add_special_tokens=False).input_ids
        assert response.prompt_ids == before.prompt_ids + begun
        with torch.no_grad():
            (token_id,) = llama(torch.tensor([response.prompt_ids])).logits[:, -1].argmax(-1).tolist()
        assert response.token_ids[0] == token_id
        assert response.text == opening + tokenizer.decode(response.token_ids, skip_special_tokens=True)
    assert found[1] == plain[1]
    assert len(found[0].text) > len(openings[0]), "it said something of its own"


def test_the_blank_behind_an_opening_is_kept_by_tokenizers_that_drop_the_first(llama, tokenizer, monkeypatch):
    plain = generate(llama, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=5), openings=["sorry"] * 3)
    decode = type(tokenizer).decode
    monkeypatch.setattr(type(tokenizer), "decode", lambda self, ids, **how: decode(self, ids, **how).removeprefix(" "))
    found = generate(llama, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=5), openings=["sorry"] * 3)
    assert [one.text for one in found] == [one.text for one in plain]


def test_every_sample_of_a_prompt_has_its_opening(llama, tokenizer):
    options = GenerateOptions(max_new_tokens=3, temperature=1.0, num_samples=2)
    found = generate(llama, tokenizer, PROMPTS, options, openings=["a", "b", "c"])
    assert [one.text[0] for one in found] == list("aabbcc")


def test_several_greedy_samples_are_refused(llama, tokenizer):
    with pytest.raises(ValueError, match="needs a temperature above 0"):
        generate(llama, tokenizer, PROMPTS, GenerateOptions(num_samples=2))


def test_a_prompt_that_fills_the_context_is_refused(llama, tokenizer):
    with pytest.raises(ValueError, match="fills the model's context of 128"):
        generate(llama, tokenizer, ["mend " * 400], GenerateOptions())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_response_from_logits_that_are_not_finite_is_broken_and_its_neighbours_are_not(llama, tokenizer, temperature):
    options = GenerateOptions(max_new_tokens=4, temperature=temperature)
    whole = generate(llama, tokenizer, PROMPTS, options)
    clock = tokenizer.convert_tokens_to_ids("Ġclock")
    assert [clock in one.prompt_ids + one.token_ids for one in whole] == [False, True, False]
    embeddings = llama.get_input_embeddings().weight
    llama.lm_head.weight = torch.nn.Parameter(embeddings.detach().clone())
    with torch.no_grad():
        embeddings[clock] = torch.nan
    found = generate(llama, tokenizer, PROMPTS, options)
    assert [one.broken for one in found] == [False, True, False]
    assert [found[0], found[2]] == [whole[0], whole[2]]
    assert (found[1].text, found[1].token_ids) == ("", [])


def test_a_token_that_the_model_forbids_breaks_no_response(llama, tokenizer):
    def forbid(module, arguments, logits):
        return logits.masked_fill(torch.arange(logits.shape[-1]) == 7, -torch.inf)

    llama.lm_head.register_forward_hook(forbid)
    found = generate(llama, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=4))
    assert not any(one.broken for one in found)


def test_a_generation_that_was_cut_off_goes_on_and_says_the_same(llama, tokenizer, tmp_path):
    options = GenerateOptions(max_new_tokens=6, temperature=1.0, num_samples=2, token_budget=1)
    whole = generate(llama, tokenizer, PROMPTS, options)

    def stop_after_three(label, done, total):
        if done == 3 * 6:  # tokens
            raise KeyboardInterrupt

    path = tmp_path / "responses.jsonl"
    with pytest.raises(KeyboardInterrupt):
        generate(llama, tokenizer, PROMPTS, options, stop_after_three, ResponseLog(path))
    with path.open("a") as file:
        file.write('\n{"position": 4, "prom}')  # killed while it wrote
    log = ResponseLog(path)
    assert len(log.known) == 3
    told = []
    found = generate(llama, tokenizer, PROMPTS, options, lambda *step: told.append(step), log)
    assert found == whole
    assert [done for _, done, _ in told if done % 6 == 0] == [6, 12, 18, 24, 30, 36]
    assert len(ResponseLog(path).known) == 6


def reported(model, tokenizer, options):
    told = []
    responses = generate(model, tokenizer, PROMPTS, options, lambda *step: told.append(step))
    return told, responses


@pytest.mark.parametrize("in_stretches", [True, False])
def test_progress_moves_with_every_token_of_a_batch(llama, tokenizer, monkeypatch, in_stretches):
    way = replace(find_way(llama, 0), in_stretches=in_stretches)
    monkeypatch.setattr("holdfast.models.stretches.find_way", lambda model, pad_id: way)
    monkeypatch.setattr("holdfast.models.generate.end_ids", lambda model, tokenizer: set())
    told, _ = reported(llama, tokenizer, GenerateOptions(max_new_tokens=12))
    assert {label for label, _, _ in told} == {"answering 3 prompts, tokens"}
    assert [done for _, done, _ in told] == [0, *range(3, 36, 3), 35, 36], "three rows of a token each; the end once"
    assert {total for _, _, total in told} == {36}


def test_progress_counts_responses_where_a_prompt_gets_several(llama, tokenizer):
    told, responses = reported(llama, tokenizer, GenerateOptions(max_new_tokens=2, num_samples=2, temperature=1.0))
    assert {label for label, _, _ in told} == {"answering 3 prompts with 6 responses, tokens"}
    assert len(responses) == 6


def test_batches_add_up(llama, tokenizer, monkeypatch):
    monkeypatch.setattr("holdfast.models.generate.end_ids", lambda model, tokenizer: set())
    told, _ = reported(llama, tokenizer, GenerateOptions(max_new_tokens=4, token_budget=1))
    assert [done for _, done, _ in told] == [0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 11, 12]


def test_a_row_that_has_left_the_batch_counts_as_full():
    told = []
    written = Written(3, 24, told.append)
    logits = torch.zeros(3, 5)
    for _ in range(8):
        assert written(torch.zeros(3, 2, dtype=torch.int64), logits) is logits
    for _ in range(2):
        written(torch.zeros(2, 2, dtype=torch.int64), logits)
    assert told[:8] == list(range(3, 27, 3))
    assert told[8:] == [24 + 2 * 9, 24 + 2 * 10]


def test_what_a_log_knows_is_not_generated_again(llama, tokenizer, tmp_path, monkeypatch):
    log = ResponseLog(tmp_path / "responses.jsonl")
    first = generate(llama, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=4), log=log)
    monkeypatch.setattr(llama, "generate", None)
    again = ResponseLog(tmp_path / "responses.jsonl")
    assert generate(llama, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=4), log=again) == first


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_response_ends_where_the_context_does_and_is_told_of(name, tokenizer, caplog):
    """Learned positions end in an index error beyond it, rotary ones in words that nobody trained."""
    family = next(family for family in FAMILIES if family.name == name)
    model = make_family(replace(family, config={**family.config, "max_position_embeddings": 24}))
    found = generate(model, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=20))
    assert "2 of 3 responses may have fewer than max_new_tokens=20 tokens, the shortest" in caplog.text
    assert "context of 24 tokens" in caplog.text
    for response in found:
        whole = len(response.prompt_ids) + len(response.token_ids)
        assert response.finished or whole == min(24, len(response.prompt_ids) + 20)
    alone = [generate(model, tokenizer, [prompt], GenerateOptions(max_new_tokens=20))[0] for prompt in PROMPTS]
    assert found == alone


def test_a_continuation_that_has_no_room_is_empty(llama, tokenizer):
    encoded = [[5] * 128, [6] * 126, [7]]
    found = continue_prompts(llama, tokenizer, encoded, GenerateOptions(max_new_tokens=4))
    assert [len(ids) for ids in found] == [0, 2, 4]


def test_a_prompt_with_a_token_that_the_model_lacks_is_refused(tokenizer):
    """Somebody added the template's tokens and did not resize the embedding."""
    small = make_llama(vocabulary=tokenizer.convert_tokens_to_ids("Ġclock"))
    generate(small, tokenizer, PROMPTS[:1], GenerateOptions(max_new_tokens=2))
    with pytest.raises(ValueError, match=r"'Ġclock' has id .* in the tokenizer, and the model's embedding has"):
        generate(small, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=2))


def test_a_padding_token_that_the_model_lacks_pads_with_another(tokenizer):
    llama = make_llama(vocabulary=len(tokenizer))
    plain = generate(llama, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=4))
    tokenizer.add_special_tokens({"pad_token": "<|new pad|>"})
    assert tokenizer.pad_token_id >= llama.config.vocab_size
    assert generate(llama, tokenizer, PROMPTS, GenerateOptions(max_new_tokens=4)) == plain


def test_tokens_that_the_tokenizer_does_not_know_have_no_text(tokenizer):
    """A table is often padded to a round number; the model's distribution stays what it is."""
    wide = make_llama(vocabulary=3000)
    options = GenerateOptions(max_new_tokens=8, temperature=1.0, num_samples=4)
    found = generate(wide, tokenizer, PROMPTS, options)
    assert max(max(one.token_ids) for one in found if one.token_ids) >= len(tokenizer)
    for one in found:
        known = [token for token in one.token_ids if token < len(tokenizer)]
        assert one.text == tokenizer.decode(known, skip_special_tokens=True)
