"""Warns of what a comparison of weights does not judge: another config.json, and weights that are no numbers."""

import logging
from collections.abc import Mapping

from holdfast.counts import counted
from holdfast.models.stored import StoredModel
from holdfast.printable import printable
from holdfast.spelling import joined

logger = logging.getLogger(__name__)
NOT_COMPARED = (
    "_name_or_path", "architectures", "dtype", "pad_token_id", "torch_dtype", "transformers_version", "use_cache",
)  # fmt: skip
"""Settings that trainers and versions of transformers change, without an effect on what the weights compute."""
NAMED = 5
"""Most settings that a warning names."""


def warn_of_config(base: StoredModel, model: StoredModel) -> None:
    """Warns where the configs of two checkpoints differ, because the same weights may then answer differently."""
    before, after = (stored.model.config.to_dict() for stored in (base, model))
    names = sorted({*before, *after} - {*NOT_COMPARED})
    other = [name for name in names if before.get(name) != after.get(name)]
    if other:
        shown = joined([*other[:NAMED], *([f"{len(other) - NAMED} more"] if len(other) > NAMED else [])], "and")
        logger.warning(
            "%s",
            printable(
                f"config.json differs from that of the base in {shown}, so the same weights may answer differently; "
                "only weights are compared."
            ),
        )


def warn_of_broken(broken: Mapping[str, int]) -> None:
    """Warns of weights that are NaN or infinite in the tuned checkpoint, and were numbers before.

    Args:
        broken: how many of them each parameter has. Parameters without any may be in it too.
    """
    total = sum(broken.values())
    if total:
        first = next(name for name, count in broken.items() if count)
        logger.warning(
            "%s",
            printable(
                f"{counted(total, 'weight is', 'weights are')} NaN or infinite in the tuned checkpoint and not in the "
                f"base, first in {first}; such a model answers nothing."
            ),
        )
