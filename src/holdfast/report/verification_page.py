"""Renders a verification as one page, without script or requests: what noise on a mask and on a control did.

Names are untrusted: the template escapes them, and `printable` spells out control characters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast import __version__
from holdfast.measure_names import measure_words
from holdfast.outcomes import Rate
from holdfast.printable import printable
from holdfast.report.arms import MARKERS, Arm
from holdfast.report.evaluation_card import TOY
from holdfast.report.forests import Forest, forest
from holdfast.report.page import environment
from holdfast.report.records import Suite
from holdfast.report.subject import TESTBED
from holdfast.report.tables import NumberTable
from holdfast.report.words import shown_numbers

LOOKS = {"untouched": "start", "mask": "top", "control": "random"}
"""Look of each side of a verification."""
NO_BREAK = "\N{NO-BREAK SPACE}"
Rates = Mapping[str, Rate]
"""Rates by measure."""


@dataclass(frozen=True)
class NoisyRates:
    """The rates at one noise ratio."""

    ratio: float
    mask: Rates
    control: Rates | None
    """None if the verification has no control."""


@dataclass(frozen=True)
class EffectRow:
    """The mask against the control, in words."""

    difference: str
    p: str
    """The p value, with the corrected one in brackets."""


@dataclass(frozen=True)
class VerificationContent:
    """Content of the page."""

    model: str
    lead: str
    """Sentences that say what came out."""
    untouched: Rates
    points: Sequence[NoisyRates]
    effects: Mapping[tuple[float, str], EffectRow]
    """Effects by noise ratio and measure. Empty without a control."""
    verdicts: Sequence[str]
    """A sentence for each noise ratio that says if the effect is specific to refusals."""
    warnings: Sequence[str]
    how_to_read: Sequence[str]
    settings: Sequence[tuple[str, str]]


def render_verification_page(content: VerificationContent) -> str:
    """Renders the page of a verification."""
    toy = [TOY] if content.model.startswith(TESTBED) else []
    return environment().get_template("verification.html.j2").render(
        heading=printable(f"Noise on the weights of {content.model}"),
        lead=content.lead,
        forests=_forests(content),
        verdicts=content.verdicts,
        table=_table(content),
        warnings=[printable(sentence) for sentence in content.warnings],
        how_to_read=[*content.how_to_read, *toy],
        settings=[(key, printable(value)) for key, value in content.settings],
        markers=MARKERS,
        version=__version__,
    )  # fmt: skip


def _forests(content: VerificationContent) -> list[Forest]:
    """Draws a figure of each measure: the untouched model, and the mask and the control at each noise ratio."""
    arms = [_arm("untouched", "without noise", content.untouched)]
    for point in content.points:
        arms.append(_arm("mask", f"noise {point.ratio:g}, mask", point.mask))
        arms += [_arm("control", f"noise {point.ratio:g}, control", point.control)] if point.control else []
    drawn = [forest(arms, measure) for measure in content.untouched]
    return [figure for figure in drawn if figure]


def _arm(side: str, label: str, rates: Rates) -> Arm:
    perplexity = rates.get("perplexity")
    return Arm(LOOKS[side], label, Suite(rates, perplexity and perplexity.value))


def _table(content: VerificationContent) -> NumberTable:
    """Makes the table with a row for each measure at each noise ratio."""
    sides = ("untouched", "mask", "control") if content.points[0].control else ("untouched", "mask")
    header = ("measure and noise", *sides, *(("mask minus control", "p (corrected)") if content.effects else ()))
    rows = []
    for point in content.points:
        rates = {"untouched": content.untouched, "mask": point.mask, "control": point.control or {}}
        for name in content.untouched:
            effect = content.effects.get((point.ratio, name), EffectRow("not tested", "not tested"))
            cells = [_rate_text(name, rates[side].get(name)) for side in sides]
            tested = (effect.difference.replace(", ", f",{NO_BREAK}"), effect.p) if content.effects else ()
            rows.append((f"{measure_words(name)}, noise {point.ratio:g}", *cells, *tested))
    title = "Every measure at each noise ratio, with 95% intervals"
    return NumberTable(title, header, tuple(rows), frozenset(range(1, len(header))))


def _rate_text(name: str, rate: Rate | None) -> str:
    if rate is None or rate.value is None:
        return "not measured"
    value, *ends = shown_numbers(name, rate)
    unscored = f" ({rate.unscored:,} unscored)" if rate.unscored else ""
    return f"{value} {_interval(ends)} n={rate.n:,}{unscored}"


def _interval(ends: Sequence[str]) -> str:
    """Writes an interval with a space at which browsers break no line."""
    return f"[{f',{NO_BREAK}'.join(ends) or 'no interval'}]"
