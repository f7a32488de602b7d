"""Methods of fine-tuning, one row each: loss terms, how gradients are combined, what is held, what happens afterwards.

A control is a method with another mask, such as a random one, and so a row of `holdfast.arms`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from holdfast.arms import Stage
from holdfast.intervene.entries import mask_digest
from holdfast.intervene.train.afterwards import Afterwards, compare_held, make_patch_and_compare_rest, nothing
from holdfast.intervene.train.combine import Combine, summed
from holdfast.intervene.train.holds import ALL_BUT_MASK, MASK, NOTHING, Hold
from holdfast.intervene.train.one_tuning import Tuning
from holdfast.models.load import LoadedModel
from holdfast.spelling import meant
from holdfast.values import Mask

Loss = Callable[[nn.Module, dict[str, Any]], Tensor]
"""A mean over a micro-batch, as the trainer collates it."""
MakeLoss = Callable[[Tuning], Loss]
"""Is called once before training, to keep what the term needs of the start."""


@dataclass(frozen=True)
class Method:
    """A method of fine-tuning."""

    name: str
    losses: tuple[MakeLoss, ...] = ()
    """Loss terms beside the one that the examples are trained by."""
    combine: Combine = summed
    """How the gradients of all terms become one."""
    hold: Hold = NOTHING
    """What is held while the model trains."""
    afterwards: Afterwards = nothing
    """What happens to the trained model."""


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("plain"),
        Method("spa", hold=MASK, afterwards=compare_held),
        Method("set", hold=ALL_BUT_MASK, afterwards=make_patch_and_compare_rest),
    )
}
USUAL: Mapping[Stage, str] = {"enhance": "set", "adapt": "spa"}
"""What a stage does with a mask where no method is named."""


def method_for(name: str, mask: Mask | None) -> Method:
    """The row of a method.

    Raises:
        ValueError: there is no such method, or it takes a mask and there is none.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; {meant(name, METHODS)}.")
    method = METHODS[name]
    if method.hold.needs_mask and mask is None:
        raise ValueError(f"method {name} takes a mask, and there is none; give one, or choose method plain.")
    return method


def usual_method(stage: Stage, mask: Mask | None) -> str:
    """The method of a stage where none is named: that of its mask, and plain fine-tuning without one."""
    return "plain" if mask is None else USUAL[stage]


def identity_of(stage: Stage, loaded: LoadedModel, mask: Mask | None, method: Method) -> list[object]:
    """What checkpoints of a training depend on beside its options and examples.

    The usual method is not named, so that folders of earlier versions go on.
    """
    named = [] if method.name == usual_method(stage, mask) else [method.name]
    return [loaded.base, mask and mask_digest(mask), *named]
