"""Turns a conversation into token ids by the tokenizer's own chat template, and finds the tokens of each turn.

A prompt is rendered as the template renders a conversation that waits for the assistant. An exchange is that prompt,
token for token, followed by the response and the token that ends a turn. So a model is trained and scored on the same
tokens that it gets when it answers, even if its template writes finished turns in another way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from holdfast.json_files import digest
from holdfast.prompts.rendering import (
    PLAIN_TEMPLATE,
    ChatFormat,
    Piece,
    Rendered,
    Shield,
    Turn,
    end_of_turn,
    has_chat_template,
    render,
    up_to_end,
)
from holdfast.prompts.text_tokens import encode_text
from holdfast.thoughts import continue_thoughts

__all__ = [
    "PLAIN_FORMAT",
    "PLAIN_TEMPLATE",
    "ChatFormat",
    "EncodedChat",
    "TokenSpan",
    "Turn",
    "encode_chat",
    "encode_exchange",
    "encode_prompt",
    "end_of_turn",
    "has_chat_template",
    "rendering_digest",
]

PLAIN_FORMAT = "plain, for want of a template"
"""Description in reports of the format of a model without a chat template."""


class TokenSpan(NamedTuple):
    """A token that holds characters [start, end) of a turn's text."""

    token: int
    """Position in the encoded conversation."""
    start: int
    end: int


@dataclass(frozen=True)
class EncodedChat:
    """A rendered conversation as token ids."""

    token_ids: list[int]
    spans: list[list[TokenSpan]]
    """For every turn, the tokens that hold its text, in order. Empty if the template rewrites the text."""
    text: str = ""
    """The rendered conversation, with special tokens as text."""


