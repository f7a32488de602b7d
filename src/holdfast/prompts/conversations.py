"""Takes a prompt and its response out of a conversation of two turns, as fine-tuning frameworks store them.

It reads turns of `role` and `content` (OpenAI, TRL) and of `from` and `value` (ShareGPT). A prompt set holds one user
turn, and an answer to it. Conversations with a system turn, a tool or more turns are refused. Dropping a turn would
change the question that the model gets, or the answer that it learns.
"""

from collections.abc import Mapping, Sequence

KEYS = (("role", "content"), ("from", "value"))
"""Names of a turn's speaker and of its text."""
SPEAKERS = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "model", "bot"), "assistant"),
}
"""Role of a speaker, by every name that is used for it."""

ANY_TURNS = "to train on such rows as they are, use your own TRL script with ProtectCallback or preserve of holdfast"
"""Advice for rows with more turns, in errors."""


def is_conversation(value: object) -> bool:
    """Returns True if a value is a list of turns."""
    return isinstance(value, list) and bool(value) and all(_keys(turn) is not None for turn in value)


def read_conversation(turns: Sequence[Mapping[str, object]], place: str) -> tuple[str, str | None]:
    """Returns the user's text, and the assistant's text if there is one.

    Raises:
        ValueError: the turns are not one of the user and at most one of the assistant, or a turn has no text.
    """
    speakers = [_speaker(turn) for turn in turns]
    if speakers not in (["user"], ["user", "assistant"]):
        raise ValueError(
            f"{place} holds the turns {', '.join(speakers)}; a prompt set holds one user turn, with or without the "
            "assistant's answer, and holdfast drops no turn: remove such rows, or rewrite them as one user turn; "
            f"{ANY_TURNS}."
        )
    prompt, *responses = (_text(turn, place) for turn in turns)
    return prompt, responses[0] if responses else None


def _keys(turn: object) -> tuple[str, str] | None:
    if not isinstance(turn, dict):
        return None
    return next((keys for keys in KEYS if keys[0] in turn), None)


def _speaker(turn: Mapping[str, object]) -> str:
    name = str(turn[(_keys(turn) or KEYS[0])[0]])
    return SPEAKERS.get(name.casefold(), name)


def _text(turn: Mapping[str, object], place: str) -> str:
    """Returns the text of a turn, which may stand in a list with one part."""
    content = turn.get((_keys(turn) or KEYS[0])[1])
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text")
    if not isinstance(content, str):
        raise ValueError(
            f"{place} has a turn of the {_speaker(turn)} that is not one text; prompt sets hold text alone, so remove "
            "such rows."
        )
    return content
