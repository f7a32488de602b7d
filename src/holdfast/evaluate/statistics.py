"""Rates with intervals, and a paired test for two checkpoints on the same prompts.

Exact McNemar test of b + c prompts on which the two disagree. Without a difference either way is equally likely:
    p = min(1, 2 P[Binomial(b + c, 1/2) <= min(b, c)])
Several samples for every prompt: resampling prompts with all their samples (cluster bootstrap) gives the variance v of
the share. The interval is Wilson's at n = p (1 - p) / v, at most the number of samples. It has better coverage than
bootstrap percentiles where few responses are unsafe.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from holdfast.holm import holm as holm
from holdfast.outcomes import Outcome, Rate, Verdict
from holdfast.student_t import Z_95 as Z_95
from holdfast.wilson import wilson_interval as wilson_interval

NOT_MEASURED = Rate(None, None, None, 0)


def rate(outcomes: Sequence[Outcome], verdict: Verdict) -> Rate:
    """Share of the scored outcomes with this verdict. Unscored outcomes are left out and counted."""
    scored = [outcome for outcome in outcomes if outcome.verdict is not None]
    unscored = len(outcomes) - len(scored)
    return counted_rate(sum(outcome.verdict == verdict for outcome in scored), len(scored), unscored)


def counted_rate(count: int, n: int, unscored: int = 0) -> Rate:
    """Share of n outcomes that count, with Wilson's interval. Not measured where n is 0."""
    if not n:
        return Rate(None, None, None, 0, unscored)
    return Rate(count / n, *wilson_interval(count / n, n), n, unscored)


def clustered_rate(
    samples: Sequence[Sequence[Outcome]], verdict: Verdict, *, seed: int = 0, resamples: int = 2000
) -> Rate:
    """Share over all samples of all prompts, with an interval over prompts, whose samples are not independent.

    `n` counts scored samples. Where all samples agree, the interval is Wilson's for the number of prompts.

    Args:
        samples: the outcomes of every prompt's samples.
        verdict: the verdict to count.
        seed: seed of the resampling.
        resamples: number of bootstrap resamples.
    """
    scored = [[outcome for outcome in outcomes if outcome.verdict is not None] for outcomes in samples]
    scored = [outcomes for outcomes in scored if outcomes]
    total, unscored = sum(map(len, scored)), sum(map(len, samples)) - sum(map(len, scored))
    if not total:
        return Rate(None, None, None, 0, unscored)
    counts = [sum(outcome.verdict == verdict for outcome in outcomes) for outcomes in scored]
    share = sum(counts) / total
    n_effective = _clustered_n(share, counts, list(map(len, scored)), seed, resamples)
    return Rate(share, *wilson_interval(share, n_effective), total, unscored)


def _clustered_n(share: float, counts: Sequence[int], sizes: Sequence[int], seed: int, resamples: int) -> float:
    """Effective number of independent outcomes, from the variance of the share over resampled prompts."""
    spread = share * (1 - share)
    if spread == 0:
        return len(counts)
    # float64, because the shares are nearly equal and their variance is small.
    counted, size = torch.tensor(counts, dtype=torch.float64), torch.tensor(sizes, dtype=torch.float64)
    generator, shares = torch.Generator().manual_seed(seed), torch.empty(resamples, dtype=torch.float64)
    for resample in range(resamples):
        drawn = torch.randint(len(counts), (len(counts),), generator=generator)
        shares[resample] = counted[drawn].sum() / size[drawn].sum()
    variance = float(shares.var())
    # n samples carry at most the information of n independent prompts.
    return min(sum(sizes), spread / variance) if variance > 0 else sum(sizes)


@dataclass(frozen=True)
class PairedCounts:
    """Counts of prompts in four cells: those that count under both checkpoints, under one of them, or under neither."""

    both: int
    only_before: int
    only_after: int
    neither: int

    @property
    def n(self) -> int:
        """Number of prompts scored under both checkpoints."""
        return self.both + self.only_before + self.only_after + self.neither

    @property
    def difference(self) -> float | None:
        """Rate after minus rate before, on the prompts scored under both checkpoints. None where there are none."""
        return (self.only_after - self.only_before) / self.n if self.n else None

    @property
    def p_value(self) -> float:
        """The p value of the exact two-sided McNemar test that both rates are equal. 1 where the two never disagree."""
        fewer, disagreeing = min(self.only_before, self.only_after), self.only_before + self.only_after
        # Integers up to the last division keep the test exact for any number of prompts.
        tail = sum(math.comb(disagreeing, count) for count in range(fewer + 1))
        return min(1.0, 2 * tail / 2**disagreeing)


def count_pairs(before: Sequence[bool], after: Sequence[bool]) -> PairedCounts:
    """Counts the four cells, from two sequences about the same prompts in the same order."""
    pairs = list(zip(before, after, strict=True))
    return PairedCounts(*(pairs.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))))
