"""Renders a conversation with a chat template, and knows which characters the template wrote and which each turn holds.

The template is rendered with placeholders once for all conversations of the same roles, and with the true texts for
each. Where the two agree, the texts are put in the placeholders' places. Where they differ, the template reads what it
is given (it trims a turn, or moves its thoughts), so the true rendering counts, and the texts are looked for in it.

Text that a user or a model wrote cannot forge a special token: what looks like one is broken up before the template
sees it. A template that then still answers a text with other special tokens is given placeholders instead.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from transformers import PreTrainedTokenizerBase

from holdfast.prompts.template_arguments import arguments_of
from holdfast.thoughts import without_thoughts

PLAIN_TEMPLATE = (
    "{{ beginning }}{% for turn in messages %}{{ turn.role.capitalize() }}: {{ turn.content }}"
    "{% if turn.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""For a model that has no chat template: begun as its tokenizer begins a text, answers ended by its end token."""
TODAY = datetime(2024, 7, 26)
"""What a template that asks for the date is told, so that a prompt is the same on every day. Llama 3's own default."""
UNUSED = range(0xE002, 0xF900)
"""Private-use characters."""


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


class Piece(NamedTuple):
    """Text of the template (turn None), or of a turn from one of its characters on."""

    text: str
    turn: int | None = None
    start: int = 0


class Shield:
    """Breaks up what looks like a special token in the text of a turn, and mends it when the token ids are made."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> None:
        self.special, self.pattern = special_tokens(tokenizer, len(tokenizer))
        together = "".join(texts)
        self._mark = next(mark for mark in map(chr, UNUSED) if mark not in together)

    def hide(self, text: str) -> str:
        """The text with a private-use character within every special token."""
        return self.pattern.sub(lambda found: _broken(found[0], self._mark), text)

    def bare(self, text: str) -> str:
        """The text as it was."""
        return text.replace(self._mark, "")


@dataclass(frozen=True)
class Rendered:
    """A rendered conversation; what looks like a special token in it, and is none, is broken up."""

    pieces: list[Piece]
    behind: str
    """What the template writes behind the last turn, whatever its text."""

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(piece.text for piece in self.pieces)

    def shows(self, turn: int, text: str) -> bool:
        """Whether the turn's text is shown with all its words, and where is known."""
        return _words(piece.text for piece in self.pieces if piece.turn == turn) == _words([text])


def _broken(token: str, mark: str) -> str:
    begin = len(token) - len(token.lstrip()) + 1
    return token[:begin] + mark + token[begin:]


