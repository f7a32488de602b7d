import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.judge.guard import GuardJudge
from holdfast.models.response_log import Response
from holdfast.objective.alignment import align, token_spans
from holdfast.objective.gains import JudgeGains
from holdfast.objective.vocabulary import embed_vocabulary, token_strings
from tests.tiny import GUARD_TEMPLATE, make_llama, make_tokenizer

TOKENIZER = make_tokenizer()
JUDGE_TOKENIZER = make_tokenizer(vocabulary=300)
TEXT = st.text(alphabet="abc ,.?éï東京🙂\n", max_size=20)


def encode(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False)["input_ids"]


@settings(deadline=None, max_examples=40)
@given(TEXT)
def test_spans_cover_the_text_in_order_without_gaps(text):
    token_ids = encode(text)
    spans = token_spans(TOKENIZER, token_ids, text)
    assert len(spans) == len(token_ids)
    ends = [end for _, end in spans]
    assert [start for start, _ in spans] == [0.0, *ends[:-1]][: len(spans)]
    assert ends == sorted(ends)
    assert not ends or ends[-1] == len(text)


@settings(deadline=None, max_examples=40)
@given(TEXT)
def test_spans_of_whole_tokens_hold_exactly_their_text(text):
    for token, (start, end) in zip(encode(text), token_spans(TOKENIZER, encode(text), text), strict=True):
        if start == int(start) and end == int(end):
            assert TOKENIZER.decode([token], clean_up_tokenization_spaces=False) == text[int(start) : int(end)]


def test_the_bytes_of_a_character_share_it_equally():
    token_ids = [TOKENIZER.convert_tokens_to_ids(byte) for byte in ("a", "æ", "Ŀ", "±", "b")]  # a, E6 9D B1, b
    third = 1 / 3
    expected = [(0, 1), (1, 1 + third), (1 + third, 1 + 2 * third), (1 + 2 * third, 2), (2, 3)]
    torch.testing.assert_close(torch.tensor(token_spans(TOKENIZER, token_ids, "a東b")), torch.tensor(expected))


def test_a_response_that_was_cut_within_a_character_is_aligned_to_its_replacement_mark():
    token_ids = [TOKENIZER.convert_tokens_to_ids(byte) for byte in ("a", "æ")]
    assert token_spans(TOKENIZER, token_ids, "a\ufffd") == [(0, 1), (1, 2)]


def test_special_tokens_hold_no_characters():
    end = TOKENIZER.convert_tokens_to_ids("<|end|>")
    inner = [*encode("help"), end, *encode(" that")]
    spans = token_spans(TOKENIZER, inner, "help that")
    assert spans[len(encode("help"))] == (4, 4)
    assert spans[-1][1] == 9


def test_a_text_that_is_not_the_tokens_own_is_refused():
    with pytest.raises(ValueError, match="is not what its tokens decode to"):
        token_spans(TOKENIZER, encode("help that"), "help this")


def test_gradients_go_to_the_tokens_whose_characters_overlap_by_their_share():
    """Text 'abcdef': the judge reads abc|de|f, the model ab|cdef; of abc's gradient two thirds go to ab."""
    gradients = torch.tensor([[3.0, 0.0], [0.0, 5.0], [7.0, 7.0]])
    aligned = align(gradients, [(0, 3), (3, 5), (5, 6)], [(0.0, 2.0), (2.0, 6.0)])
    torch.testing.assert_close(aligned, torch.tensor([[2.0, 0.0], [8.0, 12.0]]))


def test_equal_tokens_keep_their_own_gradients():
    gradients = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    spans = [(0, 2), (2, 3), (3, 7), (7, 8)]
    same = [(float(start), float(end)) for start, end in spans]
    torch.testing.assert_close(align(gradients, spans, same), gradients)


def test_a_judge_with_the_models_tokenizer_gives_what_token_by_token_arithmetic_gives():
    """C[t, v] = g_t . (E[v] - E[y_t]) with the judge's own embedding matrix: no strings, no characters."""
    tokenizer = make_tokenizer(template=GUARD_TEMPLATE)
    guard = GuardJudge(make_llama(), tokenizer)
    prompt, text = "how do i mend it ?", "sorry , i can not help with that ."
    token_ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    gains = JudgeGains(guard, tokenizer)
    judged = gains.judge([Response(prompt, [3], token_ids, text, finished=True)])
    own = guard.response_gradients([prompt], [text])[0]
    torch.testing.assert_close(judged[0].gradients, own.gradients)
    table = guard.model.get_input_embeddings().weight.detach()
    expected = own.gradients @ table.T - (own.gradients * table[token_ids]).sum(1, keepdim=True)
    strings = token_strings(tokenizer)
    again = [tokenizer(string, add_special_tokens=False)["input_ids"] for string in strings]
    same = [token for token, ids in enumerate(again) if ids == [token]]
    assert len(same) > 150  # the rest are special tokens, and bytes that are no character of their own
    found = gains.gains(judged, torch.device("cpu"))
    torch.testing.assert_close(found[:, same], expected[:, same])


@settings(deadline=None, max_examples=40)
@given(TEXT)
def test_no_gradient_is_lost_between_two_tokenizers(text):
    other = JUDGE_TOKENIZER(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    gradients = torch.randn(len(other), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    aligned = align(gradients, other, token_spans(TOKENIZER, encode(text), text))
    torch.testing.assert_close(aligned.sum(0), gradients.sum(0))


def test_token_strings_keep_the_space_before_a_word_and_are_empty_without_a_text():
    strings = token_strings(TOKENIZER)
    assert len(strings) == len(TOKENIZER)
    assert strings[encode("i help")[-1]] == " help"
    assert strings[TOKENIZER.convert_tokens_to_ids("<|end|>")] == ""
    assert strings[TOKENIZER.convert_tokens_to_ids("æ")] == ""  # the byte E6, no character of its own


def test_tokens_without_a_text_are_marked_unreadable():
    class Lengths:
        def embed_strings(self, strings):
            return torch.tensor([[float(len(string))] for string in strings])

    embeddings, readable = embed_vocabulary(Lengths(), TOKENIZER)
    help_id, end_id = encode("i help")[-1], TOKENIZER.convert_tokens_to_ids("<|end|>")
    assert (float(embeddings[help_id]), bool(readable[help_id])) == (5.0, True)
    assert not bool(readable[end_id])


@pytest.mark.parametrize("text", ["how do i mend the old clock ?", "naïve café 東京", "mend \ufffd it"])
def test_tokens_that_need_no_neighbours_are_spanned_as_all_others_are(text, tokenizer, monkeypatch):
    token_ids = tokenizer(text)["input_ids"]
    quick = token_spans(tokenizer, token_ids, text)
    decode = tokenizer.batch_decode
    monkeypatch.setattr(
        tokenizer, "batch_decode", lambda ids, **how: [] if len(ids[-1]) == 1 < len(ids) else decode(ids, **how)
    )
    assert token_spans(tokenizer, token_ids, text) == quick
