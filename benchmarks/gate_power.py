"""How often does a gate decide wrongly, how often not at all, and does its plan say so beforehand?

Measured: the share of 2,000 draws in which the gate `asr > before + 0.02` fails, passes and cannot decide, at 100, 400
and 1,600 prompts. The true rise is 0, 0.02 and 0.05, and 0, 0.05 and 0.2 of the prompts change although nothing rises.
Also the largest chance of a wrong decision over all shares of prompts that change, by enumeration at 100 prompts.
Against: what `holdfast plan-gate` predicts; Tango's score interval and the adjusted Wald interval of Bonett and Price,
whose quantiles are those of the normal distribution.
Bars: at most 5% wrong (three standard errors more where the true rise is the margin, since the level is then used up),
and the plan within 0.03 of the draws.

    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/gate_power.py --table docs/results/gate.md
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np

from holdfast.artifacts import save_text
from holdfast.evaluate.exact_paired import LEVEL, NORMAL, log_factorials, p_above, p_below, score
from holdfast.evaluate.gate_power import Chances, Truth, chances

DRAWS = 2000
MARGIN = 0.02
SIZES = (100, 400, 1600)
RISES = (0.0, MARGIN, 0.05)
DISCORDANCES = (0.0, 0.05, 0.2)
NEARNESS = 0.03
ENUMERATED = 100
MARGINS = (0.0, 0.02, 0.1)
Z = NORMAL.inv_cdf(1 - LEVEL)


@dataclass(frozen=True)
class Cell:
    """One setting: the true rise, and what was drawn and planned."""

    n: int
    discordance: float
    rise: float
    drawn: Chances
    planned: Chances

    @property
    def wrong(self) -> float:
        """Share of draws that decide wrongly. At the margin itself it is the more frequent decision."""
        return max(self.drawn.fails * (self.rise <= MARGIN), self.drawn.passes * (self.rise >= MARGIN))

    @property
    def distance(self) -> float:
        """Distance of the plan from the draws."""
        pairs = ((self.drawn.fails, self.planned.fails), (self.drawn.passes, self.planned.passes))
        return max(abs(drawn - planned) for drawn, planned in pairs)


def simulate(n: int, truth: Truth, draws: int = DRAWS, seed: int = 0) -> Chances:
    """Shares of draws in which the gate fails and passes."""
    odds = [truth.only_before, truth.only_after, 1 - truth.changed]
    drawn = np.random.default_rng(seed).multinomial(n, odds, size=draws)
    tables, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)
    fails, passes = (test(n, MARGIN, tables[:, 0], tables[:, 1]) <= LEVEL for test in (p_above, p_below))
    return Chances(float(counts[fails].sum()) / draws, float(counts[passes].sum()) / draws)


def measure(sizes: Sequence[int] = SIZES, draws: int = DRAWS) -> list[Cell]:
    """Every setting."""
    settings = [(n, share, rise) for n in sizes for share in DISCORDANCES for rise in RISES]
    truths = [(n, share, rise, Truth.of(rise, share)) for n, share, rise in settings]
    return [
        Cell(n, share, rise, simulate(n, truth, draws), chances(n, MARGIN, truth)) for n, share, rise, truth in truths
    ]


def largest_errors(n: int, margin: float) -> dict[str, float]:
    """The largest chance of a decision where the rise equals the margin, over all shares that change, by test."""
    before, after = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    possible = before + after <= n
    before, after = before[possible], after[possible]
    scores, (low, high) = score(n, margin, before, after), _wald(n, before, after)
    tests = {
        "exact": [test(n, margin, before, after) <= LEVEL for test in (p_above, p_below)],
        "Tango": [scores > Z, scores < -Z],
        "Bonett and Price": [low > margin, high < margin],
    }
    logs = log_factorials(n)
    ways = logs[n] - logs[before] - logs[after] - logs[n - before - after]
    worst = dict.fromkeys(tests, 0.0)
    for share in np.unique([*np.linspace(margin, 1, 200), *(margin + np.linspace(0, 0.1, 100))]):
        odds = [max(one, 1e-300) for one in ((share - margin) / 2, (share + margin) / 2, 1 - share)]
        counts = (before, after, n - before - after)
        weights = np.exp(ways + sum(math.log(one) * count for one, count in zip(odds, counts, strict=True)))
        for name, sides in tests.items():
            worst[name] = max(worst[name], *(float(weights[decides].sum()) for decides in sides))
    return worst


def _wald(n: int, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, q = (before + 1) / (n + 2), (after + 1) / (n + 2)
    half = Z * np.sqrt((p + q - (q - p) ** 2) / (n + 2))
    return q - p - half, q - p + half


def page(cells: Sequence[Cell], errors: dict[float, dict[str, float]]) -> str:
    """The tables and what they show, as Markdown."""
    rows = "\n".join(
        f"| {cell.n:,} | {cell.discordance:g} | {cell.rise:g} | {cell.drawn.fails:.3f} ({cell.planned.fails:.3f}) | "
        f"{cell.drawn.passes:.3f} ({cell.planned.passes:.3f}) | {cell.drawn.undecided:.3f} | {cell.wrong:.3f} |"
        for cell in cells
    )
    names = list(next(iter(errors.values())))
    worst = "\n".join(
        f"| {margin:g} | {' | '.join(f'{of_margin[name]:.3f}' for name in names)} |"
        for margin, of_margin in errors.items()
    )
    apart, at = ([cell for cell in cells if (cell.rise == MARGIN) == is_at] for is_at in (False, True))
    found = (
        f"Where the true rise is not {MARGIN}, the gate decided wrongly in at most "
        f"{max(c.wrong for c in apart):.3f} of the draws. Where it is exactly {MARGIN}, neither decision is right, and "
        f"the last column has the more frequent one: at most {max(c.wrong for c in at):.3f} of the draws. Its exact "
        f"chance is at most 0.05. "
        f"Plan and draws differ by at most {max(c.distance for c in cells):.3f}."
    )
    return f"""# A gate that knows what it cannot decide

