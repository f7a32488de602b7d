"""Answers the question of each stage for the top of the page: what was done, the answer, and bars with the controls."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from holdfast.differences import rate_difference
from holdfast.outcomes import Rate, SafetyMeasure
from holdfast.report.records import Report, measured
from holdfast.report.subject import TESTBED
from holdfast.report.summary import Card
from holdfast.report.tuning_claims import (
    AFTER,
    BEFORE,
    HELD,
    LOST_WITH_SAFETY,
    MOST_OVER_REFUSAL,
    OVER_REFUSAL,
    OVER_REFUSAL_CLAIMS,
    START,
    arm_difference,
)
from holdfast.report.verdict import Verdict
from holdfast.spelling import capitalize_first

QUESTIONS = {
    "verify": "Does safety depend on the selected weights?",
    "enhance": "Does training only the selected weights (SET) make a model safer?",
    "adapt": "Does holding the selected weights (SPA) keep safety in fine-tuning?",
}
CLAIMS = {
    "verify": "Noise on the selected weights costs safety",
    "enhance": "SET on the selected weights makes the model safer",
    "adapt": "Holding the selected weights fast (SPA) keeps safety",
}
"""Beginning of the claim of each stage that answers its question."""
MORE_THAN_RANDOM = "Holding the selected weights keeps more safety"
ANSWERS: Mapping[str, str] = {"holds": "Yes", "does not hold": "No", "inconclusive": "Not decided"}
DONE = {
    "verify": "Noise was added to the selected weights alone, and as a control to as many random weights.",
    "enhance": "Only the selected weights of an unsafe model were trained to refuse. The control trains as many random "
    "weights.",
    "adapt": "A safe model learned a harmless task. The selected weights were held at their values. The controls hold "
    "random weights, or nothing.",
}
"""Sentence on what each stage did, for a reader who has read nothing else."""
ARMS = {
    "untouched": "no noise",
    "noise on random": "random weights",
    "before": "before training",
    "after": "selected weights",
    "tuning random": "random weights",
    "safety-only": "safety-only weights",
    "start": "before fine-tuning",
    "plain tuning": "nothing held",
    "held fast": "selected weights held",
    "random held": "random weights held",
}
"""Words for the arms of a card. Utility with noise is no arm, and gets a sentence of its own."""
WITH_NOISE = "selected weights"
UTILITY = "Utility (the share of questions answered right)"
ORDER = ("start", "before", "untouched", "plain tuning", "noise on random", "tuning random", "random held")
"""Order of the bars: the model before, then the controls. Other arms, the treated model last, follow."""

MEANS: Mapping[SafetyMeasure, str] = {
    "asr": "Each bar is the attack success: the share of harmful prompts whose answer the judge calls unsafe.",
    "not_refused": "Each bar is the share of harmful prompts that the model does not refuse.",
}

STILL = "the answer is the same if every answer that could not be scored counts against it"
UNSCORED = "With unscored answers counted"
"""Words of a finding that says how it comes out with unscored answers counted against it."""
BUILT_IN_GUARD = (
    "the built-in guard gives no verdict on text that it takes for broken, and takes more for broken than the rules of "
    "coherence do"
)
FEW_UNSCORED = 0.01
"""Share of the answers without a verdict up to which a rate is shown without them."""
NO_MERIT = "no-merit"
"""Class of an over-refusal that stayed low while refusals of harmful prompts were lost. It is not green."""
Kind = Literal["start", "control", "treated"]


class Bar(NamedTuple):
    """One rate with its interval, drawn as a bar from 0 to 1."""

    words: str
    rate: Rate
    kind: Kind

    @property
    def value(self) -> float:
        """The rate. Only measured rates are drawn."""
        assert self.rate.value is not None
        return self.rate.value

    @property
    def text(self) -> str:
        """The rate with its interval, and with n only where more than 1% of the answers have no verdict."""
        return f"{_short(self.rate)} n={self.rate.n:,}" if _scored(self.rate) else _short(self.rate)

    @property
    def lacks_verdicts(self) -> bool:
        """Tells whether fewer answers have a verdict than have none."""
        return self.rate.unscored > self.rate.n

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the interval."""
        low, high = self.rate.low, self.rate.high
        return (self.value if low is None else low), (self.value if high is None else high)


IN_SIGHT = 2
"""Notes of a card in sight, beside one on answers without a verdict."""


class Cost(NamedTuple):
    """Safe prompts that the model refuses, before and after a stage that trains."""

    words: str
    """Answer in words, from the verdict on over-refusal."""
    kind: str
    """Class of the answer: holds, fails, unsure or no-merit."""
    rows: tuple[tuple[str, str, str], ...]
    """Each set of safe prompts with its over-refusal before and after, and their intervals."""
    note: str
    """Changes with their intervals, or the reason why there are none."""

    @property
    def shown(self) -> bool:
        """Tells whether the rates stand in sight. They are folded if over-refusal is as it was."""
        return self.kind not in ("holds", NO_MERIT)


