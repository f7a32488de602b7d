"""Makes text of models, prompts and files safe to show: no character acts on a terminal or is invalid in XML."""


def printable(text: str) -> str:
    """Returns the text in one line, with every unprintable character escaped: control, direction and surrogates."""
    # A backslash is escaped as well, so that an escape differs from the same characters typed by somebody.
    return "".join(char if char.isprintable() and char != "\\" else repr(char)[1:-1] for char in text)
