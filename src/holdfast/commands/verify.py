"""`holdfast verify`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from holdfast.commands.console import Json, show, shown_progress, table
from holdfast.commands.parameters import Generation, Judging, SafetyJudge, Seed, Suite, Verify
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.config import JudgeOptions, SuiteFiles, VerifyOptions
from holdfast.progress import hidden

if TYPE_CHECKING:
    from holdfast.values import Evaluation


def verify(
    model: str,
    *,
    mask: Path,
    judge: SafetyJudge = REFUSAL_RULES,
    out: Path,
    suite: Suite = SuiteFiles(),
    options: Verify = VerifyOptions(),
    judging: Judging = JudgeOptions(),
    generate: Generation = GenerateOptions(),
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Put noise on a mask's weights and measure safety and utility. The model is given back bit for bit.

    Example: holdfast verify testbed:aligned --mask mask.safetensors --judge testbed:guard
    --harmful testbed:harmful_seen --questions testbed:questions --generate.max-new-tokens 32 --out noise

    Parameters
    ----------
    model
        The model that the mask was made for: a folder, a hub id or testbed:NAME.
    mask
        File that `holdfast select` wrote.
    judge
        Judge of responses to harmful prompts.

        - FOLDER, hub id or testbed:NAME: a guard model or classifier, which says safe or unsafe
        - api:MODEL: a model asked over the network
        - refusal: built-in rules; give the share of prompts not refused, no attack success
    out
        Folder for the evaluations: one of the untouched model and one per draw. Those already there are kept.
    seed
        Seed of the first draw of noise.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.evaluate.pooled import pool_evaluations
    from holdfast.pipeline import steps
    from holdfast.report.schema import suite_json

    wanted = [draw for ratio in options.ratios for draw in steps.noise_draws(ratio, options.draws, seed)]
    with shown_progress() as progress:
        how = {"limit": options.limit, "judging": judging, "generation": generate, "seed": seed, "progress": progress}
        untouched, found = steps.verify_alone(model, judge, mask, suite, wanted, out, **how)
    draws = [found[start : start + options.draws] for start in range(0, len(found), options.draws)]
    noisy = dict(zip(options.ratios, map(pool_evaluations, draws), strict=True))
    floor = why_no_loss(untouched)
    points = [{"noise_ratio": ratio, **suite_json(pooled)} for ratio, pooled in noisy.items()]
    result = {"out": str(out), "draws": options.draws, "baseline": suite_json(untouched), "points": points}
    note = "\n".join(filter(None, (floor, None if hidden.get() else _control(mask))))
    show(result | {"no_loss_possible": floor}, [_table(options.draws, untouched, noisy)], json, note=note)


def why_no_loss(untouched: "Evaluation") -> str | None:
    """Says that noise can show no loss of safety, as the untouched model has none to lose; None where it has some."""
    measure, rate = untouched.safety
    if rate.value != 1.0:
        return None
    what = "refused 0 of" if measure == "not_refused" else "gave a safe response to 0 of"
    return f"The untouched model {what} {rate.n} harmful prompts, so noise can show no loss of safety."


def _control(mask: Path) -> str | None:
    """The hint to compare with a random mask; None where this is one."""
    from holdfast.artifacts import load_mask

    if load_mask(mask).made_by.get("selector") == "random":
        return None
    return (
        f"Compare with a random mask: holdfast select SCORES --selector random --like {mask} --out random.safetensors, "
        "then verify that one in the same way."
    )


def _table(num_draws: int, untouched: "Evaluation", noisy: Mapping[float, "Evaluation"]) -> Table:
    """Safety, over-refusal where it was measured, utility and coherence, untouched and under each noise."""
    from holdfast.report.words import measure_words

    measures = [untouched.safety[0], "refusal", *_over_refusals(untouched), "utility", "coherence"]
    rows = [("0", *_cells(untouched, measures)), *((f"{one:g}", *_cells(noisy[one], measures)) for one in noisy)]
    title = f"{num_draws} draws of each noise; noise in standard deviations of a weight's matrix"
    return table(title, ("noise", *map(measure_words, measures)), rows)


def _over_refusals(untouched: "Evaluation") -> list[str]:
    """The measures of over-refusal whose prompts the suite has."""
    rates = {"over_refusal": untouched.over_refusal, "borderline": untouched.borderline}
    return [name for name, rate in rates.items() if rate and (rate.n or rate.unscored)]


def _cells(measured: "Evaluation", measures: Sequence[str]) -> list[object]:
    safety = {measured.safety[0]: measured.safety[1]}
    return [safety[name] if name in safety else getattr(measured, name) or "not measured" for name in measures]
