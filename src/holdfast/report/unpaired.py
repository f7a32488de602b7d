"""Explains why a change of perplexity has no interval, which needs the loss on each exchange, before and after."""

from collections.abc import Sequence

from holdfast.report.arms import PERPLEXITY_RATIO, Arm

KEPT = "an evaluation has no loss for each exchange, or the two used different exchanges"
ONE = "there is only one exchange"


def why_unpaired(arms: Sequence[Arm]) -> str | None:
    """Writes a sentence on arms whose perplexity has no paired change. None if every arm has one, or no perplexity."""
    lacking = [
        arm
        for arm in arms
        if arm.method != "start" and arm.suite.perplexity is not None and arm.rate(PERPLEXITY_RATIO) is None
    ]
    if not lacking:
        return None
    others = [arm for arm in arms if arm.method != "start" and arm not in lacking]
    of = f" for {', '.join(arm.label for arm in lacking)}" if others else ""
    rates = [rate for arm in lacking if (rate := arm.rate("perplexity"))]
    alone = bool(rates) and all(rate.n == 1 for rate in rates)
    return f"The change of perplexity has no interval here{of}: {ONE if alone else KEPT}."
