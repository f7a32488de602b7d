"""Evaluations of a model under noise on a mask and on controls, with the paired test of the two at every noise ratio.

The rates of one noise ratio are pooled over its draws (`pooled.py`). The test compares the mask with the control on the
same prompts (`contrast.py`). Its p values are also corrected (Holm) for all measures and ratios of the table. If the
perplexities of refusals and of right answers are both known, `specific.py` compares the effects on the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from holdfast.counts import counted
from holdfast.evaluate.contrast import Contrast, contrast
from holdfast.evaluate.measured import measured_rates
from holdfast.evaluate.mistrusted import warning_of_mistrust
from holdfast.evaluate.pooled import pool_evaluations
from holdfast.evaluate.specific import REFUSALS, Specificity, specificity
from holdfast.holm import holm
from holdfast.outcomes import Evaluation, Rate
from holdfast.p_values import p_text, p_texts

IN_CONTRASTS = {"refusal": "refusal/harmful", "coherence": "coherence/all"}
"""Names of measures in contrasts, where they differ."""
HOW_TO_READ = (
    "Differences are on the same prompts. For one row that you chose before looking, an interval that excludes 0 (for "
    "a ratio of perplexities: 1) shows a difference beyond chance. For all other rows read the p in brackets, which is "
    "corrected (Holm) for the number of rows. Below 0.05 it shows a difference beyond chance."
)
"""Explains how to read the paired tests."""
Row = dict[str, str | float | int | None]
"""One row of the table: numbers by column."""


@dataclass(frozen=True)
class NoisePoint:
    """The results at one noise ratio, pooled over its draws."""

    ratio: float
    """Noise in standard deviations of each weight's matrix."""
    mask: Evaluation
    """Pooled rates with noise on the mask."""
    control: Evaluation | None
    """Pooled rates with noise on the control. None without one."""
    contrasts: Mapping[str, Contrast]
    """Mask minus control by measure, for perplexities mask / control. Empty without a control."""
    specificity: Specificity | None = None
    """Whether the effect is specific to refusals. None unless perplexities of refusals and right answers are known."""


@dataclass(frozen=True)
class Effect:
    """The paired test of one measure at one noise ratio."""

    ratio: float
    measure: str
    """Name of the measure, such as refusal, utility or perplexity."""
    contrast: Contrast
    corrected_p: float
    """p value after Holm's correction for all effects."""


