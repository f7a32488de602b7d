"""How near is each estimator of dS/dw to the exact gradient, at 8, 64, 512 and 20,000 responses?

Measured: cosine with the exact gradient, mean over draws of the responses and of the relaxations' noise, on models of a
dozen tokens and three positions whose safety is enumerated in float64; judges that are linear in their embeddings and
judges that are curved, tokens that depend weakly and strongly on those before them, two seeds each. Beside it the
variance over draws, and what the judge gradient's bias is made of (tests/score/bias.py).
Against: each other.
Bar: the mix of control variate and judge gradient is within 0.02 of the best of the others, in the mean over models, at
every budget. The worst single model is reported beside it.

    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/estimators.py --table docs/results/estimators.md
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.estimators_page import JUDGES, Measured, Setting, page
from tests.objective.bias import Parts, bias_parts
from tests.objective.enumerable import LETTERS, CurvedJudge, LinearJudge, World
from tests.objective.tabulated import Tabulated, judging_once

from holdfast.artifacts import save_text
from holdfast.objective.completions import Objective
from holdfast.objective.relaxation import Relaxation
from holdfast.outcomes import Outcome
from holdfast.score import ControlVariate, JudgeGradient, PolicyGradient

BUDGETS = {8: 24, 64: 16, 512: 8, 20_000: 1}
"""Responses, and how many draws of as many are averaged."""
DEPENDENCES = (0.2, 0.5)
"""Weak and strong, in the comparison."""
FADING = (0.01, 0.05)
"""Next to none, where only the bias is taken apart."""
UNEVEN = (3.0, -2.0, 1.0)
MAKE_JUDGE = {"linear": LinearJudge, "curved": CurvedJudge}
BAR = 0.02


def settings(seeds: Sequence[int], dependences: Sequence[float]) -> list[Setting]:
    """The models, by what is hard about them."""
    return [Setting(judge, size, seed) for judge in JUDGES for size in dependences for seed in seeds]


def make_world(setting: Setting) -> World:
    judge = MAKE_JUDGE[setting.judge](UNEVEN, mean=False)
    return World(LETTERS, 3, judge, setting.seed, setting.dependence)


@cache
def tabulate(dependence: float, seed: int) -> Tabulated:
    """The model of a setting, which both judges judge."""
    return Tabulated(make_world(Setting("linear", dependence, seed)))


def objectives(world: World, num_responses: int, seed: int) -> dict[str, Objective]:
    """Every estimator on the same responses to one prompt."""
    responses, around = world.sample_of_one_prompt(num_responses, seed), [world.greedy]
    log_odds = cache(world.judge.log_odds)
    judge, tokenizer = world.judge, world.tokenizer
    return {
        "policy gradient": PolicyGradient(responses, [Outcome("safe", log_odds(one.text)) for one in responses]),
        "judge gradient": JudgeGradient(judge, tokenizer, responses, "sum"),
        "gumbel": JudgeGradient(judge, tokenizer, responses, "sum", Relaxation("gumbel", seed=seed)),
        "straight-through": JudgeGradient(
            judge, tokenizer, responses, "sum", Relaxation("straight_through", seed=seed)
        ),
        "control variate": ControlVariate(judge, tokenizer, around, responses, weight=1.0),
        "mix": ControlVariate(judge, tokenizer, around, responses),
    }


def measure(world: World, tabulated: Tabulated, exact: Tensor, num_responses: int, draws: int) -> Measured:
    """How near the estimates are to the exact gradient, and how far they spread."""
    found: dict[str, list[Tensor]] = {}
    for seed in range(draws):
        for name, objective in objectives(world, num_responses, seed).items():
            found.setdefault(name, []).append(tabulated.estimate(objective))
    estimates = {name: torch.stack(drawn) for name, drawn in found.items()}
    spread = {name: float(drawn.var(0).sum() / (exact @ exact)) for name, drawn in estimates.items() if draws > 1}
    cosines = {name: mean_cosine(drawn, exact) for name, drawn in estimates.items()}
    return Measured(cosines, spread, *hindsight(estimates["control variate"], estimates["judge gradient"], exact))


def mean_cosine(estimates: Tensor, exact: Tensor) -> float:
    return float(torch.cosine_similarity(estimates, exact[None]).mean())


def hindsight(unbiased: Tensor, biased: Tensor, exact: Tensor) -> tuple[float, float]:
    """The mean cosine of the mix under the best weight for these draws, and that weight, out of 21."""
    return max((mean_cosine(w * unbiased + (1 - w) * biased, exact), w) for w in torch.linspace(0, 1, 21).tolist())


def measure_setting(setting: Setting, budgets: dict[int, int]) -> tuple[Parts, dict[int, Measured]]:
    """The parts of the judge gradient's bias in one setting, and every estimator at every budget."""
    world, tabulated = make_world(setting), tabulate(setting.dependence, setting.seed)
    with judging_once():
        parts = bias_parts(world, tabulated)
        found = {budget: measure(world, tabulated, parts.exact, budget, draws) for budget, draws in budgets.items()}
    print(f"done {setting.name}", file=sys.stderr, flush=True)
    return parts, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes the page, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="also write the tables to this Markdown file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of the models")
    options = parser.parse_args(arguments)
    compared = {one: measure_setting(one, BUDGETS) for one in settings(options.seeds, DEPENDENCES)}
    faded = {one: measure_setting(one, {}) for one in settings(options.seeds, FADING)}
    parts = {setting: found[0] for setting, found in {**faded, **compared}.items()}
    measured = {(one, budget): row for one, found in compared.items() for budget, row in found[1].items()}
    means = {
        budget: {
            name: round(fmean(row.cosines[name] for (_, size), row in measured.items() if size == budget), 4)
            for name in next(iter(measured.values())).cosines
        }
        for budget in BUDGETS
    }
    if options.table:
        save_text(options.table, page(measured, parts))
    passes = all(max(found.values()) - found["mix"] <= BAR for found in means.values())
    figures = {"cosine": means, "worst single model": round(max(row.short for row in measured.values()), 4)}
    print(json.dumps({"name": "estimators", "figures": figures, "bars": {"mix below the best": BAR}, "pass": passes}))
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
