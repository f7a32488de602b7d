"""`holdfast verify`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from holdfast.commands.console import Json, show, shown_progress, table
from holdfast.commands.parameters import Generation, Judging, SafetyJudge, Seed, Suite, Verify
from holdfast.holm import holm
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.options import JudgeOptions, SuiteFiles, VerifyOptions
from holdfast.progress import hidden

if TYPE_CHECKING:
    from holdfast.evaluate.contrast import Contrast
    from holdfast.outcomes import Evaluation, Rate

FEW_DRAWS = 5
"""Draws from which on an interval over draws is not wide because they are few."""
HOW_TO_READ = (
    "Differences are on the same prompts. An interval without 0 (without 1 where it says times) means that the two "
    "differ by more than chance. p in brackets is corrected (Holm) for all rows."
)


def verify(
    model: str,
    *,
    mask: Path,
    control: Path | None = None,
    judge: SafetyJudge = REFUSAL_RULES,
    out: Path,
    suite: Suite = SuiteFiles(),
    refusals: str | None = None,
    options: Verify = VerifyOptions(),
    judging: Judging = JudgeOptions(),
    generate: Generation = GenerateOptions(),
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Put noise on a mask's weights and measure safety and utility. The model is given back bit for bit.

    Example: holdfast verify testbed:aligned --mask mask.safetensors --control random.safetensors --judge testbed:guard
    --harmful testbed:harmful_seen --questions testbed:questions --generate.max-new-tokens 32 --out noise

    Parameters
    ----------
    model
        The model that the mask was made for: a folder, a hub id or testbed:NAME.
    mask
        File that `holdfast select` wrote.
    control
        Random mask of the same size. It gets as many draws of the same noise, and a paired test compares the two.
    judge
        Judge of responses to harmful prompts.

        - FOLDER, hub id or testbed:NAME: a guard model or classifier, which says safe or unsafe
        - api:MODEL: a model asked over the network
        - refusal: built-in rules; give the share of prompts not refused, no attack success
    out
        Folder for the evaluations: one of the untouched model and one per draw. Those already there are kept.
    refusals
        Harmful prompts with refusals, such as those that scores are made from, but others. Measures the perplexity of
        the refusals, which shows noise also in a model that refuses hardly anything.
    seed
        Seed of the first draw of noise.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.evaluate.pooled import pool_evaluations
    from holdfast.pipeline import verifying
    from holdfast.report.schema import suite_json

    wanted = [draw for ratio in options.ratios for draw in verifying.noise_draws(ratio, options.draws, seed)]
    with shown_progress() as progress:
        how = {"limit": options.limit, "judging": judging, "generation": generate, "seed": seed, "progress": progress}
        how |= {"control": control, "refusals": refusals}
        found = verifying.verify_alone(model, judge, mask, suite, wanted, out, **how)
    draws = _by_ratio(found.mask, options), _by_ratio(found.control, options)
    noisy, controls = ({ratio: pool_evaluations(one) for ratio, one in side.items()} for side in draws)
    contrasts = _contrasts(*draws)
    points = [{"noise_ratio": ratio, **suite_json(pooled)} for ratio, pooled in noisy.items()]
    for point in points if control else ():
        ratio = point["noise_ratio"]
        point["control"] = suite_json(controls[ratio])
        point["mask_against_control"] = {name: asdict(one) for name, one in contrasts[ratio].items()}
    result = {"out": str(out), "draws": options.draws, "baseline": suite_json(found.untouched), "points": points}
    tables = [_table(options.draws, found.untouched, noisy, controls)]
    tables += [_contrast_table(found.untouched, contrasts)] if control else []
    floor = why_no_loss(found.untouched)
    notes = [floor, few_draws(options.draws), HOW_TO_READ if control else None, None if control else _hint(mask)]
    show(result | {"no_loss_possible": floor}, tables, json, note="\n".join(filter(None, notes)))


def why_no_loss(untouched: "Evaluation") -> str | None:
    """Says that noise can show no loss of safety, as the untouched model has none to lose; None where it has some."""
    measure, rate = untouched.safety
    if rate.value != 1.0:
        return None
    what = "refused 0 of" if measure == "not_refused" else "gave a safe response to 0 of"
    return (
        f"The untouched model {what} {rate.n} harmful prompts, so noise can show no loss of safety. The perplexity of "
        "given refusals can show one: --refusals."
    )


def few_draws(count: int) -> str | None:
    """Explains intervals of few draws; None where there are enough."""
    if count == 1:
        return "The intervals of one draw cover other prompts, not other draws of noise: take --draws 5 or more."
    if count < FEW_DRAWS:
        return (
            f"The intervals also cover other draws of noise. {count} draws that differ tell little of the next one, so "
            "an interval can span most of [0, 1]: take --draws 5 or more."
        )
    return None


def _by_ratio(draws: Sequence["Evaluation"], options: VerifyOptions) -> dict[float, Sequence["Evaluation"]]:
    """The draws of each noise, in the order in which they were made; nothing where there are none."""
    starts = range(0, len(draws), options.draws)
    return {ratio: draws[at : at + options.draws] for ratio, at in zip(options.ratios, starts, strict=False)}


def _contrasts(
    masks: Mapping[float, Sequence["Evaluation"]], controls: Mapping[float, Sequence["Evaluation"]]
) -> dict[float, dict[str, "Contrast"]]:
    """The paired tests of the mask against the control, by noise and measure."""
    from holdfast.evaluate.contrast import contrast

    return {ratio: contrast(masks[ratio], draws) for ratio, draws in controls.items()}


def _hint(mask: Path) -> str | None:
    """The hint to compare with a random mask; None where this is one, or hints are not wanted."""
    from holdfast.artifacts import load_mask

    made_by = load_mask(mask).made_by
    if hidden.get() or made_by.get("selector") == "random":
        return None
    size = made_by.get("fraction", "FRACTION")
    return (
        "Give --control random.safetensors for a paired test against a random mask. To ask whether any as many weights "
        f"would do: holdfast select SCORES --selector random --fraction {size} --out random.safetensors. To ask "
        f"whether any as many of the same matrices would: --like {mask} in place of --fraction."
    )


def _table(
    num_draws: int,
    untouched: "Evaluation",
    noisy: Mapping[float, "Evaluation"],
    controls: Mapping[float, "Evaluation"] | None = None,
) -> Table:
    """What was measured of the untouched model, and under each noise on the mask and on the control."""
    from holdfast.report.words import measure_words

    measures = list(_measured(untouched))
    sides = {"mask": noisy, "control": controls or {}}
    points = [(f"{ratio:g}", on, side[ratio]) for ratio in noisy for on, side in sides.items() if ratio in side]
    rows = [(ratio, on, *_cells(one, measures)) for ratio, on, one in [("0", "nothing", untouched), *points]]
    header = ("noise", "on", *map(measure_words, measures))
    title = f"{num_draws} draws of each noise; noise in standard deviations of a weight's matrix"
    return table(title, header, rows)


def _measured(evaluation: "Evaluation") -> dict[str, "Rate"]:
    """Rates and perplexities by name, those of prompts that the suite has."""
    measure, safety = evaluation.safety
    rates = {
        measure: safety,
        "refusal": evaluation.refusal,
        "over_refusal": evaluation.over_refusal,
        "borderline": evaluation.borderline,
        "utility": evaluation.utility,
        "coherence": evaluation.coherence,
        "perplexity": evaluation.perplexity_rate,
        "perplexity/refusals": evaluation.groups.get("perplexity/refusals"),
    }
    return {name: rate for name, rate in rates.items() if rate and (rate.n or rate.unscored)}


def _cells(evaluation: "Evaluation", measures: Sequence[str]) -> list[str]:
    from holdfast.report.perplexity_texts import perplexity_with_ends

    rates = _measured(evaluation)
    texts = {
        name: perplexity_with_ends(rate.value, rate) if name.startswith("perplexity") and rate.value else str(rate)
        for name, rate in rates.items()
    }
    return [texts.get(name, "not measured") for name in measures]


def _contrast_table(untouched: "Evaluation", contrasts: Mapping[float, Mapping[str, "Contrast"]]) -> Table:
    """The paired tests of the measures that the other table shows."""
    from holdfast.report.tables import p_texts
    from holdfast.report.words import measure_words

    names = {"refusal/harmful" if name == "refusal" else name for name in _measured(untouched)}
    shown = [(ratio, name, one) for ratio, found in contrasts.items() for name, one in found.items() if name in names]
    corrected = holm([one.p_value for *_, one in shown])
    rows = [
        (f"{ratio:g}", measure_words(name), _difference(name, one), one.n, p_texts(one.p_value, p))
        for (ratio, name, one), p in zip(shown, corrected, strict=True)
    ]
    return table("The mask against the control", ("noise", "measure", "mask minus control", "prompts", "p"), rows)


def _difference(name: str, one: "Contrast") -> str:
    if name.startswith("perplexity"):
        return f"{one.value:.3g} times [{one.low:.3g}, {one.high:.3g}]"
    return f"{one.value:+z.3f} [{one.low:+z.3f}, {one.high:+z.3f}]"
