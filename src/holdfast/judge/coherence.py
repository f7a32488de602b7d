"""Decides by rules if a response is coherent, without a model or a network.

A response is incoherent if one of these rules says so, in this order:
    degenerate      it is empty, wordless or a loop            `degenerate.py`
    repetitive      it repeats itself                          `repetition.py`
    broken          its characters, words or their order       `broken_text.py`
    scraps          short lines of which some are no words     `scraps.py`
    two-minded      it refuses and helps in one breath         `one_breath.py`
    too short       it is one word, but more was asked for     `one_word.py`
The rules ignore whether a response is true, safe or an answer to the prompt. A response that the limit of tokens cut
off counts as coherent up to there. In languages other than English only the rules for any script apply.
"""

import re
from functools import cache

from holdfast.artifacts import digest
from holdfast.judge import broken_text, degenerate, one_breath, one_word, repetition, scraps
from holdfast.judge.broken_text import why_broken
from holdfast.judge.degenerate import why_degenerate
from holdfast.judge.english import common_words
from holdfast.judge.one_breath import why_two_minded
from holdfast.judge.one_word import why_too_short
from holdfast.judge.repetition import why_repetitive
from holdfast.judge.scraps import why_scraps

RULES = (degenerate, repetition, broken_text, scraps, one_breath, one_word)


def why_incoherent(prompt: str, response: str) -> str | None:
    """Returns the reason why a response is incoherent. None for a coherent one.

    Args:
        prompt: the prompt.
        response: the model's response, without thoughts.
    """
    return (
        why_degenerate(response)
        or why_repetitive(response, prompt)
        or why_broken(response, prompt)
        or why_scraps(response, prompt)
        or why_two_minded(response)
        or why_too_short(prompt, response)
    )


@cache
def fingerprint() -> str:
    """Returns a hash of the rules. Other rules have another hash."""
    settings = [(rule.__name__, name, _shown(value)) for rule in RULES for name, value in sorted(vars(rule).items())]
    constants = [list(setting) for setting in settings if setting[1].isupper()]
    return digest([constants, digest(sorted(common_words()))])


def _shown(setting: object) -> str:
    """Returns a setting as text that is equal in every process."""
    if isinstance(setting, re.Pattern):
        return str(setting.pattern)
    return repr(sorted(map(repr, setting)) if isinstance(setting, frozenset) else setting)