def encode_chat(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[Turn],
    *,
    generation_prompt: bool = True,
    chat_format: ChatFormat = ChatFormat(),
) -> EncodedChat:
    """Returns the token ids of a conversation. With `generation_prompt` it ends where the assistant's next turn begins.

    Raises:
        ValueError: the template refuses a turn, or leaves it out, so that the model would never see it.
    """
    shield = Shield(tokenizer, [turn.text for turn in turns])
    rendered = render(tokenizer, turns, shield, generation_prompt=generation_prompt, chat_format=chat_format)
    return _encode(tokenizer, rendered.pieces, shield, len(turns))


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Returns the token ids of a conversation of one user turn that waits for the assistant."""
    return encode_chat(tokenizer, [Turn("user", prompt)]).token_ids


def encode_exchange(tokenizer: PreTrainedTokenizerBase, prompt: str, response: str) -> EncodedChat:
    """Encodes a prompt as it is given to the model, then a response, then the end of the turn.

    `spans[1]` are the response's tokens. Between prompt and response stands what the template writes there in a
    finished turn (a blank, an empty block of thoughts), if the template shows all words of the response. A template
    that drops the response's thoughts, or rewrites it, adds nothing: the response is then encoded unchanged.
    """
    shield = Shield(tokenizer, [prompt, response])
    turns = [Turn("user", prompt), Turn("assistant", response)]
    rendered_prompt = render(tokenizer, turns[:1], shield, generation_prompt=True)
    whole = render(tokenizer, turns, shield, generation_prompt=False)
    following = _following(rendered_prompt, whole, response, shield)
    before = _encode(tokenizer, rendered_prompt.pieces, shield, len(turns))
    together = _encode(tokenizer, [*rendered_prompt.pieces, *following], shield, len(turns))
    if together.token_ids[: len(before.token_ids)] == before.token_ids:
        return together
    # Here one token would span the end of the prompt, but a model that answers begins with a new one.
    return _joined(before, _encode(tokenizer, following, shield, len(turns), at_start=not before.token_ids))


def rendering_digest(chats: Sequence[EncodedChat]) -> str:
    """Returns the SHA-256 of conversations as they were rendered, in order.

    It covers their text, not their token ids. So two checkpoints that number the same tokens differently have equal
    hashes.
    """
    return digest([chat.text for chat in chats])


def _following(rendered_prompt: Rendered, whole: Rendered, response: str, shield: Shield) -> list[Piece]:
    """Returns the text after the prompt, up to the token that ends the turn."""
    hidden = shield.hide(response)
    shown = [place for place, piece in enumerate(whole.pieces) if piece.turn == 1]
    if shown and whole.text.startswith(rendered_prompt.text) and whole.shows(1, hidden):
        behind = "".join(piece.text for piece in whole.pieces[shown[-1] + 1 :])
        kept = [*whole.pieces[: shown[-1] + 1], Piece(up_to_end(behind, shield.pattern))]
        return list(_beyond(kept, len(rendered_prompt.text)))
    lead, start = continue_thoughts(rendered_prompt.text, hidden)
    own = Piece(hidden[start:], 1, len(shield.bare(hidden[:start])))
    return [Piece(lead), own, Piece(up_to_end(whole.behind, shield.pattern))]


def _beyond(pieces: Sequence[Piece], length: int) -> Iterator[Piece]:
    """Yields the pieces without their first `length` characters."""
    for piece in pieces:
        cut = min(length, len(piece.text))
        length -= cut
        if cut < len(piece.text):
            yield piece._replace(text=piece.text[cut:], start=piece.start + cut)


def _joined(before: EncodedChat, after: EncodedChat) -> EncodedChat:
    moved = [
        [TokenSpan(len(before.token_ids) + token, start, end) for token, start, end in spans] for spans in after.spans
    ]
    spans = [first + second for first, second in zip(before.spans, moved, strict=True)]
    return EncodedChat(before.token_ids + after.token_ids, spans, before.text + after.text)


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    pieces: Sequence[Piece],
    shield: Shield,
    num_turns: int,
    *,
    at_start: bool = True,
) -> EncodedChat:
    """Encodes a rendering. The template's special tokens are taken by name, and the text between them is encoded."""
    chat = EncodedChat([], [[] for _ in range(num_turns)], shield.bare("".join(piece.text for piece in pieces)))
    stretch: list[Piece] = []
    for piece in pieces:
        place = 0
        for token in shield.pattern.finditer(piece.text) if piece.turn is None else ():
            stretch.append(Piece(shield.bare(piece.text[place : token.start()])))
            _encode_stretch(tokenizer, stretch, chat, at_start=at_start and not chat.token_ids)
            chat.token_ids.append(shield.special[token[0].strip()])
            stretch, place = [], token.end()
        stretch.append(piece._replace(text=shield.bare(piece.text[place:])))
    _encode_stretch(tokenizer, stretch, chat, at_start=at_start and not chat.token_ids)
    return chat


def _encode_stretch(
    tokenizer: PreTrainedTokenizerBase, pieces: Sequence[Piece], chat: EncodedChat, *, at_start: bool
) -> None:
    """Encodes a run of ordinary text, and adds its tokens to the turns whose characters they hold."""
    text = "".join(piece.text for piece in pieces)
    if not text:
        return
    encoded = encode_text(tokenizer, text, at_start=at_start)
    begin = 0
    for piece in pieces:
        end = begin + len(piece.text)
        for position, (left, right) in enumerate(encoded.offsets):
            if piece.turn is not None and left < end and right > begin:
                here = piece.start - begin
                span = TokenSpan(len(chat.token_ids) + position, max(left, begin) + here, min(right, end) + here)
                _file(chat.spans[piece.turn], span)
        begin = end
    chat.token_ids.extend(encoded.token_ids)


def _file(spans: list[TokenSpan], span: TokenSpan) -> None:
    """Adds a span. If the last span is of the same token, it becomes longer."""
    if spans and spans[-1].token == span.token:
        spans[-1] = spans[-1]._replace(end=span.end)
    else:
        spans.append(span)
