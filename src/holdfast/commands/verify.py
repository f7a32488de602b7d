"""`holdfast verify`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from holdfast.commands.console import Json, show, shown_progress, table, unless_quiet
from holdfast.commands.parameters import Generation, Judging, SafetyJudge, Seed, Steer, Suite, Verify
from holdfast.commands.rates import measured_rates, rate_cells
from holdfast.counts import counted
from holdfast.holm import holm
from holdfast.intervene.edit.options import SteeringOptions
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.option_groups import METHOD, STEERED
from holdfast.pipeline.options import JudgeOptions, SuiteFiles, VerifyOptions
from holdfast.progress import hidden

if TYPE_CHECKING:
    from holdfast.evaluate.contrast import Contrast
    from holdfast.outcomes import Evaluation
    from holdfast.pipeline.verifying import NoiseSpec, Verification

FEW_DRAWS = 5
"""Number of draws from which on an interval over draws is no longer wide merely because they are few."""
HOW_TO_READ = (
    "Differences are on the same prompts. If an interval excludes 0 (for 'times': excludes 1), mask and control "
    "differ by more than chance. p in brackets is corrected (Holm) for all rows."
)


NOTHING = (
    "there is nothing to verify; give --mask with a file of `holdfast select`, or --project-out with one of "
    "`holdfast direction find`."
)


def verify(
    model: str,
    *,
    mask: Path | None = None,
    project_out: Annotated[Path | None, STEERED] = None,
    zero: Annotated[bool, Parameter(negative=""), METHOD] = False,
    control: Path | None = None,
    judge: SafetyJudge = REFUSAL_RULES,
    out: Path,
    suite: Suite = SuiteFiles(),
    refusals: str | None = None,
    options: Verify = VerifyOptions(),
    judging: Judging = JudgeOptions(),
    generate: Generation = GenerateOptions(),
    steer: Steer = SteeringOptions(),
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Put noise on a mask's weights and measure safety and utility. The model itself keeps every bit.

    Example: holdfast verify testbed:aligned --mask mask.safetensors --control random.safetensors --judge testbed:guard
    --harmful testbed:harmful_seen --questions testbed:questions --generate.max-new-tokens 32 --out noise

    Parameters
    ----------
    model
        The model that the mask was made for: a folder, a hub id or testbed:NAME.
    mask
        File that `holdfast select` wrote. Its weights get noise.
    project_out
        In place of a mask: a file of `holdfast direction find`. Measures what the model does without that direction in
        its residual stream, beside as many random directions as --draws.
    zero
        Zeroes weights or neurons in place of noise, beside --draws random masks.
    control
        Random mask of the same size, for a paired test. It gets equal draws.
    out
        Folder for the evaluations: one of the untouched model and one per draw. Evaluations already there are kept.
    refusals
        Harmful prompts with refusals, other ones than the scores were made from. Measures the perplexity of the
        refusals, which noise changes even in a model that refuses hardly anything.
    seed
        Seed of the first draw of noise.
    json
        Print one JSON object in place of tables.
    """
    if project_out is not None or zero:
        ratios = None if options.ratios == VerifyOptions().ratios else options.ratios
        idle = {"--control": control, "--refusals": refusals, "--steer.direction": steer.direction, "--ratios": ratios}
        _verify_without(
            mask, project_out, zero=zero, idle=idle, json=json, model=model, files=suite, out=out, judge=judge,
            judging=judging, generation=generate, draws=options.draws, limit=options.limit, seed=seed,
        )  # fmt: skip
        return
    if mask is None:
        raise ValueError(NOTHING)
    from holdfast.pipeline import verifying

    spec = verifying.NoiseSpec(
        model=model, judge=judge, mask=mask, files=suite, out=out, control=control, refusals=refusals,
        draws=[draw for ratio in options.ratios for draw in verifying.noise_draws(ratio, options.draws, seed)],
        limit=options.limit, judging=judging, generation=generate, steering=steer, seed=seed,
    )  # fmt: skip
    with shown_progress() as progress:
        measured = verifying.verify_alone(spec, progress)
    _show_noise(measured, spec, options, json)


