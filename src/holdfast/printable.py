"""Text of models, prompts and files as it may be shown: nothing in it acts on a terminal, and no XML refuses it."""


def printable(text: str) -> str:
    """The text in one line, every character that is not printable spelled out: control, direction, surrogates."""
    # A backslash is spelled out as well, so that what was spelled out is told from what was typed so.
    return "".join(one if one.isprintable() and one != "\\" else repr(one)[1:-1] for one in text)