@lru_cache(maxsize=16)
def special_tokens(tokenizer: PreTrainedTokenizerBase, size: int) -> tuple[dict[str, int], re.Pattern[str]]:
    """The tokenizer's special tokens by their text, and a pattern that finds them; `size` tells of added ones.

    Some take white space in with them (those of Phi-3 do), which the pattern finds too.
    """
    special = {token_id: token for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    longest_first = sorted(special.values(), key=lambda token: len(token.content), reverse=True)
    blanks = r"\s*"
    patterns = [blanks * one.lstrip + re.escape(one.content) + blanks * one.rstrip for one in longest_first]
    return {one.content: token_id for token_id, one in special.items()}, re.compile("|".join(patterns) or r"(?!)")


def render(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[Turn],
    shield: Shield,
    *,
    generation_prompt: bool,
    chat_format: ChatFormat = ChatFormat(),
) -> Rendered:
    """What the template makes of the conversation.

    Raises:
        ValueError: the template refuses a turn, or leaves it out, so that the model would never see it.
    """
    how = how_rendered(tokenizer, [turn.role for turn in turns], generation_prompt, chat_format)
    skeleton = skeleton_of(tokenizer, how, _made_of(tokenizer))
    texts = [shield.hide(turn.text) for turn in turns]
    filled = [piece if piece.turn is None else Piece(texts[piece.turn], piece.turn) for piece in skeleton.pieces]
    assumed = "".join(piece.text for piece in filled)
    try:
        true = _apply(tokenizer, how, texts, as_parts=skeleton.as_parts)
    except Exception as error:  # a template is a program of the checkpoint's and may raise anything
        raise ValueError(_objection(tokenizer, f"refuses the conversation ({error})")) from error
    if true != assumed and shield.pattern.findall(true) == shield.pattern.findall(assumed):
        filled = _located(true, filled, texts, shield)
    return Rendered([*filled, Piece(chat_format.suffix)], skeleton.pieces[-1].text)


class _How(NamedTuple):
    """What a template makes of turns, whatever their texts."""

    roles: tuple[str, ...]
    generation_prompt: bool
    template: str | None
    """None takes the tokenizer's own."""
    arguments: str
    """JSON."""


class Skeleton(NamedTuple):
    """The rendering of a conversation of given roles, with empty turns."""

    pieces: tuple[Piece, ...]
    as_parts: bool
    """Whether the template takes lists of parts, and no plain text."""


def how_rendered(
    tokenizer: PreTrainedTokenizerBase,
    roles: Sequence[str],
    generation_prompt: bool,
    chat_format: ChatFormat = ChatFormat(),
) -> _How:
    """The template and its arguments: those of the format, and those that the tokenizer was loaded with."""
    template, arguments = chat_format.template, {**arguments_of(tokenizer), **chat_format.arguments}
    if not template and not has_chat_template(tokenizer):
        template, arguments = PLAIN_TEMPLATE, {"beginning": _beginning(tokenizer), **arguments}
    return _How(tuple(roles), generation_prompt, template, json.dumps(arguments, sort_keys=True))


def has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer brings a chat template of its own."""
    return bool(getattr(tokenizer, "chat_template", None))


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token that the template writes right behind an assistant's turn; None where it writes none.

    Raises:
        ValueError: the template refuses the conversation.
    """
    how = how_rendered(tokenizer, ["user", "assistant"], generation_prompt=False)
    behind = skeleton_of(tokenizer, how, _made_of(tokenizer)).pieces[-1].text
    special, pattern = special_tokens(tokenizer, len(tokenizer))
    end = up_to_end(behind, pattern).strip()
    return special.get(end)


def up_to_end(behind: str, pattern: re.Pattern[str]) -> str:
    """What a template writes behind a turn, up to the special token that ends it; all where none does."""
    end = re.match(rf"\s*(?:{pattern.pattern})", behind)
    return end[0] if end else behind


@lru_cache(maxsize=64)
def skeleton_of(tokenizer: PreTrainedTokenizerBase, how: _How, made_of: tuple[str, int, str]) -> Skeleton:
    """The rendering with placeholders; `made_of` tells a tokenizer that has got another template or new tokens."""
    # Private-use characters: no template writes them, and a turn's own text is put in only after rendering.
    marks = [f"\ue000{position}\ue001" for position in range(len(how.roles))]
    text, as_parts = _render_marks(tokenizer, how, marks)
    parts = re.split("\ue000(\\d+)\ue001", text)
    pieces = (Piece("", int(part)) if place % 2 else Piece(part) for place, part in enumerate(parts))
    return Skeleton(tuple(pieces), as_parts)


def _made_of(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int, str]:
    return str(tokenizer.chat_template), len(tokenizer), str(tokenizer.special_tokens_map)


def _beginning(tokenizer: PreTrainedTokenizerBase) -> str:
    """What the tokenizer puts in front of a text by itself: a token that begins it, or nothing."""
    (whole, bare) = (tokenizer("a", add_special_tokens=added)["input_ids"] for added in (True, False))
    added = next((place for place in range(len(whole)) if whole[place : place + len(bare)] == bare), 0)
    return "".join(tokenizer.convert_ids_to_tokens(whole[:added]))


def _render_marks(tokenizer: PreTrainedTokenizerBase, how: _How, marks: Sequence[str]) -> tuple[str, bool]:
    """What the template writes with marks for texts, and whether it had to be given lists of parts."""
    objection = ""
    for as_parts in (False, True):
        try:
            text = _apply(tokenizer, how, marks, as_parts=as_parts)
        except Exception as error:  # a template is a program of the checkpoint's and may raise anything
            objection = objection or f"refuses the conversation ({error})"
            continue
        left_out = [role for role, mark in zip(how.roles, marks, strict=True) if text.count(mark) != 1]
        if not left_out:
            return text, as_parts
        objection = objection or f"does not show the {left_out[0]} turn exactly once"
    raise ValueError(_objection(tokenizer, objection))


def _objection(tokenizer: PreTrainedTokenizerBase, what: str) -> str:
    return f"the chat template of {tokenizer.name_or_path!r} {what}; use a tokenizer whose template shows every turn."


def _apply(tokenizer: PreTrainedTokenizerBase, how: _How, texts: Sequence[str], *, as_parts: bool) -> str:
    contents = [[{"type": "text", "text": text}] for text in texts] if as_parts else texts
    messages: Any = [{"role": role, "content": content} for role, content in zip(how.roles, contents, strict=True)]
    return str(
        tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            chat_template=_dated(tokenizer.get_chat_template(how.template)),
            add_generation_prompt=how.generation_prompt,
            **json.loads(how.arguments),
        )
    )