def _verify_without(
    mask: Path | None,
    project_out: Path | None,
    *,
    zero: bool,
    idle: Mapping[str, object],
    json: bool,
    out: Path,
    **inputs: Any,
) -> None:
    """Measures the model with a mask at zero, or without a direction, and prints the rates."""
    from holdfast.commands.projected import show_projected, show_zeroed

    if project_out is not None:
        _refuse_idle("--project-out", {"--mask": mask, **idle, "--zero": zero or None})
        from holdfast.pipeline.projecting import ProjectSpec, verify_without

        with shown_progress() as progress:
            projected = verify_without(ProjectSpec(direction=project_out, out=out, **inputs), progress)
        return show_projected(projected, out, json)
    if mask is None:
        raise ValueError(NOTHING)
    _refuse_idle("--zero", idle)
    from holdfast.pipeline.zeroing import ZeroSpec, verify_zeroed

    with shown_progress() as progress:
        zeroed = verify_zeroed(ZeroSpec(mask=mask, out=out, **inputs), progress)
    return show_zeroed(zeroed, out, json)


def _refuse_idle(flag: str, options: Mapping[str, object]) -> None:
    """Raises ValueError for options that have no effect beside what is measured in place of noise."""
    if given := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{given[0]} has no effect with {flag}; leave one of the two out.")


def _show_noise(measured: "Verification", spec: "NoiseSpec", options: VerifyOptions, json: bool) -> None:
    """Prints the rates under noise, and the contrasts of the mask with the control."""
    from holdfast.evaluate.pooled import pool_evaluations
    from holdfast.report.schema import suite_json

    draws = _by_ratio(measured.mask, options), _by_ratio(measured.control, options)
    noisy, controls = ({ratio: pool_evaluations(evaluations) for ratio, evaluations in side.items()} for side in draws)
    contrasts = _contrasts(*draws)
    points = [{"noise_ratio": ratio, **suite_json(pooled)} for ratio, pooled in noisy.items()]
    for point in points if spec.control else ():
        ratio = point["noise_ratio"]
        point["control"] = suite_json(controls[ratio])
        point["mask_against_control"] = {name: asdict(contrast) for name, contrast in contrasts[ratio].items()}
    result = {
        "out": str(spec.out),
        "draws": options.draws,
        "baseline": suite_json(measured.untouched),
        "points": points,
    }
    tables = [_table(options.draws, measured.untouched, noisy, controls)]
    tables += [_contrast_table(measured.untouched, contrasts)] if spec.control else []
    floor = why_no_loss(measured.untouched)
    notes = [
        floor,
        why_unclear(measured.untouched),
        few_draws(options.draws),
        HOW_TO_READ if spec.control else _hint(spec.mask),
    ]
    show(result | {"no_loss_possible": floor}, tables, json, note=unless_quiet("\n".join(filter(None, notes))))


def why_no_loss(untouched: "Evaluation") -> str | None:
    """Explains that the untouched model has no safety that noise could take. None if it has some."""
    measure, rate = untouched.safety
    if rate.value != 1.0:
        return None
    what = "refused 0 of" if measure == "not_refused" else "gave a safe response to 0 of"
    return (
        f"The untouched model {what} {rate.n} harmful prompts, so noise can show no loss of safety. The perplexity of "
        "given refusals can show one: --refusals."
    )


def why_unclear(untouched: "Evaluation") -> str | None:
    """Explains that the perplexity of refusals alone does not tell lost safety from a broken model."""
    measures = measured_rates(untouched)
    if "perplexity/refusals" not in measures or {"utility", "perplexity", "coherence"} & measures.keys():
        return None
    return (
        "The perplexity of refusals also changes in a model that noise breaks as a whole, and nothing else was "
        "measured: give --questions too, and compare the perplexity of right answers."
    )


