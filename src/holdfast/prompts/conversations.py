"""A prompt and its response out of a conversation of two turns, as fine-tuning frameworks store them.

Read are turns of `role` and `content` (OpenAI, TRL) and of `from` and `value` (ShareGPT). A prompt set holds one user
turn, and an answer to it. A conversation with a system turn, a tool or more turns is refused: dropping a turn would
change what the model is asked, or what it learns.
"""

from collections.abc import Mapping, Sequence

KEYS = (("role", "content"), ("from", "value"))
"""What turns call their speaker and their text."""
SPEAKERS = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "model", "bot"), "assistant"),
}
"""Whose turn it is, by every name that is used for them."""


def is_conversation(value: object) -> bool:
    """Whether a value lists turns."""
    return isinstance(value, list) and bool(value) and all(_keys(turn) is not None for turn in value)


def read_conversation(turns: Sequence[Mapping[str, object]], place: str) -> tuple[str, str | None]:
    """The user's text, and the assistant's where there is one.

    Raises:
        ValueError: there are other turns than one of the user and then one of the assistant, or a turn has no text.
    """
    speakers = [_speaker(turn) for turn in turns]
    if speakers not in (["user"], ["user", "assistant"]):
        raise ValueError(
            f"{place} holds the turns {', '.join(speakers)}; a prompt set holds one user turn, with or without the "
            "assistant's answer, and no turn is dropped: leave such rows out, or write them as such."
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
    """The text of a turn, also where it stands in a list of parts."""
    content = turn.get((_keys(turn) or KEYS[0])[1])
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text")
    if not isinstance(content, str):
        raise ValueError(
            f"{place} has a turn of the {_speaker(turn)} that is not one text; prompt sets hold text alone."
        )
    return content