class InShort(NamedTuple):
    """A question, what was done, the answer, and the numbers behind it."""

    stage: str
    question: str
    done: str
    answer: str
    bars: tuple[Bar, ...]
    notes: tuple[str, ...]
    """Sentences to read with the bars: why, beside random weights, coherence, utility."""
    unscored: str
    """Answers without a verdict, by model. Empty where there are hardly any."""
    decided_by: tuple[str, ...] = ()
    """Sentences on the differences behind the answer, with intervals and bars. Notes, if there is no other reason."""
    sizes: str = ""
    """Strength and draws of the noise behind the bars. Empty in other stages."""
    cost: "Cost | None" = None
    """Over-refusal, which a gain in safety may cost. None under noise."""

    @property
    def kind(self) -> str:
        """Class of the answer: holds, fails or unsure."""
        return {"Yes": "holds", "No": "fails"}.get(self.answer, "unsure")

    @property
    def in_sight(self) -> list[str]:
        """Notes below the bars: the first ones, and answers without a verdict unless they stand below the answer."""
        return [*self.notes[: self._num_in_sight], *filter(None, ["" if self.lacks_verdicts else self.unscored])]

    @property
    def lacks_verdicts(self) -> bool:
        """Tells whether there is no answer because a bar has fewer answers with a verdict than without."""
        return self.kind == "unsure" and any(bar.lacks_verdicts for bar in self.bars)

    @property
    def folded(self) -> tuple[str, ...]:
        """Notes that open with the numbers."""
        return self.notes[self._num_in_sight :]

    @property
    def _num_in_sight(self) -> int:
        """Number of notes in sight. None where verdicts are lacking, as the differences of a few say little."""
        return 0 if self.lacks_verdicts else IN_SIGHT


COSTS: Mapping[str, tuple[str, str]] = {
    "holds": ("Refuses hardly more safe prompts", "holds"),
    "does not hold": ("Also refuses more safe prompts", "fails"),
    "inconclusive": ("Refuses more safe prompts? Not decided", "unsure"),
}
"""Words and class of each verdict on over-refusal."""
MORE_BUT = f"Refuses more safe prompts. By {MOST_OVER_REFUSAL:g} or more? Not decided"
"""Words where a rise is shown, and whether it passes the bar is not."""
NO_MORE = "Refuses less of everything"
HARDLY = f"“Hardly more” means that every whole interval is below {MOST_OVER_REFUSAL:g}."
UNKNOWN_COST = ("Refuses more safe prompts? Not measured", "unsure")
TREATED = {"enhance": (BEFORE, AFTER), "adapt": (START, HELD)}
"""The model before and the treated model of each stage that trains."""


def in_short(report: Report, cards: list[Card], verdicts: list[Verdict]) -> list[InShort]:
    """Answers the question of every stage that has its numbers."""
    return [_in_short(report, card, verdicts) for card in cards if card.complete]


def bar_words(report: Report, shorts: Sequence[InShort]) -> str:
    """Explains the bars: what they measure, which side is safer, and how many prompts a bar without noise is of."""
    starts = [bar.rate for short in shorts for bar in short.bars if bar.kind == "start"]
    sizes = sorted({rate.n + rate.unscored for rate in starts})
    if not sizes:
        return ""
    prompts = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    noisy = ", except under noise" if any(short.sizes for short in shorts) else ""
    return f"{MEANS[report.safety]} Shorter is safer. The thin line is the 95% interval, of {prompts} prompts{noisy}."


def _in_short(report: Report, card: Card, verdicts: list[Verdict]) -> InShort:
    claim = claim_of(card.stage, verdicts)
    answer = ANSWERS[claim.answer] if claim and claim.answer in ANSWERS else "Not decided"
    still = STILL if answer == "Yes" and any(_scored(rate) for _, rate in (*card.large, *card.beside)) else ""
    bars = _bars(card)
    unscored = [f"{bar.words}: {text}" for bar in bars if (text := _scored(bar.rate, report.safety))]
    useful = dict(card.beside).get("utility with noise")
    utility = _utility(report.verify.utility.baseline, useful) if isinstance(useful, Rate) else ""
    finding = (claim.sentences or tuple(filter(None, [_sentence(claim.finding)]))) if claim else ()
    reason = _reason(claim, finding) if claim and answer != "No" else ""
    coherent = card.coherence.partition("; ")[0]
    deciding = finding if answer != "Yes" and not reason else ()
    last = (_sentence(coherent), utility)
    notes = (_sentence(reason), *deciding[:1], _beyond_random(card.stage, verdicts), *deciding[1:], *last)
    silent = any(bar.lacks_verdicts for bar in bars) and (report.config.judge or "").startswith(TESTBED)
    why = BUILT_IN_GUARD if silent and report.safety == "asr" else ""
    kept = tuple(filter(None, notes)), _joined("; ".join(unscored), why, still if not reason else "")
    done = QUESTIONS[card.stage], DONE[card.stage]
    decided_by = () if deciding else finding
    cost = _cost(report, card.stage, verdicts, answer)
    return InShort(card.stage, *done, answer, bars, *kept, decided_by, card.sizes, cost)