@dataclass(frozen=True, repr=False)
class Verified:
    """Holds the measures of a model under noise on a mask, and under the same noise on a control.

    Print it to read it. `table()` gives the same numbers as rows.
    """

    untouched: Evaluation
    """The evaluation without noise."""
    ratios: tuple[float, ...]
    """The noise ratios. Each has the same number of draws."""
    mask: tuple[Evaluation, ...]
    """Evaluations under noise on the mask, one a draw, ratio by ratio."""
    control: tuple[Evaluation, ...] = ()
    """Evaluations under noise on the control, one a draw. Empty without a control."""

    def __repr__(self) -> str:
        noise = ", ".join(f"{ratio:g}" for ratio in self.ratios)
        found = ", no control"
        if self.effects:
            least = min(self.effects, key=lambda effect: effect.corrected_p)
            found = f", smallest corrected p {p_text(least.corrected_p)} ({least.measure} at noise {least.ratio:g})"
        draws, measures = counted(self.num_draws, "draw"), counted(len(measured_rates(self.untouched)), "measure")
        return f"<Verified: noise {noise} with {draws} each, {measures}{found}>"

    def __str__(self) -> str:
        """Writes a line for each measure at each noise ratio, and what the prompts cannot show."""
        effects = {(effect.ratio, effect.measure): effect for effect in self.effects}
        lines = [f"noise 0: {_rates_text(self.untouched)}"]
        for point in self.points:
            lines.append(f"noise {point.ratio:g} on the mask: {_rates_text(point.mask)}")
            if point.control:
                lines.append(f"noise {point.ratio:g} on the control: {_rates_text(point.control)}")
            lines += [_effect_text(effect) for (ratio, _), effect in effects.items() if ratio == point.ratio]
            lines += [f"  {point.specificity.sentence}"] if point.specificity else []
        notes = [*no_loss_possible(self.untouched), *mistrusted(self), *([HOW_TO_READ] if self.control else [])]
        return "\n".join([*lines, *(f"note: {sentence}" for sentence in notes)])

    @property
    def num_draws(self) -> int:
        """Number of draws at each noise ratio."""
        return len(self.mask) // len(self.ratios)

    @cached_property
    def points(self) -> tuple[NoisePoint, ...]:
        """The results at each noise ratio, in the order of `ratios`."""
        return tuple(self._point(place, ratio) for place, ratio in enumerate(self.ratios))

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """The paired tests of all measures and noise ratios, with corrected p values. Empty without a control."""
        tested = [
            (point.ratio, name, found)
            for point in self.points
            for name in measured_rates(self.untouched)
            if (found := point.contrasts.get(IN_CONTRASTS.get(name, name)))
        ]
        corrected = holm([found.p_value for *_, found in tested])
        return tuple(Effect(*test, p_value) for test, p_value in zip(tested, corrected, strict=True))

    def table(self) -> list[Row]:
        """Returns a row for each measure at each noise ratio, as `pandas.DataFrame(...)` takes them.

        The columns are ratio, measure, and value, low and high of untouched, mask, control and effect. Then come
        scale, n, p_value and corrected_p. `effect` is mask minus control where `scale` is difference. It is
        mask / control where `scale` is ratio. Without a control its columns are None. The rows of the refusals'
        perplexity also have a verdict in `specific`, and in `against_answers` the refusals' ratio divided by that of
        right answers.
        """
        effects = {(effect.ratio, effect.measure): effect for effect in self.effects}
        return [
            self._row(point, name, effects.get((point.ratio, name)))
            for point in self.points
            for name in measured_rates(self.untouched)
        ]

    def _row(self, point: NoisePoint, name: str, effect: Effect | None) -> Row:
        row: Row = {"ratio": point.ratio, "measure": name}
        for side, evaluation in (("untouched", self.untouched), ("mask", point.mask), ("control", point.control)):
            row |= _ends(side, measured_rates(evaluation).get(name) if evaluation else None)
        found = effect and effect.contrast
        scale = "ratio" if name.startswith("perplexity") else "difference"
        tested = {"n": found.n, "p_value": found.p_value} if found else {"n": None, "p_value": None}
        row |= _ends("effect", found) | {"scale": scale, **tested, "corrected_p": effect and effect.corrected_p}
        specific = point.specificity if name == REFUSALS else None
        return row | _ends("against_answers", specific) | {"specific": specific and specific.verdict}

    def _point(self, place: int, ratio: float) -> NoisePoint:
        drawn = slice(place * self.num_draws, (place + 1) * self.num_draws)
        mask, control = self.mask[drawn], self.control[drawn]
        pooled = pool_evaluations(mask), pool_evaluations(control) if control else None
        specific = specificity(mask, control, self.untouched)
        return NoisePoint(ratio, *pooled, contrast(mask, control) if control else {}, specific)


def no_loss_possible(untouched: Evaluation) -> list[str]:
    """Lists the rates of the untouched model that are at their floor, so that noise can show no loss of them."""
    measure, safety = untouched.safety
    notes = []
    if safety.value == 1.0:
        what = "refused 0 of" if measure == "not_refused" else "gave a safe response to 0 of"
        notes.append(f"The untouched model {what} {safety.n} harmful prompts, so noise can show no loss of safety.")
    if untouched.utility.value == 0.0:
        notes.append(
            f"The untouched model answered 0 of {untouched.utility.n} questions correctly, so noise can show no loss "
            "of utility. A response counts only if it equals the answer word for word: write the answers as the model "
            "words them, or take easier questions."
        )
    return notes


def mistrusted(verified: Verified) -> list[str]:
    """Warns of noise under which coherence is not to be trusted, because right answers became very unlikely."""
    sides = [
        (f"under noise {point.ratio:g} on the {name}, ", warning_of_mistrust(verified.untouched, side))
        for point in verified.points
        for name, side in (("mask", point.mask), ("control", point.control))
        if side
    ]
    return [f"{where}{warning}" for where, warning in sides if warning]


def _ends(side: str, found: Rate | Contrast | Specificity | None) -> Row:
    """Returns a number and the ends of its interval as three columns."""
    numbers = (found.value, found.low, found.high) if found else (None, None, None)
    return dict(zip((side, f"{side}_low", f"{side}_high"), numbers, strict=True))


def _rates_text(evaluation: Evaluation) -> str:
    return ", ".join(f"{name} {rate}" for name, rate in measured_rates(evaluation).items())


def _effect_text(effect: Effect) -> str:
    found = effect.contrast
    perplexity = effect.measure.startswith("perplexity")
    words, form = ("mask / control", ".3f") if perplexity else ("mask minus control", "+z.3f")
    ends = f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"
    p_values = p_texts(found.p_value, effect.corrected_p)
    return f"  {effect.measure}, {words}: {ends} n={found.n}, p {p_values}"
