"""Combines the gradients of several loss terms into one, with a backward pass for each term

    gradient = sum over terms of d loss / d weights   (`summed`)

Another way, such as projecting one gradient on another, is a function with the same signature in a file of its own.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

Backward = Callable[[], Tensor]
"""Adds the gradient of one term on one micro-batch to every `weight.grad`, and returns its loss without a graph."""
Combine = Callable[[nn.Module, Sequence[Backward]], Tensor]
"""Leaves one gradient from all terms in every `weight.grad` of the model, and returns the loss to report.

Gradients of earlier micro-batches of the step are in `weight.grad` already and must stay in it."""


def summed(model: nn.Module, terms: Sequence[Backward]) -> Tensor:
    """Adds up the gradients, and the losses."""
    first_loss, *other_losses = [term() for term in terms]
    return sum(other_losses, first_loss)
