"""`holdfast verify`."""

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.commands.console import Json, show, shown_progress, table
from holdfast.commands.parameters import Generation, Judging, SafetyJudge, Seed, Suite, Verify
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.config import JudgeOptions, SuiteFiles, VerifyOptions

if TYPE_CHECKING:
    from holdfast.values import Evaluation, Rate


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
    from holdfast.report.words import measure_words

    wanted = [draw for ratio in options.ratios for draw in steps.noise_draws(ratio, options.draws, seed)]
    with shown_progress() as progress:
        how = {"limit": options.limit, "judging": judging, "generation": generate, "seed": seed, "progress": progress}
        untouched, found = steps.verify_alone(model, judge, mask, suite, wanted, out, **how)
    points, rows = [], [_row("0", untouched)]
    for position, ratio in enumerate(options.ratios):
        pooled = pool_evaluations(found[position * options.draws :][: options.draws])
        points.append({"noise_ratio": ratio, **suite_json(pooled)})
        rows.append(_row(f"{ratio:g}", pooled))
    columns = ("noise", *map(measure_words, (untouched.safety[0], "refusal", "utility")))
    result = {"out": str(out), "draws": options.draws, "baseline": suite_json(untouched), "points": points}
    show(
        result,
        [
            table(
                f"{options.draws} draws of each noise; noise in standard deviations of a weight's matrix", columns, rows
            )
        ],
        json,
    )


def _row(noise: str, measured: "Evaluation") -> tuple[str, "Rate", "Rate | str", "Rate"]:
    return noise, measured.safety[1], measured.refusal or "not measured", measured.utility