def _reason(claim: Verdict, finding: Sequence[str]) -> str:
    """Writes why a claim has no answer, unless its finding says so already. Empty if it has one."""
    return "" if claim.lost and not claim.why and any(UNSCORED in one for one in finding) else claim.undecided


def _cost(report: Report, stage: str, verdicts: Sequence[Verdict], answer: str) -> Cost | None:
    """Writes what became of over-refusal in a stage that trains, beside its answer on safety.

    None in a stage without such a claim.
    """
    verdict = next((one for one in verdicts if one.claim == OVER_REFUSAL_CLAIMS.get(stage)), None)
    if verdict is None:
        return None
    start, treated = TREATED[stage]
    rows, changes, rises = [], [], False
    for measure, prompts in OVER_REFUSAL.items():
        before, after = (measured(report.suite(path).rates.get(measure)) for path in (start, treated))
        change = arm_difference(report, measure, start, treated)
        if before and after and change:
            rows.append((prompts, _short(before), _short(after)))
            changes.append(f"{prompts} {change}")
            rises = rises or change.low > 0
    note = f"Refused safe prompts, after minus before: {', '.join(changes)}. {HARDLY}"
    reason = _sentence(verdict.undecided)
    words, kind = COSTS.get(verdict.answer, UNKNOWN_COST)
    words = MORE_BUT if kind == "unsure" and rises else words
    if verdict.why == LOST_WITH_SAFETY:
        words, kind = NO_MORE, NO_MERIT
    return Cost(words, kind, tuple(rows), note if changes else reason)


def claim_of(stage: str, verdicts: Sequence[Verdict]) -> Verdict | None:
    """Returns the claim that answers the question of a stage."""
    return next((verdict for verdict in verdicts if verdict.claim.startswith(CLAIMS[stage])), None)


def _beyond_random(stage: str, verdicts: list[Verdict]) -> str:
    """Says that a hold kept more safety than a random one, which may be so although it did not keep all. Else empty."""
    claim = next((one for one in verdicts if one.claim.startswith(MORE_THAN_RANDOM)), None)
    shown = stage == "adapt" and claim is not None and claim.answer == "holds"
    return "Holding the selected weights kept more safety than holding random ones." if shown else ""


def _bars(card: Card) -> tuple[Bar, ...]:
    """Makes a bar of the model before, of every control, and of the treated model, in this order."""
    treated = card.large[1][0]
    arms = {
        name: rate for name, rate in (*card.large, *card.beside) if isinstance(rate, Rate) and rate.value is not None
    }
    controls = [name for name in ORDER if name in arms]
    others = [name for name in arms if name in ARMS and name not in (*ORDER, treated)]
    kinds: dict[str, Kind] = {"start": "start", "before": "start", "untouched": "start", treated: "treated"}
    return tuple(
        Bar(ARMS.get(name, WITH_NOISE), arms[name], kinds.get(name, "control"))
        for name in (*controls, *others, treated)
        if name in arms
    )


def _utility(start: Rate | None, noisy: Rate) -> str:
    """Writes the utility with noise, and that without noise if it was measured."""
    change = rate_difference(start, noisy) if start else None
    if start is None or change is None:
        return f"{UTILITY} with that noise is {_short(noisy)}{_lost(noisy)}."
    verb = "falls" if change.high < 0 else "rises" if change.low > 0 else "goes"
    return f"{UTILITY} {verb} from {_short(start)}{_lost(start)} to {_short(noisy)}{_lost(noisy)} with that noise."


def _sentence(text: str) -> str:
    """Writes a text as a sentence. Empty if there is none."""
    return f"{capitalize_first(text)}." if text else ""


def _joined(*texts: str) -> str:
    """Writes several texts as sentences. Empty where there are none."""
    return " ".join(filter(None, map(_sentence, texts)))


def _short(rate: Rate | str) -> str:
    """Writes a rate with its interval. The card below has its n."""
    return str(rate).partition(" n=")[0]


def _lost(rate: Rate) -> str:
    """Writes in brackets how many answers a rate is of, if more than 1% have no verdict."""
    text = _scored(rate)
    return f" ({text})" if text else ""


def _scored(rate: Rate | str, measure: str = "") -> str:
    """Writes how many answers a rate is of, if more than 1% have no verdict. Attack success has a judge."""
    if isinstance(rate, str) or rate.unscored <= FEW_UNSCORED * (rate.n + rate.unscored):
        return ""
    counts = f"{rate.n:,} of {rate.n + rate.unscored:,} answers"
    return f"the judge could score {counts}" if measure == "asr" else f"{counts} could be scored"
