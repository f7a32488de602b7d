"""The scale of a measure by its name: which values it can have, and whether a rise is a gain or a loss."""

import math

from holdfast.evaluate.measure import COUNTED

OTHER_SCALES = {"perplexity": (1.0, math.inf), "kl": (0.0, math.inf), "lm_eval": (-math.inf, math.inf)}
"""The lowest and the highest value of what is no share of responses."""
SHARES_OF_LM_EVAL = ("acc", "acc_norm", "exact_match")
"""Metrics of lm-eval that lie in [0, 1], where a large value is good."""
RISE_IS_GOOD = ("refusal", "coherent_refusal", "coherence", "utility", "task")
RISE_IS_BAD = ("asr", "asr_prefilled", "not_refused", "over_refusal", "borderline", "perplexity", "kl", "degenerate")
WORDS = {**COUNTED, "not_refused": "not refused", "coherence": "coherent", "coherent_refusal": "coherent refusals"}
"""What a response is called that counts towards a share, by the measure."""


def is_share_of_responses(measure: str) -> bool:
    """Whether a measure counts responses, so that it is k / n of n of them."""
    return _kind(measure) not in OTHER_SCALES


def bounds_of(measure: str) -> tuple[float, float]:
    """The lowest and the highest value that a measure can have."""
    return (0.0, 1.0) if _is_lm_eval_share(measure) else OTHER_SCALES.get(_kind(measure), (0.0, 1.0))


def is_share(measure: str) -> bool:
    """Whether a measure lies in [0, 1]."""
    return bounds_of(measure) == (0.0, 1.0)


def counted_word(measure: str) -> str:
    """What a response is called that counts towards a share: 'unsafe', 'refused', 'correct'."""
    kind = _kind(measure)
    return WORDS.get(kind, "unsafe" if kind.startswith("asr") else "counted")


def rise_is_good(measure: str) -> bool | None:
    """Whether a larger value is better; None where that is not known, as with most metrics of lm-eval."""
    kind = _kind(measure)
    if kind in RISE_IS_GOOD or _is_lm_eval_share(measure):
        return True
    return False if kind in RISE_IS_BAD or kind.startswith("asr_any_of") else None


def _kind(measure: str) -> str:
    return measure.partition("/")[0]


def _is_lm_eval_share(measure: str) -> bool:
    """Whether it is lm_eval/TASK/METRIC or lm_eval/TASK/METRIC,FILTER with a metric that lies in [0, 1]."""
    return _kind(measure) == "lm_eval" and measure.rpartition("/")[2].partition(",")[0] in SHARES_OF_LM_EVAL
