"""How the gradients of several loss terms become one: each term is propagated backward by itself

    gradient = sum over terms of d loss / d weights   (`summed`)

Another way, such as projecting one gradient on another, is a function of the same form in a file of its own.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

Backward = Callable[[], Tensor]
"""Adds the gradient of one term on one micro-batch to every `weight.grad` and returns its loss without a graph."""
Combine = Callable[[nn.Module, Sequence[Backward]], Tensor]
"""Leaves one gradient in every `weight.grad` of the model, from all terms, and returns the loss to report.

Gradients of earlier micro-batches of the step are in `weight.grad` already and must stay in it.
"""


def summed(model: nn.Module, terms: Sequence[Backward]) -> Tensor:
    """Gradients add up, and so do losses."""
    first, *others = [term() for term in terms]
    return sum(others, first)
