"""Mixed safety data: a share of the examples are given refusals of harmful prompts, spread evenly over the task's

    loss = mean over response tokens of a batch of (1 - share) task exchanges and share safety exchanges

Bianchi et al. 2024 (arXiv 2309.07875): a few hundred pairs suffice, and too many make a model refuse too much. It needs
refusals. Each kind of example comes in shuffled rounds, and the task's come in the order of plain fine-tuning.
"""

from collections.abc import Sequence

from holdfast.intervene.train.examples import spread_positions
from holdfast.intervene.train.parts import Parts
from holdfast.records import Exchange


def mixed(
    task: Sequence[Exchange], safety: Sequence[Exchange], *, share: float, length: int, seed: int
) -> tuple[list[Exchange], list[int]]:
    """Returns all examples, and the positions of those that training reads in turn.

    Args:
        task: exchanges of the task.
        safety: harmful prompts with safe responses.
        share: share of safety exchanges, in (0, 1).
        length: number of examples that training reads.
        seed: seed of the order.
    """
    return [*task, *safety], spread_positions(len(task), len(safety), share, length, seed)


PARTS = Parts()
"""Plain fine-tuning, on other examples."""
