"""Puts the options that a user typed into an error about the settings that they set: --lora.rank in place of lora."""

import re
from collections.abc import Iterable, Sequence


def as_typed(sentence: str, settings: Iterable[str], tokens: Sequence[str]) -> str:
    """Returns a sentence with every setting replaced by the option that set it.

    Args:
        sentence: an error about settings, under their names in Python.
        settings: names of the settings that the error may mean.
        tokens: words of the command line. A setting without an option among them keeps its name.
    """
    for name in settings:
        option = next((token.partition("=")[0] for token in tokens if _sets(token, name)), name)
        sentence = re.sub(rf"(?<![\w.'\"/-]){re.escape(name)}(?![\w-])", option, sentence)
    return sentence


def _sets(token: str, name: str) -> bool:
    """Returns True for an option of this setting, or of one inside it, such as --lora.rank for lora."""
    option = token.partition("=")[0]
    return option.startswith("--") and name in option[2:].replace("-", "_").split(".")
