"""Whether a response is coherent, by rules: no model, no network.

A response is incoherent where one of these says so, in this order:
    degenerate      it is empty, wordless or a loop            `degenerate.py`
    repetitive      it says the same again and again           `repetition.py`
    broken          its characters, words or their order       `broken_text.py`
    two-minded      it refuses and helps in one breath         `one_breath.py`
    too short       it is one word where more was asked        `one_word.py`
Whether it is true, safe, or an answer to the prompt is not looked at. What a limit of tokens cut off is coherent as
far as it goes. A response in another language than English is held to what shows in any script.
"""

import re
from functools import cache

from holdfast.artifacts import digest
from holdfast.judge import broken_text, degenerate, one_breath, one_word, repetition
from holdfast.judge.broken_text import why_broken
from holdfast.judge.degenerate import why_degenerate
from holdfast.judge.english import common_words
from holdfast.judge.one_breath import why_two_minded
from holdfast.judge.one_word import why_too_short
from holdfast.judge.repetition import why_repetitive

RULES = (degenerate, repetition, broken_text, one_breath, one_word)


def why_incoherent(prompt: str, response: str) -> str | None:
    """Says why a response is incoherent; None for a coherent one.

    Args:
        prompt: what was asked.
        response: what was said, without thoughts.
    """
    return (
        why_degenerate(response)
        or why_repetitive(response, prompt)
        or why_broken(response, prompt)
        or why_two_minded(response)
        or why_too_short(prompt, response)
    )


@cache
def fingerprint() -> str:
    """Names the rules: other ones have another."""
    settings = [(rule.__name__, name, _shown(value)) for rule in RULES for name, value in sorted(vars(rule).items())]
    return digest([[list(one) for one in settings if one[1].isupper()], digest(sorted(common_words()))])


def _shown(setting: object) -> str:
    """A setting as text, the same in every process."""
    if isinstance(setting, re.Pattern):
        return str(setting.pattern)
    return repr(sorted(map(repr, setting)) if isinstance(setting, frozenset) else setting)
