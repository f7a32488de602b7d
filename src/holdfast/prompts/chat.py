"""Turn a conversation into token ids by the tokenizer's own chat template, and know which tokens each turn became.

The template is rendered around placeholders, so where a turn stands is known exactly, and text that a user or a model
wrote cannot forge one of the template's special tokens: those are taken from the template alone.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from transformers import PreTrainedTokenizerBase

PLAIN_FORMAT = "plain, for want of a template"
"""What reports say of a model without a chat template of its own."""
PLAIN_TEMPLATE = (
    "{% for turn in messages %}{{ turn.role.capitalize() }}: {{ turn.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Used for a model that has no chat template."""


class Turn(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class ChatFormat:
    """How turns become text, where a conversation alone does not say it."""

    template: str | None = None
    """A chat template in Jinja; the tokenizer's own when None."""
    arguments: Mapping[str, object] = field(default_factory=dict)
    """What the template is given beside the conversation."""
    suffix: str = ""
    """Text behind all that the template writes: the beginning of the next turn."""


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
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[Turn],
    *,
    generation_prompt: bool = True,
    chat_format: ChatFormat = ChatFormat(),
) -> EncodedChat:
    """Token ids of a conversation, ready for the assistant's next turn when `generation_prompt` is set.

    Raises:
        ValueError: the template refuses a turn, or leaves it out, so that the model would never see it.
    """
    own = None if has_chat_template(tokenizer) else PLAIN_TEMPLATE
    how = _How(
        roles=tuple(turn.role for turn in turns),
        generation_prompt=generation_prompt,
        template=chat_format.template or own,
        arguments=json.dumps(chat_format.arguments, sort_keys=True),
        suffix=chat_format.suffix,
    )
    made_of = (str(tokenizer.chat_template), len(tokenizer))
    token_ids: list[int] = []
    spans: list[list[TokenSpan]] = [[] for _ in turns]
    for stretch in _outline(tokenizer, how, made_of):
        if isinstance(stretch, int):
            token_ids.append(stretch)
            continue
        said = [piece if piece.turn is None else _Piece(turns[piece.turn].text, piece.turn) for piece in stretch]
        _encode_stretch(tokenizer, said, token_ids, spans)
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


class _How(NamedTuple):
    """What a template makes of turns, whatever their texts."""

    roles: tuple[str, ...]
    generation_prompt: bool
    template: str | None
    """None takes the tokenizer's own."""
    arguments: str
    """JSON."""
    suffix: str


@lru_cache(maxsize=64)
def _outline(tokenizer: PreTrainedTokenizerBase, how: _How, made_of: tuple[str, int]) -> list[int | list[_Piece]]:
    """Token ids of the template's special tokens, and between them runs of text, where turns are still to be filled in.

    Rendered once for all conversations alike; `made_of` tells a tokenizer that has got another template or new tokens.
    """
    # Private-use characters: no template writes them, and a turn's own text is put in only after rendering.
    marks = [f"\ue000{position}\ue001" for position in range(len(how.roles))]
    given = {"chat_template": how.template, "add_generation_prompt": how.generation_prompt}
    text = _render_marks(tokenizer, how.roles, marks, {**json.loads(how.arguments), **given})
    parts = re.split("\ue000(\\d+)\ue001", text + how.suffix)
    pieces = [_Piece("", int(part)) if place % 2 else _Piece(part, None) for place, part in enumerate(parts)]
    return _split_at_special_tokens(tokenizer, pieces)


def _render_marks(
    tokenizer: PreTrainedTokenizerBase, roles: Sequence[str], marks: Sequence[str], how: Mapping[str, Any]
) -> str:
    """What the template writes with marks for texts; one that shows no plain text is given lists of parts."""
    objection = ""
    for contents in (marks, [[{"type": "text", "text": mark}] for mark in marks]):
        messages: Any = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]
        try:
            text = str(tokenizer.apply_chat_template(messages, tokenize=False, **how))
        except Exception as error:  # a template is a program of the checkpoint's and may raise anything
            objection = objection or f"refuses the conversation ({error})"
            continue
        left_out = [role for role, mark in zip(roles, marks, strict=True) if text.count(mark) != 1]
        if not left_out:
            return text
        objection = objection or f"does not show the {left_out[0]} turn exactly once"
    raise ValueError(
        f"the chat template of {tokenizer.name_or_path!r} {objection}; use a tokenizer whose template shows every turn."
    )


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
            elif part or piece.turn is not None:
                run = stretches[-1]
                assert isinstance(run, list)
                run.append(_Piece(part, piece.turn))
    return [stretch for stretch in stretches if stretch != []]


def _encode_stretch(
    tokenizer: PreTrainedTokenizerBase,
    pieces: list[_Piece],
    token_ids: list[int],
    spans: list[list[TokenSpan]],
) -> None:
    """Encodes a run of ordinary text and files its tokens under the turns whose characters they hold."""
    encoded = tokenizer(
        "".join(piece.text for piece in pieces),
        add_special_tokens=False,
        return_offsets_mapping=True,
        split_special_tokens=True,
        verbose=False,  # what is too long is told of in one sentence, by whoever knows the model
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
