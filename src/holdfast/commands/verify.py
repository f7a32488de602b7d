"""`holdfast verify`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from holdfast.commands.console import Json, show, shown_progress, unless_quiet, warn
from holdfast.commands.pages import written_note
from holdfast.commands.parameters import Generation, Judging, SafetyJudge, Seed, Steer, Suite, Verify
from holdfast.commands.some_prompts import require_prompts
from holdfast.commands.verified_tables import effects_table, rates_table
from holdfast.config import Options
from holdfast.evaluate.measured import measured_rates
from holdfast.intervene.edit.options import SteeringOptions
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.option_groups import METHOD, STEERED
from holdfast.pipeline.options import JudgeOptions, SuiteFiles, VerifyOptions
from holdfast.progress import hidden
from holdfast.prompts.readable import require_readable

if TYPE_CHECKING:
    from holdfast.evaluate.verified import Verified
    from holdfast.outcomes import Evaluation

FEW_DRAWS = 5
"""Number of draws from which on an interval over draws is no longer wide merely because they are few."""
NOTHING = (
    "there is nothing to verify; give --mask with a file of `holdfast select`, or --project-out with one of "
    "`holdfast direction find`."
)


class VerifiedFiles(Options):
    """The files to verify: a mask with its control, or a direction."""

    mask: Path | None = None
    """File that `holdfast select` wrote. Its weights get noise."""
    project_out: Annotated[Path | None, STEERED] = None
    """In place of a mask: a file of `holdfast direction find`. Measures what the model does without that direction in
    its residual stream, beside as many random directions as --draws."""
    zero: Annotated[bool, Parameter(negative=""), METHOD] = False
    """Zeroes the mask in place of noise, beside random ones."""
    control: Path | None = None
    """Random mask of the same size, for a paired test. It gets as many draws of noise."""


def verify(
    model: str,
    *,
    verified: Annotated[VerifiedFiles, Parameter(name="*")] = VerifiedFiles(),
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
    out
        Folder for one evaluation per draw, and summary.json with the paired tests. Evaluations there are kept.
    refusals
        Harmful prompts with refusals, other ones than the scores were made from. Measures the refusals'
        perplexity, also in a model that refuses nothing.
    seed
        Seed of the first draw of noise.
    json
        Print one JSON object in place of tables.
    """
    if refusals is None:
        require_prompts(suite, "--refusals")
    require_readable(*suite.names)
    require_readable(refusals, responses="refusals")
    if verified.project_out is not None or verified.zero:
        ratios = None if options.ratios == VerifyOptions().ratios else options.ratios
        idle = {
            "--control": verified.control,
            "--refusals": refusals,
            "--steer.direction": steer.direction,
            "--ratios": ratios,
        }
        _verify_without(
            verified, idle=idle, json=json, model=model, files=suite, out=out, judge=judge, judging=judging,
            generation=generate, draws=options.draws, limit=options.limit, seed=seed,
        )  # fmt: skip
        return
    if verified.mask is None:
        raise ValueError(NOTHING)
    from holdfast.pipeline import verifying

    spec = verifying.NoiseSpec(
        model=model, judge=judge, mask=verified.mask, files=suite, out=out, control=verified.control, refusals=refusals,
        draws=[draw for ratio in options.ratios for draw in verifying.noise_draws(ratio, options.draws, seed)],
        limit=options.limit, judging=judging, generation=generate, steering=steer, seed=seed,
    )  # fmt: skip
    with shown_progress() as progress:
        measured = verifying.verify_alone(spec, progress)
    show_noise(measured, spec.out, json, None if spec.control else _hint(spec.mask))


def _verify_without(
    verified: VerifiedFiles, *, idle: Mapping[str, object], json: bool, out: Path, **inputs: Any
) -> None:
    """Measures the model with a mask at zero, or without a direction, and prints the rates."""
    from holdfast.commands.projected import show_projected, show_zeroed

    if verified.project_out is not None:
        _refuse_idle("--project-out", {"--mask": verified.mask, **idle, "--zero": verified.zero or None})
        from holdfast.pipeline.projecting import ProjectSpec, verify_without

        with shown_progress() as progress:
            projected = verify_without(ProjectSpec(direction=verified.project_out, out=out, **inputs), progress)
        return show_projected(projected, out, json)
    if verified.mask is None:
        raise ValueError(NOTHING)
    _refuse_idle("--zero", idle)
    from holdfast.pipeline.zeroing import ZeroSpec, verify_zeroed

    with shown_progress() as progress:
        zeroed = verify_zeroed(ZeroSpec(mask=verified.mask, out=out, **inputs), progress)
    return show_zeroed(zeroed, out, json)


def _refuse_idle(flag: str, options: Mapping[str, object]) -> None:
    """Raises ValueError for options that have no effect beside what is measured in place of noise."""
    if given := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{given[0]} has no effect with {flag}; leave one of the two out.")


def show_noise(measured: "Verified", out: Path, json: bool, hint: str | None = None, page: Path | None = None) -> None:
    """Prints the rates under noise, and the contrasts of the mask with the control. Without one it prints the hint.

    It names the page last, if one was written.
    """
    from holdfast.evaluate.verified import HOW_TO_READ, mistrusted
    from holdfast.pipeline.verified_json import verified_json

    for sentence in mistrusted(measured):
        warn(sentence)
    tables = [rates_table(measured)] + ([effects_table(measured)] if measured.control else [])
    notes = [
        *why_no_loss(measured.untouched),
        why_unclear(measured.untouched),
        few_draws(measured.num_draws),
        HOW_TO_READ if measured.control else hint,
    ]
    conclusion, advice = specific_to_refusals(measured), "\n".join(filter(None, notes))
    result = {"out": str(out), **verified_json(measured), **({"page": str(page)} if page else {})}
    texts = [*conclusion, unless_quiet(advice), written_note(page)]
    show(result, tables, json, note="\n".join(filter(None, texts)))


def specific_to_refusals(measured: "Verified") -> list[str]:
    """Writes for each noise ratio if the effect is specific to refusals, where both perplexities were measured."""
    specific = [(point.ratio, point.specificity) for point in measured.points]
    return [f"Noise {ratio:g}: {found.sentence}" for ratio, found in specific if found]


def why_no_loss(untouched: "Evaluation") -> list[str]:
    """Explains which losses noise cannot show, because the untouched model's rate is at its floor."""
    from holdfast.evaluate.verified import no_loss_possible

    notes = no_loss_possible(untouched)
    is_given = "perplexity/refusals" in measured_rates(untouched)
    shown = "above can show one." if is_given else "can show one: --refusals."
    remedy = f"The perplexity of given refusals {shown}"
    return [f"{note} {remedy}" if note.endswith("loss of safety.") else note for note in notes]


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
