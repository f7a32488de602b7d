"""What `estimators.py` found, as Markdown."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import torch
from tests.objective.bias import Parts
from torch import Tensor

from holdfast.objective.control_variate import HALF_TRUST

JUDGES = ("linear", "curved")
RELAXED = ("judge gradient", "gumbel", "straight-through")
WIDE = 0.02
"""Below the best of the others, in one model: reported."""
LOST = 0.7
"""A cosine below which a limit is named."""


@dataclass(frozen=True)
class Setting:
    """A model and its judge."""

    judge: str
    dependence: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.judge} judge, dependence {self.dependence:g}, seed {self.seed}"


@dataclass(frozen=True)
class Measured:
    """Every estimator in one setting at one budget."""

    cosines: Mapping[str, float]
    """With the exact gradient, mean over draws."""
    spread: Mapping[str, float]
    """Trace of the covariance over draws, as a share of the exact gradient's squared length."""
    hindsight: float
    """Cosine of the mix under the best weight, known only afterwards."""
    best_weight: float
    """That weight."""

    @property
    def short(self) -> float:
        """How far the mix is below the best of the others; negative where it is above."""
        return max(value for name, value in self.cosines.items() if name != "mix") - self.cosines["mix"]


Rows = Mapping[tuple[Setting, int], Measured]


def page(rows: Rows, parts: Mapping[Setting, Parts]) -> str:
    """All tables with what they say."""
    sections = (_opening(rows), _means(rows), _spread(rows), _bias(rows, parts), _every(rows))
    return "\n".join(sections)


def _opening(rows: Rows) -> str:
    count = len({setting for setting, _ in rows})
    return f"""# Estimators against the exact gradient of safety

`benchmarks/estimators.py` makes this page. It uses {count} models of twelve tokens and three positions, small enough
to compute their safety by enumeration.

- **Judge.** A judge is linear in its embeddings, or curved (2 tanh of a linear one).
- **Dependence.** This is the size of the model's weights. It sets how much a token depends on the tokens before it,
  and how uneven the choice of a token is.
- **Cosine.** Every cosine is between the estimate and the exact gradient.
"""


def _means(rows: Rows) -> str:
    names = list(next(iter(rows.values())).cosines)
    body, worst = [], []
    for budget in _budgets(rows):
        found = {setting: row for (setting, size), row in rows.items() if size == budget}
        means = {name: fmean(row.cosines[name] for row in found.values()) for name in names}
        short = max(value for name, value in means.items() if name != "mix") - means["mix"]
        hindsight = fmean(row.hindsight for row in found.values())
        body.append([f"{budget:,}", *_three(means.values()), f"{hindsight:.3f}", f"{short:+.3f}"])
        worst += [(row.short, setting, budget) for setting, row in found.items() if row.short > WIDE]
    return f"""## Cosine with the exact gradient, mean over the models

{_table(["responses", *names, "mix, best weight in hindsight", "mix below the best"], body)}
{_told_worst(rows, sorted(worst, key=lambda one: -one[0]))}
"""


def _told_worst(rows: Rows, worst: Sequence[tuple[float, Setting, int]]) -> str:
    cases = f"The mix is more than {WIDE} below the best of the others in {len(worst)} of {len(rows)} cases."
    found = [
        f"{short:.3f} ({setting.name}, {budget:,} responses, weight {budget / (budget + HALF_TRUST):.2f} used, "
        f"{rows[setting, budget].best_weight:.2f} best)"
        for short, setting, budget in worst
    ]
    ahead = f" It is below by {' and by '.join(found)}." if found else ""
    limit = "With one weight for all draws, the mix reaches at most the last column but one."
    return _paragraph(f"A case is one model at one budget. {cases}{ahead} {limit}")


def _spread(rows: Rows) -> str:
    spread = {case: row.spread for case, row in rows.items() if row.spread}
    budgets = sorted({budget for _, budget in spread})
    body = [
        [one.name, *(" / ".join(f"{spread[one, budget][name]:.2g}" for name in RELAXED) for budget in budgets)]
        for one in _settings(rows)
    ]
    gumbel, straight = ([found[name] / found["judge gradient"] for found in spread.values()] for name in RELAXED[1:])
    told = f"""Noise multiplies the expectation's variance by {_times(gumbel)} for gumbel, by {_times(straight)} for
    straight-through. All three variances fall as one over the number of responses. Their biases do not fall."""
    return f"""## Variance of the judge gradient's three forms

A cell has the variance of the three forms: expectation / gumbel / straight-through, the latter two at temperature
0.3. The variance is the trace of the covariance over draws of responses and noise, as a share of the exact gradient's
squared length.

{_table(["model", *(f"{budget:,} responses" for budget in budgets)], body)}
{_paragraph(told)}
"""


