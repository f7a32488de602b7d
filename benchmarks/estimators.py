"""How near is each estimator of dS/dw to the exact gradient, at 8, 64, 512 and 20,000 responses?

Measured: cosine with the exact gradient, mean over draws of the responses, on models of a dozen tokens and three
positions whose safety is enumerated in float64; judges that are linear in their embeddings and judges that are curved,
tokens that depend weakly and strongly on those before them, two seeds each.
Against: each other.
Bar: the mix of control variate and judge gradient is within 0.02 of the best of the others, in the mean over models, at
every budget.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from holdfast.artifacts import save_text
from holdfast.score import ControlVariate, JudgeGradient, PolicyGradient
from holdfast.score.objective.completions import Objective
from holdfast.values import Outcome

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.score.enumerable import LETTERS, CurvedJudge, LinearJudge, World, cosine, gradient_of

BUDGETS = {8: 16, 64: 8, 512: 4, 20_000: 1}
"""Responses, and how many draws of as many are averaged."""
UNEVEN = (3.0, -2.0, 1.0)
ESTIMATORS = ("policy gradient", "judge gradient", "control variate", "mix")


def worlds() -> dict[str, World]:
    """The models, by what is hard about them."""
    return {
        f"{name} judge, {strength} dependence, seed {seed}": World(LETTERS, 3, judge(UNEVEN, mean=False), seed, size)
        for name, judge in (("linear", LinearJudge), ("curved", CurvedJudge))
        for strength, size in (("weak", 0.2), ("strong", 0.5))
        for seed in (0, 1)
    }


def objectives(world: World, num_responses: int, seed: int) -> dict[str, Objective]:
    """Every estimator on the same responses to one prompt."""
    responses = world.sample_of_one_prompt(num_responses, seed)
    outcomes = [Outcome("safe", world.judge.log_odds(one.text)) for one in responses]
    around = [world.greedy()]
    made = (
        PolicyGradient(responses, outcomes),
        JudgeGradient(world.judge, world.tokenizer, responses, "sum"),
        ControlVariate(world.judge, world.tokenizer, around, responses, weight=1.0),
        ControlVariate(world.judge, world.tokenizer, around, responses),
    )
    return dict(zip(ESTIMATORS, made, strict=True))


def measure(world: World, num_responses: int, draws: int) -> dict[str, float]:
    """Mean cosine of each estimator with the exact gradient."""
    exact = world.exact_gradient()
    found: dict[str, list[float]] = {name: [] for name in ESTIMATORS}
    for seed in range(draws):
        for name, objective in objectives(world, num_responses, seed).items():
            found[name].append(cosine(gradient_of(world, objective), exact))
    return {name: fmean(values) for name, values in found.items()}


def table(rows: dict[tuple[str, int], dict[str, float]], means: dict[int, dict[str, float]]) -> str:
    """Every model at every budget as Markdown."""
    lines = ["# Estimators against the exact gradient of safety", "", "Made by `benchmarks/estimators.py`.", ""]
    lines += ["| model | responses | " + " | ".join(ESTIMATORS) + " |", "|---" * (2 + len(ESTIMATORS)) + "|"]
    for (name, budget), cosines in rows.items():
        lines.append(f"| {name} | {budget:,} | " + " | ".join(f"{cosines[one]:.3f}" for one in ESTIMATORS) + " |")
    for budget, cosines in means.items():
        lines.append(f"| **mean** | {budget:,} | " + " | ".join(f"{cosines[one]:.3f}" for one in ESTIMATORS) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes the table, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="also write the table to this Markdown file")
    options = parser.parse_args(arguments)
    rows = {}
    for name, world in worlds().items():
        for budget, draws in BUDGETS.items():
            rows[name, budget] = measure(world, budget, draws)
            print(f"done {name}, {budget} responses", file=sys.stderr, flush=True)
    means = {
        budget: {one: fmean(found[one] for (_, size), found in rows.items() if size == budget) for one in ESTIMATORS}
        for budget in BUDGETS
    }
    if options.table:
        save_text(options.table, table(rows, means))
    short = {budget: max(found.values()) - found["mix"] for budget, found in means.items()}
    passes = all(value <= 0.02 for value in short.values())
    print(json.dumps({"name": "estimators", "figures": means, "bars": {"mix below the best": 0.02}, "pass": passes}))
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
