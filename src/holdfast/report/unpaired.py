"""Says why a change of perplexity has no interval: it takes the loss on each exchange, before and after."""

from collections.abc import Sequence

from holdfast.report.arms import PERPLEXITY_RATIO, Arm

KEPT = "an evaluation keeps no loss on each exchange, or the two are of other exchanges"
ONE = "one exchange has no interval"


def why_unpaired(arms: Sequence[Arm]) -> str | None:
    """The sentence on arms whose perplexity has no paired change; None where every arm has one, or no perplexity."""
    lacking = [
        arm
        for arm in arms
        if arm.method != "start" and arm.suite.get("perplexity") is not None and arm.rate(PERPLEXITY_RATIO) is None
    ]
    if not lacking:
        return None
    others = [arm for arm in arms if arm.method != "start" and arm not in lacking]
    of = f" for {', '.join(arm.label for arm in lacking)}" if others else ""
    rates = [rate for arm in lacking if (rate := arm.rate("perplexity"))]
    alone = bool(rates) and all(rate.n == 1 for rate in rates)
    return f"The change of perplexity has no interval here{of}: {ONE if alone else KEPT}."
