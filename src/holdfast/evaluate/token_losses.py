"""L = sum over exchanges of loss_i / sum of tokens_i,   perplexity = exp(L)   with an interval over exchanges

loss_i is the sum of -log p over the tokens_i of one response. Tokens of one response depend on each other, so the
interval is over exchanges. L is a ratio of two sums, and its variance to first order (delta method: Cochran, Sampling
Techniques, 1977, chapter 6) is
    v = n / (n - 1) * sum of e_i^2 / (sum of tokens_i)^2        e_i = loss_i - L tokens_i
The interval is exp(L -+ t sqrt(v)), where t is Student's quantile with n - 1 degrees of freedom. Its lower end is at
least 1, because no loss is negative and so no perplexity is below 1. A ratio has no such bound. Two checkpoints on the
same exchanges are compared by the ratio of their perplexities. Its formulas are the same with loss_i after minus loss_i
before, and a paired t test compares L after with L before. With a dozen exchanges or fewer both are rough.

A perplexity has no upper bound, but a floating-point number has. A larger perplexity is stored as LARGEST, exp(690), so
that a gate still detects a broken model. With a loss that is not a number, perplexity is missing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.outcomes import Rate, TokenLosses
from holdfast.student_t import chance_within, quantile_95

LARGEST_MEAN = 690.0
"""Largest stored loss in nats per token. exp(709) is the largest float."""
LARGEST = math.exp(LARGEST_MEAN)


@dataclass(frozen=True)
class PerplexityRatio:
    """Perplexity after divided by perplexity before, on the same exchanges, with its 95% interval."""

    value: float
    low: float
    high: float
    n: int
    """Number of exchanges."""
    p_value: float
    """p value of the two-sided paired t test that both perplexities are equal."""


def perplexity_rate(losses: Sequence[TokenLosses]) -> Rate | None:
    """Perplexity with its interval. None where there is no token, or a loss is not finite.

    A single exchange has no interval.
    """
    per_token = loss_per_token([each.loss for each in losses], [each.tokens for each in losses])
    if per_token is None:
        return None
    mean, error, n = per_token
    if error is None:
        return Rate(exp_bounded(mean), None, None, n)
    return perplexity_between(mean, quantile_95(n - 1) * error, n)


def perplexity_between(mean: float, half: float, n: int) -> Rate:
    """Perplexity of a mean loss, with the interval of `half` on either side of that loss, from 1 on."""
    return from_one(Rate(exp_bounded(mean), exp_bounded(mean - half), exp_bounded(mean + half), n))


def from_one(perplexity: Rate) -> Rate:
    """Raises the lower end of a perplexity's interval to 1. A perplexity below 1, by rounding, stays its own end."""
    if perplexity.low is None or perplexity.value is None:
        return perplexity
    return replace(perplexity, low=max(perplexity.low, min(1.0, perplexity.value)))


def perplexity_ratio(before: Sequence[TokenLosses], after: Sequence[TokenLosses]) -> PerplexityRatio | None:
    """Ratio of perplexity after to before. None where exchanges or tokens differ, or fewer than two have tokens."""
    if [(each.prompt, each.tokens) for each in before] != [(each.prompt, each.tokens) for each in after]:
        return None
    changes = [second.loss - first.loss for first, second in zip(before, after, strict=True)]
    per_token = loss_per_token(changes, [each.tokens for each in after])
    if per_token is None:
        return None
    mean, error, n = per_token
    if error is None:
        return None
    t = abs(mean) / error if error else math.inf if mean else 0.0
    half = quantile_95(n - 1) * error
    low, high = exp_bounded(mean - half), exp_bounded(mean + half)
    return PerplexityRatio(exp_bounded(mean), low, high, n, max(0.0, 1.0 - chance_within(t, n - 1)))


def losses_by_name(losses: Sequence[TokenLosses]) -> dict[str, list[TokenLosses]]:
    """Groups the losses by the name of their perplexity: 'perplexity' for harmless exchanges, 'perplexity/refusals'."""
    by_name: dict[str, list[TokenLosses]] = {}
    for each in losses:
        by_name.setdefault("/".join(filter(None, ("perplexity", each.group))), []).append(each)
    return by_name


def loss_per_token(losses: Sequence[float], tokens: Sequence[int]) -> tuple[float, float | None, int] | None:
    """Computes the loss per token, its standard error over exchanges, and the number of exchanges with tokens."""
    pairs = [(loss, size) for loss, size in zip(losses, tokens, strict=True) if size]
    total, n = sum(size for _, size in pairs), len(pairs)
    if not total or not all(math.isfinite(loss) for loss, _ in pairs):
        return None
    mean = math.fsum(loss / total for loss, _ in pairs)
    if n < 2:
        return mean, None, n
    spread = math.hypot(*((loss - mean * size) / total for loss, size in pairs))
    return mean, math.sqrt(n / (n - 1)) * spread, n


def exp_bounded(mean: float) -> float:
    """Returns exp(mean), at most `LARGEST`."""
    return math.exp(min(mean, LARGEST_MEAN))
