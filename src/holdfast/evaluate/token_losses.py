"""L = sum over exchanges of loss_i / sum of tokens_i,   perplexity = exp(L)   with an interval over exchanges

loss_i is the sum of -log p over the tokens_i of one response. Tokens of one response depend on each other, so exchanges
are what varies. L is a ratio of two sums, and its variance to first order (delta method; Cochran, Sampling Techniques,
1977, chapter 6) is
    v = n / (n - 1) * sum of e_i^2 / (sum of tokens_i)^2        e_i = loss_i - L tokens_i
The interval is exp(L -+ t sqrt(v)), t Student's quantile with n - 1 degrees of freedom. Two checkpoints on the same
exchanges are compared by the ratio of their perplexities: the same with loss_i after minus loss_i before, and a paired
t test of L after against L before. With a dozen exchanges or fewer both are rough.

A perplexity has no upper bound and a number in a file has: beyond LARGEST, exp(690), it counts as that, so that a gate
still sees that a model broke. A loss that is not a number leaves perplexity unmeasured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.outcomes import Rate, TokenLosses
from holdfast.student_t import chance_within, quantile_95

LARGEST_MEAN = 690.0
"""Nats a token; the largest number that floats hold is exp(709)."""
LARGEST = math.exp(LARGEST_MEAN)


@dataclass(frozen=True)
class PerplexityRatio:
    """How many times as large the perplexity is after as before, on the same exchanges, with its 95% interval."""

    value: float
    low: float
    high: float
    n: int
    """Exchanges."""
    p_value: float
    """Two-sided paired t test that both are the same."""


def perplexity_rate(losses: Sequence[TokenLosses]) -> Rate | None:
    """Perplexity with its interval; None where there is no token, or a loss is not finite.

    One exchange has no interval.
    """
    found = loss_per_token([one.loss for one in losses], [one.tokens for one in losses])
    if found is None:
        return None
    mean, error, n = found
    return Rate(exp_bounded(mean), *((None, None) if error is None else _ends(mean, error, n)), n)


def perplexity_ratio(before: Sequence[TokenLosses], after: Sequence[TokenLosses]) -> PerplexityRatio | None:
    """Perplexity after over before; None where the exchanges or their tokens differ, or fewer than two have tokens."""
    if [(one.prompt, one.tokens) for one in before] != [(one.prompt, one.tokens) for one in after]:
        return None
    changes = [second.loss - first.loss for first, second in zip(before, after, strict=True)]
    found = loss_per_token(changes, [one.tokens for one in after])
    if found is None:
        return None
    mean, error, n = found
    if error is None:
        return None
    t = abs(mean) / error if error else math.inf if mean else 0.0
    return PerplexityRatio(exp_bounded(mean), *_ends(mean, error, n), n, max(0.0, 1.0 - chance_within(t, n - 1)))


def losses_by_name(losses: Sequence[TokenLosses]) -> dict[str, list[TokenLosses]]:
    """The losses by the name of their perplexity: 'perplexity' of harmless exchanges, 'perplexity/refusals'."""
    found: dict[str, list[TokenLosses]] = {}
    for one in losses:
        found.setdefault("/".join(filter(None, ("perplexity", one.group))), []).append(one)
    return found


def loss_per_token(losses: Sequence[float], tokens: Sequence[int]) -> tuple[float, float | None, int] | None:
    """Loss per token, its standard error over exchanges, and how many exchanges have tokens."""
    pairs = [(loss, size) for loss, size in zip(losses, tokens, strict=True) if size]
    total, n = sum(size for _, size in pairs), len(pairs)
    if not total or not all(math.isfinite(loss) for loss, _ in pairs):
        return None
    mean = math.fsum(loss / total for loss, _ in pairs)
    if n < 2:
        return mean, None, n
    spread = math.hypot(*((loss - mean * size) / total for loss, size in pairs))
    return mean, math.sqrt(n / (n - 1)) * spread, n


def _ends(mean: float, error: float, n: int) -> tuple[float, float]:
    half = quantile_95(n - 1) * error
    return exp_bounded(mean - half), exp_bounded(mean + half)


def exp_bounded(mean: float) -> float:
    """exp(mean), at most `LARGEST`."""
    return math.exp(min(mean, LARGEST_MEAN))
