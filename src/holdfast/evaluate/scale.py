"""The scale of a measure, by its name: the values that it can have, and whether a rise is a gain or a loss."""

import math
from typing import NamedTuple

from holdfast.evaluate.measure import COUNTED


class Scale(NamedTuple):
    """The values that a measure can have."""

    low: float
    high: float
    is_share_of_responses: bool = False
    """True for a share k / n of n responses, or of n samples."""


UNBOUNDED = Scale(-math.inf, math.inf)
OTHER_SCALES = {
    "perplexity": (1.0, math.inf),
    "response_length": (0.0, math.inf),
    "kl": (0.0, math.inf),
    "lm_eval": (-math.inf, math.inf),
}
"""Lowest and highest values of measures that are not shares of responses."""
SHARES_OF_LM_EVAL = ("acc", "acc_norm", "exact_match")
"""Metrics of lm-eval in [0, 1], where larger is better."""
SCORES_OF_CORRECTNESS = ("match", "includes", "exact", "choice", "answer", "pattern", "f1", *SHARES_OF_LM_EVAL)
"""Scores of inspect and lm-eval in their logs, where larger is better."""
RISE_IS_GOOD = ("refusal", "coherent_refusal", "coherence", "utility", "task", *SCORES_OF_CORRECTNESS)
RISE_IS_BAD = ("asr", "asr_prefilled", "not_refused", "over_refusal", "borderline", "perplexity", "kl", "degenerate")
WORDS = {
    **COUNTED,
    **dict.fromkeys(SCORES_OF_CORRECTNESS, "correct"),
    "not_refused": "not refused",
    "coherence": "coherent",
    "coherent_refusal": "coherent refusals",
}
"""Word for a response that counts, by measure."""


def scale_by_name(measure: str) -> Scale:
    """Scale of a measure of an evaluation, by its name."""
    return Scale(*bounds_of(measure), is_share_of_responses(measure))


def is_share_of_responses(measure: str) -> bool:
    """True where a measure is a share k / n of n responses."""
    return kind_of(measure) not in OTHER_SCALES


def bounds_of(measure: str) -> tuple[float, float]:
    """Lowest and highest value that a measure can have."""
    return (0.0, 1.0) if _is_lm_eval_share(measure) else OTHER_SCALES.get(kind_of(measure), (0.0, 1.0))


def counted_word(measure: str) -> str:
    """Word for a response that counts towards a measure: 'unsafe', 'refused', 'correct'."""
    kind = kind_of(measure)
    return WORDS.get(kind, "unsafe" if kind.startswith("asr") else "counted")


def rise_is_good(measure: str) -> bool | None:
    """True where a larger value is better, and False where it is worse. None where unknown, as for most of lm-eval."""
    kind = kind_of(measure)
    if kind in RISE_IS_GOOD or _is_lm_eval_share(measure):
        return True
    return False if kind in RISE_IS_BAD or kind.startswith("asr_any_of") else None


def kind_of(measure: str) -> str:
    """Measure without its group, and without its filter, which follows a comma in names of lm-eval."""
    return measure.partition("/")[0].partition(",")[0]


def _is_lm_eval_share(measure: str) -> bool:
    """True for lm_eval/TASK/METRIC or lm_eval/TASK/METRIC,FILTER with a metric in [0, 1]."""
    return kind_of(measure) == "lm_eval" and measure.rpartition("/")[2].partition(",")[0] in SHARES_OF_LM_EVAL
