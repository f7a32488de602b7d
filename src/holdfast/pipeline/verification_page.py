"""Writes the page of a verification from its evaluations."""

from collections.abc import Mapping

from holdfast.counts import counted
from holdfast.evaluate.measured import measured_rates
from holdfast.evaluate.verified import HOW_TO_READ, Effect, NoisePoint, Verified, mistrusted, no_loss_possible
from holdfast.made_by import model_name
from holdfast.measure_names import measure_words
from holdfast.outcomes import Evaluation
from holdfast.p_values import p_text, p_texts
from holdfast.pipeline.evaluation_about import origin_rows
from holdfast.report.verification_page import EffectRow, NoisyRates, VerificationContent, render_verification_page
from holdfast.report.words import difference_lines
from holdfast.spelling import joined

RATIO = "Noise is in standard deviations of a weight's matrix. Each rate is the mean of its draws of noise."
VERIFIED = {
    "specific": "the effect is specific to refusals",
    "not specific": "the effect is not specific to refusals",
    "not decided": "it is undecided whether the effect is specific to refusals",
}
"""Words for the verdicts on whether an effect is specific to refusals."""
ALPHA = 0.05


def verification_page(verified: Verified, file: str | None = None) -> str:
    """Renders the page of a verification."""
    untouched = verified.untouched
    specific = [(point.ratio, point.specificity) for point in verified.points]
    content = VerificationContent(
        model=model_name(untouched.made_by) or "a model without a name",
        lead=lead(verified),
        untouched=measured_rates(untouched),
        points=[_rates(point) for point in verified.points],
        effects={(effect.ratio, effect.measure): _effect_row(effect) for effect in verified.effects},
        verdicts=[f"Noise {ratio:g}: {found.sentence}" for ratio, found in specific if found],
        warnings=[*no_loss_possible(untouched), *mistrusted(verified)],
        how_to_read=[RATIO, *([HOW_TO_READ] if verified.control else [])],
        settings=_settings(verified, file),
    )
    return render_verification_page(content)


def _rates(point: NoisePoint) -> NoisyRates:
    return NoisyRates(point.ratio, measured_rates(point.mask), measured_rates(point.control) if point.control else None)


def _effect_row(effect: Effect) -> EffectRow:
    found = effect.contrast
    difference = difference_lines(effect.measure, found.value, found.low, found.high)
    return EffectRow(" ".join(difference), p_texts(found.p_value, effect.corrected_p))


def lead(verified: Verified) -> str:
    """Says in a sentence or two whether the effect is specific, and in which measures mask and control differ."""
    verdicts = [(point.ratio, VERIFIED[found.verdict]) for point in verified.points if (found := point.specificity)]
    ratios = {words: [f"{ratio:g}" for ratio, other in verdicts if other == words] for _, words in verdicts}
    specific = [f"At noise {joined(known, 'and')} {words}." for words, known in ratios.items()]
    return " ".join([*specific, _differences(verified)])


def _differences(verified: Verified) -> str:
    """Says which measures differ beyond chance between mask and control."""
    if not verified.control:
        return "There is no control, so no test says whether this mask matters more than others."
    differing = [effect for effect in verified.effects if effect.corrected_p < ALPHA]
    if not differing:
        least = min((effect.corrected_p for effect in verified.effects), default=1.0)
        return (
            f"In no measure do mask and control differ beyond chance (smallest corrected p {p_text(least)}). That does "
            "not show that they are alike: read how wide the intervals are."
        )
    named = [
        f"{measure_words(effect.measure)} at noise {effect.ratio:g} (corrected p {p_text(effect.corrected_p)})"
        for effect in differing
    ]
    return f"Mask and control differ beyond chance in {joined(named, 'and')}."


def _settings(verified: Verified, file: str | None) -> list[tuple[str, str]]:
    """Lists the masks, the noise and the settings of the evaluations."""
    files = {"mask": verified.mask, "control": verified.control}
    masks = [(side, name) for side, draws in files.items() if draws and (name := _noise_file(draws[0]))]
    ratios = ", ".join(f"{ratio:g}" for ratio in verified.ratios)
    noise = ("noise", f"{ratios}, {counted(verified.num_draws, 'draw')} of each")
    return [*masks, noise, *origin_rows(verified.untouched, file)]


def _noise_file(evaluation: Evaluation) -> str | None:
    noise = evaluation.made_by.get("noise")
    return str(noise["file"]) if isinstance(noise, Mapping) and "file" in noise else None
