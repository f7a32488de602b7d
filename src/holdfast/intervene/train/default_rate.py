"""Warns where SET trains a small model at the default learning rate, which suits billions of weights."""

import logging

from holdfast.intervene.options import EnhanceOptions

logger = logging.getLogger(__name__)

BILLION = 1_000_000_000


def warn_of_default_rate(num_weights: int, options: EnhanceOptions) -> None:
    """Logs a warning if nobody chose the learning rate and the model has under a billion weights."""
    if "learning_rate" in options.model_fields_set or num_weights >= BILLION:
        return
    logger.warning(
        "No learning rate was given, so SET trains at %g, the paper's rate for billions of weights. This model has "
        "%.3g million, which this rate probably teaches little. We measured 1e-3 at one million weights, and 2e-4 "
        "to 1e-3 at 135 million.",
        options.learning_rate,
        num_weights / 1e6,
    )
