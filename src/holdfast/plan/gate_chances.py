"""Chances that one condition of a gate passes or fails with n prompts, if it is about a change or an absolute level.

A good model is as good as before, or has the expected rate. `change` says by how much a model is worse than it.
"""

from dataclasses import dataclass

from holdfast.evaluate import share_power
from holdfast.evaluate.exact_paired import LEVEL
from holdfast.evaluate.gate_power import Truth, chance_above, prompts_needed, smallest_rise


@dataclass(frozen=True)
class Paired:
    """Chances of a condition on a change: the power of the paired test."""

    margin: float
    discordance: float

    def passes(self, n: int) -> float:
        """Chance that a model passes that is as good as before."""
        return chance_above(n, -self.margin, self._equal.turned)

    def fails(self, n: int, change: float, level: float) -> float:
        """Chance that a model fails that is worse by the change."""
        return chance_above(n, self.margin, Truth.of(change, self.discordance), level)

    def smallest(self, n: int, level: float, power: float) -> float | None:
        """Smallest change for the worse that fails with the power."""
        return smallest_rise(n, self.margin, self.discordance, level, power)

    def to_pass(self, power: float) -> int | None:
        """Number of prompts from which a model that is as good as before passes with the power."""
        return prompts_needed(-self.margin, self._equal.turned, LEVEL, power)

    def to_fail(self, change: float, level: float, power: float) -> int | None:
        """Number of prompts from which a model that is worse by the change fails with the power."""
        return prompts_needed(self.margin, Truth.of(change, self.discordance), level, power)

    @property
    def _equal(self) -> Truth:
        return Truth.of(0.0, self.discordance)


@dataclass(frozen=True)
class Level:
    """Chances of a condition on an absolute level: the power of the binomial test. A rise is a loss in both numbers."""

    bar: float
    rate: float
    """Rate of a good model."""

    def passes(self, n: int) -> float:
        """Chance that a model passes that has the good rate."""
        return share_power.chance_above(n, 1 - self.bar, 1 - self.rate)

    def fails(self, n: int, change: float, level: float) -> float:
        """Chance that a model fails that is worse by the change."""
        return share_power.chance_above(n, self.bar, self.rate + change, level)

    def smallest(self, n: int, level: float, power: float) -> float | None:
        """Smallest change for the worse that fails with the power."""
        found = share_power.smallest_share(n, self.bar, level, power)
        return None if found is None else found - self.rate

    def to_pass(self, power: float) -> int | None:
        """Number of prompts from which a model that has the good rate passes with the power."""
        return share_power.prompts_needed(1 - self.bar, 1 - self.rate, LEVEL, power)

    def to_fail(self, change: float, level: float, power: float) -> int | None:
        """Number of prompts from which a model that is worse by the change fails with the power."""
        return share_power.prompts_needed(self.bar, self.rate + change, level, power)
