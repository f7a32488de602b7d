"""Renders a conversation with a chat template, and finds the characters that the template wrote and those of each turn.

The template is rendered once with placeholders for all conversations of the same roles, and once with the real texts
for each conversation. If both agree, the texts take the placeholders' places. If they differ, the template changes its
input (it trims a turn, or moves its thoughts). Then the real rendering counts, and the texts are searched in it.

Text from a user or a model cannot forge a special token: a look-alike is broken up before the template sees it. If the
template still answers a text with other special tokens, it gets placeholders instead.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from transformers import PreTrainedTokenizerBase

from holdfast.prompts.template_arguments import arguments_of
from holdfast.thoughts import without_thoughts

PLAIN_TEMPLATE = (
    "{{ beginning }}{% for turn in messages %}{{ turn.role.capitalize() }}: {{ turn.content }}"
    "{% if turn.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Template for a model that has none. It begins as the tokenizer begins a text, and its end token ends an answer."""
TODAY = datetime(2024, 7, 26)
"""Date for templates that ask for it, so that a prompt is equal on every day. It is Llama 3's own default."""
UNUSED = range(0xE002, 0xF900)
"""Private-use characters of Unicode."""


class Turn(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class ChatFormat:
    """Settings for turning turns into text."""

    template: str | None = None
    """A chat template in Jinja. None takes the tokenizer's own."""
    arguments: Mapping[str, object] = field(default_factory=dict)
    """Arguments of the template beside the conversation."""
    suffix: str = ""
    """Text after everything that the template writes: the beginning of the next turn."""


class Piece(NamedTuple):
    """A piece of rendered text: the template's (turn None), or that of a turn from character `start` on."""

    text: str
    turn: int | None = None
    start: int = 0


class Shield:
    """Breaks up text of a turn that looks like a special token, and repairs it before it is encoded."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> None:
        self.special, self.pattern = special_tokens(tokenizer, len(tokenizer))
        together = "".join(texts)
        self._mark = next(mark for mark in map(chr, UNUSED) if mark not in together)

    def hide(self, text: str) -> str:
        """Returns the text with a private-use character inside every special token."""
        return self.pattern.sub(lambda token: _broken(token[0], self._mark), text)

    def bare(self, text: str) -> str:
        """Returns the text without these characters."""
        return text.replace(self._mark, "")


@dataclass(frozen=True)
class Rendered:
    """A rendered conversation. Text that looks like a special token, and is none, is broken up in it."""

    pieces: list[Piece]
    behind: str
    """Text that the template writes after the last turn, whatever that turn's text."""

    @property
    def text(self) -> str:
        """The whole rendering."""
        return "".join(piece.text for piece in self.pieces)

    def shows(self, turn: int, text: str) -> bool:
        """Returns True if the rendering shows the turn's text with all its words, at known places."""
        return _words(piece.text for piece in self.pieces if piece.turn == turn) == _words([text])


def _broken(token: str, mark: str) -> str:
    begin = len(token) - len(token.lstrip()) + 1
    return token[:begin] + mark + token[begin:]


@lru_cache(maxsize=16)
def special_tokens(tokenizer: PreTrainedTokenizerBase, size: int) -> tuple[dict[str, int], re.Pattern[str]]:
    """Returns the tokenizer's special tokens by their text, and a pattern that finds them.

    The pattern includes the white space that some special tokens absorb, such as those of Phi-3. `size` makes the cache
    notice tokens that are added later.
    """
    special = {token_id: token for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    longest_first = sorted(special.values(), key=lambda token: len(token.content), reverse=True)
    blanks = r"\s*"
    patterns = [blanks * token.lstrip + re.escape(token.content) + blanks * token.rstrip for token in longest_first]
    return {token.content: token_id for token_id, token in special.items()}, re.compile("|".join(patterns) or r"(?!)")


def render(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[Turn],
    shield: Shield,
    *,
    generation_prompt: bool,
    chat_format: ChatFormat = ChatFormat(),
) -> Rendered:
    """Renders the conversation with the template.

    Raises:
        ValueError: the template refuses a turn, or leaves it out, so that the model would never see it.
    """
    settings = how_rendered(tokenizer, [turn.role for turn in turns], generation_prompt, chat_format)
    skeleton = skeleton_of(tokenizer, settings, _made_of(tokenizer))
    texts = [shield.hide(turn.text) for turn in turns]
    filled = [piece if piece.turn is None else Piece(texts[piece.turn], piece.turn) for piece in skeleton.pieces]
    assumed = "".join(piece.text for piece in filled)
    try:
        true = _apply(tokenizer, settings, texts, as_parts=skeleton.as_parts)
    except Exception as error:  # a template is a program of the checkpoint and may raise anything
        raise ValueError(_objection(tokenizer, f"refuses the conversation ({error})")) from error
    if true != assumed and shield.pattern.findall(true) == shield.pattern.findall(assumed):
        filled = _located(true, filled, texts, shield)
    return Rendered([*filled, Piece(chat_format.suffix)], skeleton.pieces[-1].text)


class _Settings(NamedTuple):
    """Settings of a rendering that do not depend on the texts of the turns."""

    roles: tuple[str, ...]
    generation_prompt: bool
    template: str | None
    """None takes the tokenizer's own."""
    arguments: str
    """Arguments of the template, as JSON."""


class Skeleton(NamedTuple):
    """The rendering of a conversation of given roles, with empty turns."""

    pieces: tuple[Piece, ...]
    as_parts: bool
    """True if the template takes lists of parts, and no plain text."""


def how_rendered(
    tokenizer: PreTrainedTokenizerBase,
    roles: Sequence[str],
    generation_prompt: bool,
    chat_format: ChatFormat = ChatFormat(),
) -> _Settings:
    """Returns the template with its arguments: those of the format, and those with which the tokenizer was loaded."""
    template, arguments = chat_format.template, {**arguments_of(tokenizer), **chat_format.arguments}
    if not template and not has_chat_template(tokenizer):
        template, arguments = PLAIN_TEMPLATE, {"beginning": _beginning(tokenizer), **arguments}
    return _Settings(tuple(roles), generation_prompt, template, json.dumps(arguments, sort_keys=True))


def has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Returns True if the tokenizer has a chat template of its own."""
    return bool(getattr(tokenizer, "chat_template", None))


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Returns the special token that the template writes directly after an assistant's turn. None if it writes none.

    Raises:
        ValueError: the template refuses the conversation.
    """
    settings = how_rendered(tokenizer, ["user", "assistant"], generation_prompt=False)
    behind = skeleton_of(tokenizer, settings, _made_of(tokenizer)).pieces[-1].text
    special, pattern = special_tokens(tokenizer, len(tokenizer))
    end = up_to_end(behind, pattern).strip()
    return special.get(end)


def up_to_end(behind: str, pattern: re.Pattern[str]) -> str:
    """Returns the text after a turn, up to the special token that ends it. Without such a token, returns all of it."""
    end = re.match(rf"\s*(?:{pattern.pattern})", behind)
    return end[0] if end else behind


@lru_cache(maxsize=64)
def skeleton_of(tokenizer: PreTrainedTokenizerBase, settings: _Settings, made_of: tuple[str, int, str]) -> Skeleton:
    """Renders the template with placeholders. `made_of` makes the cache notice a changed template and added tokens."""
    # Private-use characters: no template writes them, and the texts of turns are filled in after rendering.
    marks = [f"\ue000{position}\ue001" for position in range(len(settings.roles))]
    text, as_parts = _render_marks(tokenizer, settings, marks)
    parts = re.split("\ue000(\\d+)\ue001", text)
    pieces = (Piece("", int(part)) if place % 2 else Piece(part) for place, part in enumerate(parts))
    return Skeleton(tuple(pieces), as_parts)


def _made_of(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int, str]:
    return str(tokenizer.chat_template), len(tokenizer), str(tokenizer.special_tokens_map)


def _beginning(tokenizer: PreTrainedTokenizerBase) -> str:
    """Returns the token that the tokenizer puts in front of every text, or nothing."""
    (whole, bare) = (tokenizer("a", add_special_tokens=added)["input_ids"] for added in (True, False))
    added = next((place for place in range(len(whole)) if whole[place : place + len(bare)] == bare), 0)
    return "".join(tokenizer.convert_ids_to_tokens(whole[:added]))


def _render_marks(tokenizer: PreTrainedTokenizerBase, settings: _Settings, marks: Sequence[str]) -> tuple[str, bool]:
    """Renders the template with marks in place of texts. Also returns True if the template needed lists of parts."""
    objection = ""
    for as_parts in (False, True):
        try:
            text = _apply(tokenizer, settings, marks, as_parts=as_parts)
        except Exception as error:  # a template is a program of the checkpoint and may raise anything
            objection = objection or f"refuses the conversation ({error})"
            continue
        left_out = [role for role, mark in zip(settings.roles, marks, strict=True) if text.count(mark) != 1]
        if not left_out:
            return text, as_parts
        objection = objection or f"does not show the {left_out[0]} turn exactly once"
    raise ValueError(_objection(tokenizer, objection))


def _objection(tokenizer: PreTrainedTokenizerBase, fault: str) -> str:
    return f"the chat template of {tokenizer.name_or_path!r} {fault}; use a tokenizer whose template shows every turn."


def _apply(tokenizer: PreTrainedTokenizerBase, settings: _Settings, texts: Sequence[str], *, as_parts: bool) -> str:
    contents = [[{"type": "text", "text": text}] for text in texts] if as_parts else texts
    messages = [{"role": role, "content": content} for role, content in zip(settings.roles, contents, strict=True)]
    return str(
        tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            chat_template=_dated(tokenizer.get_chat_template(settings.template)),
            add_generation_prompt=settings.generation_prompt,
            **json.loads(settings.arguments),
        )
    )


def _dated(template: str) -> str:
    """Returns the template with a macro in place of the clock, since a function cannot be passed to it."""
    if "strftime_now" not in template:
        return template
    codes = {f"%{code}": TODAY.strftime(f"%{code}") for code in "aAbBdHIjmMpSUwWyY"}
    codes |= {"%-d": str(TODAY.day), "%-m": str(TODAY.month)}
    replaced = "".join(f".replace({code!r}, {text!r})" for code, text in codes.items())
    return f"{{% macro strftime_now(format) %}}{{{{ format{replaced} }}}}{{% endmacro %}}{{{{ '' }}}}{template}"


def _located(true: str, filled: Sequence[Piece], texts: Sequence[str], shield: Shield) -> list[Piece]:
    """Divides the real rendering into pieces, from its end back as far as turns are found.

    The text before is one piece.
    """
    pieces: list[Piece] = []
    for piece in reversed(filled):
        if piece.turn is None:
            parts = [piece] if true.endswith(piece.text) else None
        else:
            parts = _shown(true, texts[piece.turn], piece.turn, shield)
        if parts is None:
            break
        pieces = [*parts, *pieces]
        true = true[: len(true) - sum(len(part.text) for part in parts)]
    return [Piece(true), *pieces]


def _shown(before: str, text: str, turn: int, shield: Shield) -> list[Piece] | None:
    """Divides the end of a rendering into pieces, from the first word of a turn that it shows.

    White space may differ, and thoughts may be missing. None if other words are missing.
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
    """Matches the characters of a text to the end of another, from the last words back. White space may differ."""
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
    """Returns unbroken runs of pairs: where each begins in both, and its length."""
    runs: list[tuple[int, int, int]] = []
    for place, character in matched:
        if runs and (place, character) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
            runs[-1] = (runs[-1][0], runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((place, character, 1))
    return runs


def _words(texts: Iterable[str]) -> str:
    """Returns all characters except white space."""
    return "".join("".join(texts).split())
