"""Sums over items that add up over batches, halves of the prompts and ranks."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Sums:
    """The measured quantity of a score, summed over items: one tensor a parameter."""

    sums: dict[str, Float[Tensor, "..."]]
    """Sum by parameter name, float32, on the parameter's device or on the host."""
    num_items: int
    """Number of items in the sum."""

    def __add__(self, other: "Sums") -> "Sums":
        sums = {name: total + other.sums[name] for name, total in self.sums.items()}
        return Sums(sums, self.num_items + other.num_items)

    def on_host(self) -> "Sums":
        """Returns a copy of the sums in host memory."""
        return Sums({name: total.cpu() for name, total in self.sums.items()}, self.num_items)

    def mean(self, name: str) -> Float[Tensor, "..."]:
        """Returns the mean over items, for one parameter."""
        return self.sums[name] / self.num_items
