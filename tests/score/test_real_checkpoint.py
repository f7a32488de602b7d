"""A pretrained checkpoint through score and select, and real responses through the alignment of two real tokenizers."""

import json

import pytest
import torch
from transformers import AutoTokenizer

from holdfast.artifacts import load_scores
from holdfast.models.load import load_model
from holdfast.objective.alignment import align, token_spans
from holdfast.objective.vocabulary import token_strings
from holdfast.pipeline import masks, scoring
from holdfast.prompts.chat import encode_exchange
from holdfast.records import Exchange
from holdfast.score import ResponseLikelihood, score
from tests.real import real, real_column

RESPONSES = "data/over_refusal/xstest_v2_completions_mistralinstruct_gpteval.csv"


@pytest.mark.parametrize("method", ["esi", "wanda"])
def test_stories260k_is_scored_on_real_prompts_and_its_top_one_percent_selected(method, tmp_path):
    asked, said = (real_column(RESPONSES, column, 12) for column in ("prompt", "completion"))
    rows = [{"prompt": prompt, "response": text[:200]} for prompt, text in zip(asked, said, strict=True)]
    (tmp_path / "exchanges.jsonl").write_text("\n".join(map(json.dumps, rows)))
    options = scoring.ScoringOptions(objective="utility", method=method)
    files = (str(real("models/stories260k")), str(tmp_path / "exchanges.jsonl"), tmp_path / "scores.safetensors")
    scores, out = scoring.score_likelihood(*files, options=options), files[-1]
    assert scores.num_entries == 5 * (64 * 64 * 2 + 2 * 64 * 32 + 3 * 64 * 172)  # q, o; k, v; gate, up, down
    assert all(bool(entries.isfinite().all()) and bool(entries.any()) for entries in scores.entries.values())
    mask = masks.select(out, "top", tmp_path / "mask.safetensors", given={"fraction": 0.01})
    assert len(mask) == round(0.01 * scores.num_entries)
    everything = torch.cat([entries.flatten() for entries in load_scores(out).entries.values()])
    selected = torch.cat([scores.entries[name].flatten()[mask[name]] for name in mask.indices])
    assert torch.equal(selected.sort().values, everything.sort().values[-len(mask) :])


def load_tokenizer(name: str):
    return AutoTokenizer.from_pretrained(real(f"tokenizers/{name}"))


@pytest.mark.parametrize(("model", "judge"), [("gpt2", "qwen2.5"), ("qwen2.5", "gpt2"), ("gpt2", "gpt2")])
def test_what_a_judge_says_of_real_responses_reaches_the_tokens_of_another_tokenizer(model, judge):
    model_tokenizer, judge_tokenizer = load_tokenizer(model), load_tokenizer(judge)
    generator = torch.Generator().manual_seed(0)
    for text in real_column(RESPONSES, "completion", 60):
        token_ids = model_tokenizer(text)["input_ids"]
        spans = token_spans(model_tokenizer, token_ids, text)
        judged = judge_tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
        gradients = torch.randn(len(judged), 3, generator=generator, dtype=torch.float64)
        aligned = align(gradients, judged, spans)
        assert len(aligned) == len(token_ids)
        # Characters are shared out whole: nothing of the judge's gradient is lost or counted twice.
        whole = torch.tensor([end > begin for begin, end in judged])
        torch.testing.assert_close(aligned.sum(0), gradients[whole].sum(0))
        if model == judge and text.isascii():
            torch.testing.assert_close(aligned, gradients)


@pytest.mark.parametrize("name", ["gpt2", "qwen2.5"])
def test_every_response_token_of_a_real_tokenizer_is_found_in_its_own_conversation(name):
    tokenizer = load_tokenizer(name)
    for text in real_column(RESPONSES, "completion", 20):
        chat = encode_exchange(tokenizer, "a question", text)
        first, last = chat.spans[1][0], chat.spans[1][-1]
        assert (first.start, last.end) == (0, len(text))
        assert text in tokenizer.decode(chat.token_ids, clean_up_tokenization_spaces=False)


def test_the_strings_of_a_real_vocabulary_are_what_its_tokens_add():
    tokenizer = load_tokenizer("gpt2")
    strings = token_strings(tokenizer)
    assert len(strings) == len(tokenizer)
    assert strings[tokenizer.convert_tokens_to_ids("Ġkill")] == " kill"
    assert strings[tokenizer.eos_token_id] == ""


def test_stories260k_answers_in_a_plain_format():
    loaded = load_model(str(real("models/stories260k")))
    assert not loaded.tokenizer.chat_template
    chat = encode_exchange(loaded.tokenizer, "Tell me a story", "Once upon a time")
    objective = ResponseLikelihood(loaded.tokenizer, [Exchange("Tell me a story", "Once upon a time")])
    assert score(loaded, objective).made_by["chat_format"] == "plain, for want of a template"
    assert "User: Tell me a story" in loaded.tokenizer.decode(chat.token_ids)