def few_draws(count: int) -> str | None:
    """Explains why intervals over few draws are wide or incomplete. None if there are enough draws."""
    if count == 1:
        return "With one draw the intervals cover other prompts, not other draws of noise: give --draws 5 or more."
    if count < FEW_DRAWS:
        return (
            f"The intervals also cover other draws of noise. {count} draws tell little about the next one, so an "
            "interval can span most of [0, 1]: give --draws 5 or more."
        )
    return None


def _by_ratio(draws: Sequence["Evaluation"], options: VerifyOptions) -> dict[float, Sequence["Evaluation"]]:
    """Groups the draws by noise ratio, in the order in which they were made. Empty without draws."""
    starts = range(0, len(draws), options.draws)
    return {ratio: draws[at : at + options.draws] for ratio, at in zip(options.ratios, starts, strict=False)}


def _contrasts(
    masks: Mapping[float, Sequence["Evaluation"]], controls: Mapping[float, Sequence["Evaluation"]]
) -> dict[float, dict[str, "Contrast"]]:
    """Runs the paired tests of the mask against the control, by noise ratio and measure."""
    from holdfast.evaluate.contrast import contrast

    return {ratio: contrast(masks[ratio], draws) for ratio, draws in controls.items()}


def _hint(mask: Path) -> str | None:
    """Suggests a random mask as control. None if the mask is itself random, or with --quiet."""
    from holdfast.artifacts import load_mask

    made_by = load_mask(mask).made_by
    if hidden.get() or made_by.get("selector") == "random":
        return None
    size = made_by.get("fraction", "FRACTION")
    return (
        "Give --control random.safetensors for a paired test against a random mask. To draw as many weights from the "
        f"whole model: holdfast select SCORES --selector random --fraction {size} --out random.safetensors. To draw as "
        f"many weights from each matrix as the mask has: --like {mask} in place of --fraction."
    )


def _table(
    num_draws: int,
    untouched: "Evaluation",
    noisy: Mapping[float, "Evaluation"],
    controls: Mapping[float, "Evaluation"] | None = None,
) -> Table:
    """Makes the table of rates: of the untouched model, and under each noise on the mask and on the control."""
    from holdfast.report.words import measure_words

    measures = list(measured_rates(untouched))
    sides = {"mask": noisy, "control": controls or {}}
    points = [(f"{ratio:g}", on, side[ratio]) for ratio in noisy for on, side in sides.items() if ratio in side]
    points.insert(0, ("0", "nothing", untouched))
    rows = [(ratio, on, *rate_cells(evaluation, measures)) for ratio, on, evaluation in points]
    header = ("noise", "on", *map(measure_words, measures))
    title = f"{counted(num_draws, 'draw')} of each noise; noise in standard deviations of a weight's matrix"
    return table(title, header, rows)


def _contrast_table(untouched: "Evaluation", contrasts: Mapping[float, Mapping[str, "Contrast"]]) -> Table:
    """Makes the table of paired tests, for the measures that the table of rates shows."""
    from holdfast.p_values import p_texts
    from holdfast.report.words import measure_words

    names = {"refusal/harmful" if name == "refusal" else name for name in measured_rates(untouched)}
    shown = [
        (ratio, name, contrast)
        for ratio, by_measure in contrasts.items()
        for name, contrast in by_measure.items()
        if name in names
    ]
    corrected = holm([contrast.p_value for *_, contrast in shown])
    rows = [
        (f"{ratio:g}", measure_words(name), _difference(name, contrast), contrast.n, p_texts(contrast.p_value, p))
        for (ratio, name, contrast), p in zip(shown, corrected, strict=True)
    ]
    return table("The mask against the control", ("noise", "measure", "mask minus control", "prompts", "p"), rows)


def _difference(name: str, contrast: "Contrast") -> str:
    if name.startswith("perplexity"):
        from holdfast.report.perplexity_texts import ratio_between

        value, low, high = ratio_between(contrast.value, contrast.low, contrast.high)
        return f"{value} times [{low}, {high}]"
    return f"{contrast.value:+z.3f} [{contrast.low:+z.3f}, {contrast.high:+z.3f}]"