def _dated(template: str) -> str:
    """The template, with a macro in place of the clock that it may ask; functions cannot be handed to it."""
    if "strftime_now" not in template:
        return template
    codes = {f"%{code}": TODAY.strftime(f"%{code}") for code in "aAbBdHIjmMpSUwWyY"}
    codes |= {"%-d": str(TODAY.day), "%-m": str(TODAY.month)}
    replaced = "".join(f".replace({code!r}, {text!r})" for code, text in codes.items())
    return f"{{% macro strftime_now(format) %}}{{{{ format{replaced} }}}}{{% endmacro %}}{{{{ '' }}}}{template}"


def _located(true: str, filled: Sequence[Piece], texts: Sequence[str], shield: Shield) -> list[Piece]:
    """The true rendering in pieces, from its end on as far as turns are found; what stands before is one piece."""
    found: list[Piece] = []
    for piece in reversed(filled):
        if piece.turn is None:
            parts = [piece] if true.endswith(piece.text) else None
        else:
            parts = _shown(true, texts[piece.turn], piece.turn, shield)
        if parts is None:
            break
        found = [*parts, *found]
        true = true[: len(true) - sum(len(part.text) for part in parts)]
    return [Piece(true), *found]


def _shown(before: str, text: str, turn: int, shield: Shield) -> list[Piece] | None:
    """The end of a rendering in pieces, from the first word of a turn that is shown there on.

    White space may differ, and thoughts may be left out. None where other words are missing.
    """
    matched = _match_backwards(before, text)
    begun = matched[0][1] if matched else len(text)
    if text[:begun].strip() and begun > len(text) - len(without_thoughts(text)):
        return None
    pieces, end = [], matched[0][0] if matched else len(before)
    for place, start, length in _runs(matched):
        pieces += [Piece(before[end:place])] if place > end else []
        end = place + length
        pieces.append(Piece(before[place:end], turn, len(shield.bare(text[:start]))))
    return [*pieces, Piece(before[end:])] if end < len(before) else pieces


def _match_backwards(before: str, text: str) -> list[tuple[int, int]]:
    """Where the characters of a text stand at the end of another, from its last words on; white space may differ."""
    place, character, pairs = len(before), len(text), []
    first_word = len(text) - len(text.lstrip())
    while place and character > first_word:
        if before[place - 1] == text[character - 1]:
            place, character = place - 1, character - 1
            pairs.append((place, character))
        elif text[character - 1].isspace():
            character -= 1
        elif before[place - 1].isspace():
            place -= 1
        else:
            break
    return pairs[::-1]


def _runs(matched: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Unbroken runs of pairs: where each begins in both, and its length."""
    runs: list[tuple[int, int, int]] = []
    for place, character in matched:
        if runs and (place, character) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
            runs[-1] = (runs[-1][0], runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((place, character, 1))
    return runs


def _words(texts: Iterable[str]) -> str:
    """All characters but white space."""
    return "".join("".join(texts).split())
