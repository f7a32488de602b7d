"""Methods of fine-tuning, one row each: loss terms, combination of gradients, held entries, and a step after training.

A control is a method with another mask, such as a random one. It is a row of `holdfast.arms`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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

Batch = dict[str, Tensor]
"""Micro-batch that the trainer has collated."""
Loss = Callable[[nn.Module, Batch], Tensor]
"""Returns the mean loss over a micro-batch."""
MakeLoss = Callable[[Tuning], Loss]
"""Makes a loss term. It is called once before training, so that the term can keep values of the start."""


@dataclass(frozen=True)
class Method:
    """A method of fine-tuning."""

    name: str
    losses: tuple[MakeLoss, ...] = ()
    """Loss terms in addition to the loss of the examples."""
    combine: Combine = summed
    """Combines the gradients of all terms into one."""
    hold: Hold = NOTHING
    """Entries that stay fixed during training."""
    afterwards: Afterwards = nothing
    """Step on the trained model."""


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("plain"),
        Method("spa", hold=MASK, afterwards=compare_held),
        Method("set", hold=ALL_BUT_MASK, afterwards=make_patch_and_compare_rest),
    )
}
USUAL: Mapping[Stage, str] = {"enhance": "set", "adapt": "spa"}
"""Default method of a stage with a mask."""


def method_for(name: str, mask: Mask | None) -> Method:
    """Returns the row of a method.

    Raises:
        ValueError: the method does not exist, or needs a mask and has none.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; {meant(name, METHODS)}.")
    method = METHODS[name]
    if method.hold.needs_mask and mask is None:
        raise ValueError(f"method {name} needs a mask and got none; give one, or choose method plain.")
    return method


def usual_method(stage: Stage, mask: Mask | None) -> str:
    """Returns the default method of a stage: its own with a mask, and plain fine-tuning without one."""
    return "plain" if mask is None else USUAL[stage]


def identity_of(stage: Stage, loaded: LoadedModel, mask: Mask | None, method: Method) -> list[object]:
    """Lists the inputs that identify a run's checkpoints, in addition to its options and examples.

    A default method adds no entry, so that runs of earlier versions can resume.
    """
    named = [] if method.name == usual_method(stage, mask) else [method.name]
    return [loaded.base, mask and mask_digest(mask), *named]
