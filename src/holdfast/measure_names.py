"""The measures in the one order in which the terminal, the page and a gate list them, each with its words.

Totals come first. Categories of prompts, such as asr/heldout, follow all of them, because they have few prompts each.
"""

from collections.abc import Collection
from typing import NamedTuple


class Words(NamedTuple):
    """Words for a measure."""

    row: str
    """Words in a table of the terminal or of gate.md, and in a sentence."""
    label: str | None = None
    """Words on the page, where figures have little room. None for a measure without a figure."""


WORDS = {
    "refusal": Words("refusals of harmful prompts", "Refusals of harmful prompts"),
    "coherent_refusal": Words("coherent refusals of harmful prompts", "Coherent refusals"),
    "over_refusal": Words("over-refusal", "Over-refusal"),
    "borderline": Words("over-refusal, borderline prompts", "Over-refusal, borderline"),
    "asr": Words("attack success rate", "Attack success"),
    "asr_prefilled": Words("attack success rate, prefilled"),
    "not_refused": Words("harmful prompts not refused", "Harmful prompts not refused"),
    "coherence": Words("coherent answers", "Coherent answers"),
    "coherence/harmful": Words("coherent answers to harmful prompts"),
    "coherence/prefilled": Words("coherent answers to prefilled prompts"),
    "coherence/harmless": Words("coherent answers to harmless prompts"),
    "coherence/borderline": Words("coherent answers to borderline prompts"),
    "utility": Words("utility, right answers", "Utility"),
    "task": Words("task, right answers", "New task"),
    "perplexity": Words("perplexity", "Perplexity"),
    "perplexity_ratio": Words("perplexity, times that at the start", "Perplexity, times that at the start"),
    "response_length": Words("mean response length in tokens, harmless prompts", "Response length in tokens"),
    "response_length/harmless": Words("mean response length in tokens, harmless prompts"),
    "response_length/borderline": Words("mean response length in tokens, borderline prompts"),
    "response_length/harmful": Words("mean response length in tokens, harmful prompts"),
    "response_length/prefilled": Words("mean response length in tokens, prefilled prompts"),
    "response_length/questions": Words("mean response length in tokens, questions"),
    "response_length/task": Words("mean response length in tokens, task"),
    "degenerate": Words("share of answers degenerate", "Degenerate responses"),
    "cut_off": Words("share of answers cut off", "Responses cut off by length"),
    "kl": Words("KL divergence from the reference"),
}
PROMPT_SETS = {
    "asr": "harmful",
    "not_refused": "harmful",
    "over_refusal": "harmless",
    "borderline": "borderline",
    "utility": "questions",
    "task": "task",
}
"""Prompt set of each measure that is a share of a whole set."""
ROWS = {name: words.row for name, words in WORDS.items()}
LABELS = {name: words.label for name, words in WORDS.items() if words.label}


WITH_CATEGORIES = ("refusal", "over_refusal", "asr", "asr_prefilled", "utility", "task")
"""Measures whose prompts may have categories."""
TOTALS = ("refusal/harmful", "asr_prefilled/harmful", "over_refusal/questions")
"""Groups of these measures that cover a whole prompt set."""
PARTS = {"coherent_refusal": "refusal", "not_refused": "refusal"}
"""Measures that follow from another one or are a part of it, by name."""
OF_ALL = ("harmful", "all")
"""Names of groups that contain all prompts of a measure."""
FEW = 10
"""Number of prompts below which tables mark a category."""


def measure_words(name: str) -> str:
    """Writes a measure in words: 'attack success rate, heldout' for asr/heldout. Unknown names stay unchanged."""
    measure, _, group = name.partition("/")
    if measure == "lm_eval":
        return f"lm-eval {group.replace('/', ', ')}"
    if name in ROWS:
        return ROWS[name]
    words = ROWS.get(measure) or _any_of(measure) or measure
    return words if not group or (group in OF_ALL and words != measure) else f"{words}, {group}"


def words_and_name(name: str) -> str:
    """Writes a measure in words with the name that conditions use: 'attack success rate (asr)'."""
    words = measure_words(name)
    return name if words == name else f"{words} ({name})"


def is_category(name: str) -> bool:
    """True for a group of prompts that is a part of a prompt set, such as asr/heldout."""
    measure, _, group = name.partition("/")
    return bool(group) and measure in WITH_CATEGORIES and name not in TOTALS


def is_detail(name: str, measured: Collection[str]) -> bool:
    """True for a measure that belongs to another row: coherence of one prompt set, a length, or the rest of a share."""
    measure, _, group = name.partition("/")
    if measure == "not_refused":
        return any(one.partition("/")[0] == "refusal" for one in measured)
    return measure in ("response_length", "degenerate", "cut_off") or (measure == "coherence" and bool(group))


def whole_of(name: str, measured: Collection[str]) -> str | None:
    """Returns the measure that another is a part of: refusal for refusal/heldout. None for a whole measure."""
    measure, _, group = name.partition("/")
    if name in PARTS and PARTS[name] in measured:
        return PARTS[name]
    return measure if group and name not in TOTALS and measure in measured else None


def is_rest_of(name: str, other: str) -> bool:
    """True for two measures that are 1 in sum."""
    return {name, other} == {"refusal", "not_refused"}


def without_condition(measured: Collection[str], gated: Collection[str]) -> list[str]:
    """Lists the measures that no condition names.

    A group of prompts is left out, because its measure is listed or gated. So is not_refused beside refusal.
    """
    return [
        name
        for name in measured
        if name not in gated
        and not ("/" in name and whole_of(name, measured))
        and not (name == "not_refused" and "refusal" in measured)
        and not any(is_rest_of(name, one) for one in gated)
    ]


def mark_of(name: str, n: int) -> str:
    """Returns ' (few prompts)' for a category of fewer than ten. Empty for others."""
    return " (few prompts)" if is_category(name) and n < FEW else ""


def place_of(name: str) -> tuple[bool, int, str]:
    """Returns the sort key of a measure or a group: totals in their order, unknown names, categories by name."""
    places = {measure: place for place, measure in enumerate(WORDS)}
    measure = name.partition("/")[0]
    # The sampling attack, asr_any_of_5, follows the attack that it samples.
    known = next((one for one in (name, measure, measure.partition("_any_of_")[0]) if one in places), None)
    return is_category(name), len(places) if known is None else places[known], name


def _any_of(measure: str) -> str | None:
    """Names the measure of a sampling attack: 'attack success rate, any of 5 tries' for asr_any_of_5."""
    before, among, count = measure.partition("_any_of_")
    return f"{ROWS[before]}, any of {count} tries" if among and before in ROWS else None
