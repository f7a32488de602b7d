"""Turn a conversation into token ids by the tokenizer's own chat template, and know which tokens each turn became.

The template is rendered around placeholders, so where a turn stands is known exactly, and text that a user or a model
wrote cannot forge one of the template's special tokens: those are taken from the template alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from transformers import PreTrainedTokenizerBase

PLAIN_TEMPLATE = (
    "{% for turn in messages %}{{ turn.role.capitalize() }}: {{ turn.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Used for a model that has no chat template."""


class Turn(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


class TokenSpan(NamedTuple):
    """A token that holds characters [start, end) of a turn's text."""

    token: int
    """Position in the encoded conversation."""
    start: int
    end: int


@dataclass(frozen=True)
class EncodedChat:
    """A rendered conversation."""

    token_ids: list[int]
    spans: list[list[TokenSpan]]
    """For every turn, the tokens that hold its text, in order."""


def has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer brings a chat template of its own."""
    return bool(getattr(tokenizer, "chat_template", None))


def encode_chat(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], *, generation_prompt: bool = True
) -> EncodedChat:
    """Token ids of a conversation, ready for the assistant's next turn when `generation_prompt` is set.

    Raises:
        ValueError: the template leaves a turn out, so that the model would never see it.
    """
    pieces = _render(tokenizer, turns, generation_prompt)
    token_ids: list[int] = []
    spans: list[list[TokenSpan]] = [[] for _ in turns]
    for stretch in _split_at_special_tokens(tokenizer, pieces):
        if isinstance(stretch, int):
            token_ids.append(stretch)
            continue
        _encode_stretch(tokenizer, stretch, turns, token_ids, spans)
    return EncodedChat(token_ids, spans)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Token ids of a conversation of one user turn that waits for the assistant."""
    return encode_chat(tokenizer, [Turn("user", prompt)]).token_ids


def encode_exchange(tokenizer: PreTrainedTokenizerBase, prompt: str, response: str) -> EncodedChat:
    """A user turn and the assistant's answer to it; `spans[1]` are the response's tokens."""
    return encode_chat(tokenizer, [Turn("user", prompt), Turn("assistant", response)], generation_prompt=False)


class _Piece(NamedTuple):
    """Text of the template (turn None) or of a turn."""

    text: str
    turn: int | None


def _render(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], generation_prompt: bool) -> list[_Piece]:
    # Private-use characters: no template writes them, and a turn's own text is put in only after rendering.
    marks = [f"\ue000{position}\ue001" for position in range(len(turns))]
    messages = [{"role": turn.role, "content": mark} for turn, mark in zip(turns, marks, strict=True)]
    template = None if has_chat_template(tokenizer) else PLAIN_TEMPLATE
    text = str(
        tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=generation_prompt
        )
    )
    left_out = [turn.role for turn, mark in zip(turns, marks, strict=True) if text.count(mark) != 1]
    if left_out:
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path!r} does not show the {left_out[0]} turn exactly once; "
            "use a tokenizer whose template shows every turn."
        )
    parts = re.split("\ue000(\\d+)\ue001", text)
    return [
        _Piece(turns[int(part)].text, int(part)) if position % 2 else _Piece(part, None)
        for position, part in enumerate(parts)
    ]


def _split_at_special_tokens(tokenizer: PreTrainedTokenizerBase, pieces: list[_Piece]) -> list[int | list[_Piece]]:
    """Token ids of the template's special tokens, and between them runs of ordinary text."""
    special = {token.content: token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    pattern = "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True))
    stretches: list[int | list[_Piece]] = [[]]
    for piece in pieces:
        parts = re.split(f"({pattern})", piece.text) if pattern and piece.turn is None else [piece.text]
        for position, part in enumerate(parts):
            if position % 2:
                stretches += [special[part], []]
            elif part:
                run = stretches[-1]
                assert isinstance(run, list)
                run.append(_Piece(part, piece.turn))
    return [stretch for stretch in stretches if stretch != []]


def _encode_stretch(
    tokenizer: PreTrainedTokenizerBase,
    pieces: list[_Piece],
    turns: Sequence[Turn],
    token_ids: list[int],
    spans: list[list[TokenSpan]],
) -> None:
    """Encodes a run of ordinary text and files its tokens under the turns whose characters they hold."""
    encoded = tokenizer(
        "".join(piece.text for piece in pieces),
        add_special_tokens=False,
        return_offsets_mapping=True,
        split_special_tokens=True,
    )
    begin = 0
    for piece in pieces:
        end = begin + len(piece.text)
        for position, (left, right) in enumerate(encoded["offset_mapping"]):
            if piece.turn is not None and left < end and right > begin:
                span = TokenSpan(len(token_ids) + position, max(left, begin) - begin, min(right, end) - begin)
                spans[piece.turn].append(span)
        begin = end
    token_ids += encoded["input_ids"]