def _bias(rows: Rows, parts: Mapping[Setting, Parts]) -> str:
    most = max(_budgets(rows))
    body = []
    for setting, found in parts.items():
        length = float(found.judge.norm() / found.exact.norm())
        shares = _three([found.later, found.curvature, length])
        limits = _three([_cosine(found.immediate, found.exact), _cosine(found.judge, found.exact)])
        sampled = _three(rows[setting, most].cosines[name] for name in RELAXED) if (setting, most) in rows else [""] * 3
        body.append([setting.name, *shares, *limits, *sampled])
    header = ["model", "error by later tokens", "error by curvature", "length", "cosine without curvature", "cosine"]
    return f"""## The parts of the judge gradient's bias

The columns come from enumeration, except for the last three, which come from samples. Errors and length are shares of
the exact gradient's length. "Without curvature" judges every replacement of one token exactly and leaves the tokens
after it as they were.

{_table([*header, *(f"{name} at {most:,}" for name in RELAXED)], body)}
{_paragraph(_told_bias(parts))}

{_paragraph(_told_relaxed([rows[one, most].cosines for one in _settings(rows) if one.judge == "curved"]))}
"""


def _told_bias(parts: Mapping[Setting, Parts]) -> str:
    sizes = sorted({setting.dependence for setting in parts})
    linear, curved = ({one: found for one, found in parts.items() if one.judge == judge} for judge in JUDGES)
    later = [_range(found.later for one, found in linear.items() if one.dependence == size) for size in sizes]
    grows = ", ".join(f"{error} at {size:g}" for error, size in zip(later, sizes, strict=True))
    independent = [found for one, found in linear.items() if one.dependence == sizes[0]]
    bent = [found for one, found in curved.items() if one.dependence == sizes[0]]
    lost = [one.name for one, found in parts.items() if _cosine(found.judge, found.exact) < LOST]
    return f"""If the judge is linear and tokens hardly depend on each other (dependence {sizes[0]:g}), the judge
    gradient tends to the exact one, with cosine {_range(_cosine(one.judge, one.exact) for one in independent)}.
    Otherwise it leaves out two effects. The first is the effect of a token on the tokens after it. It is all
    of the bias under a linear judge, and grows with the dependence: the error is {grows} (two seeds). Part of
    this error is length, which changes no ranking of weights within a model. The second effect is the judge's
    curvature. It is all that is left under a curved judge if tokens hardly depend on each other. The cosine is then
    {_range(_cosine(one.judge, one.exact) for one in bent)}, and would be
    {_range(_cosine(one.immediate, one.exact) for one in bent)} without curvature. The two errors may add up or cancel,
    and more responses reduce neither. The cosine is below {LOST} in {len(lost)} of {len(parts)} models:
    {"; ".join(lost) or "none"}."""


def _told_relaxed(curved: Sequence[Mapping[str, float]]) -> str:
    lost = _range(row["judge gradient"] - row["gumbel"] for row in curved)
    nearer = sum(row["straight-through"] > row["judge gradient"] + 0.001 for row in curved)
    return f"""Under the curved judges, gumbel's cosine at the largest budget is below the expectation's by {lost}.
    Straight-through compares two tokens by the mean of the gains around either, which follows a curve better. Its
    cosine is above the expectation's in {nearer} of {len(curved)} models."""


def _every(rows: Rows) -> str:
    names = list(next(iter(rows.values())).cosines)
    body = [[one.name, f"{budget:,}", *_three(row.cosines.values())] for (one, budget), row in rows.items()]
    return f"## Cosine in every model\n\n{_table(['model', 'responses', *names], body)}"


def _budgets(rows: Rows) -> list[int]:
    return sorted({budget for _, budget in rows})


def _settings(rows: Rows) -> list[Setting]:
    return list(dict.fromkeys(setting for setting, _ in rows))


def _three(values: Iterable[float]) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _range(values: Iterable[float]) -> str:
    found = list(values)
    low, high = _three([min(found), max(found)])
    return low if low == high else f"{low} to {high}"


def _times(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.0f} to {max(ratios):.0f} (median {median(ratios):.0f})"


def _cosine(left: Tensor, right: Tensor) -> float:
    return float(torch.cosine_similarity(left, right, dim=0))


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), width=120, break_on_hyphens=False)


def _table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