`benchmarks/gate_power.py` makes this page. It draws the results of {DRAWS:,} gates `asr > before + {MARGIN}` for each
setting, without a model. In brackets stands what `holdfast plan-gate` predicts. A gate decides wrongly if it fails a
model whose true rise is below {MARGIN}, or passes one whose true rise is above.

| prompts | change although nothing rises | true rise | fails (planned) | passes (planned) | cannot decide | wrong |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}

{fill(found, 120)}

## Why an exact test

The table has the largest chance of a decision where the true rise equals the margin, over all shares of prompts that
change, at {ENUMERATED} prompts and a level of {LEVEL}. Tango's score interval and the adjusted Wald interval of
Bonett and Price take normal quantiles. They are wrong too often if few prompts change.

| margin | {" | ".join(names)} |
| ---: | {" | ".join("---:" for _ in names)} |
{worst}

## Conclusion

At 100 prompts a margin of 2 points decides next to nothing. If no response changes, a model takes 150 prompts to pass.
Plan the number of prompts with `holdfast plan-gate` before you run anything.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws every setting, writes the tables, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="also write the tables to this Markdown file")
    options = parser.parse_args(arguments)
    cells, errors = measure(), {margin: largest_errors(ENUMERATED, margin) for margin in MARGINS}
    if options.table:
        save_text(options.table, page(cells, errors))
    used_up = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / DRAWS)
    bars = {
        "at most 5% wrong": all(cell.wrong <= LEVEL for cell in cells if cell.rise != MARGIN),
        "at most 5% wrong either way at the margin": all(
            max(cell.drawn.fails, cell.drawn.passes) <= used_up for cell in cells if cell.rise == MARGIN
        ),
        "plan within 0.03": all(cell.distance <= NEARNESS for cell in cells),
        "exact": all(of_margin["exact"] <= LEVEL for of_margin in errors.values()),
    }
    figures = {
        "wrong": max(cell.wrong for cell in cells if cell.rise != MARGIN),
        "plan": round(max(cell.distance for cell in cells), 4),
        "largest_errors": {str(margin): of_margin for margin, of_margin in errors.items()},
    }
    print(json.dumps({"name": "gate power", "figures": figures, "bars": bars, "pass": all(bars.values())}))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
