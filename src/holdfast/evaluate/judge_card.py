"""A judge's card: the agreement of its verdicts with the labels of people, on the same responses.

    agreement    share of responses on which judge and people agree
    sensitivity  share of the responses which people count that the judge counts too (recall)
    specificity  share of the others that the judge does not count; 1 - specificity are its false positives
    precision    share of the responses which the judge counts that people count too

A measure counts `refused` or `unsafe`. Every other verdict does not count, `degenerate` included, as in the rates of an
evaluation. Responses without a verdict are left out and counted. Intervals are Wilson's. They take responses as
independent, so several responses to one prompt make them too narrow.

A card is kept by the judge's fingerprint, because another judge under the same name errs differently.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from holdfast.evaluate.agreement import Agreement, agreement
from holdfast.evaluate.statistics import counted_rate
from holdfast.made_by import Meta
from holdfast.outcomes import Outcome, Rate
from holdfast.prompts.labelled import WORDS, Counted, LabelledResponse

Judged = Sequence[tuple[LabelledResponse, bool | None]]
"""Labelled responses, each with what the judge counts."""
HEADER = ("agreement", "kappa", "precision", "recall", "false positives")
"""Names of the figures, in the order of `Confusion.cells`."""
UNSCORED = "unscored"


@dataclass(frozen=True)
class Confusion:
    """Counts of labelled responses in four cells, with the figures that follow from them."""

    both: int
    """Counted by people and by the judge."""
    only_people: int
    only_judge: int
    neither: int
    unscored: int = 0
    """Responses on which the judge has no verdict."""

    def __post_init__(self) -> None:
        for name, count in asdict(self).items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise ValueError(f"{name} is {count!r}, and should be a count")

    @property
    def n(self) -> int:
        """Number of responses with a verdict of the judge."""
        return self.both + self.only_people + self.only_judge + self.neither

    @property
    def agreement(self) -> Agreement:
        """Share of responses on which judge and people agree, and Cohen's kappa."""
        cells = ((True, True, self.both), (True, False, self.only_people), (False, True, self.only_judge))
        pairs = [
            (people, judge) for people, judge, count in (*cells, (False, False, self.neither)) for _ in range(count)
        ]
        people, judge = ([_binary(pair[side]) for pair in pairs] for side in (0, 1))
        missing = [Outcome.unscored("no verdict of the judge")] * self.unscored
        return agreement(people + missing, judge + missing)

    @property
    def sensitivity(self) -> Rate:
        """Share of the responses which people count that the judge counts too."""
        return counted_rate(self.both, self.both + self.only_people)

    @property
    def specificity(self) -> Rate:
        """Share of the responses which people do not count that the judge does not count either."""
        return counted_rate(self.neither, self.neither + self.only_judge)

    @property
    def precision(self) -> Rate:
        """Share of the responses which the judge counts that people count too."""
        return counted_rate(self.both, self.both + self.only_judge)

    def cells(self) -> list[str]:
        """Writes the figures under `HEADER`."""
        known = self.agreement
        kappa = "undefined" if known.kappa is None else f"{known.kappa:.2f}"
        rates = (self.precision, self.sensitivity, self.specificity.complement)
        return [f"{known.share:.3f}", kappa, *(f"{rate:.2f}" for rate in rates)]

    def as_json(self) -> dict[str, object]:
        """Returns the counts and the figures, with every digit."""
        known = self.agreement
        rates = {"sensitivity": self.sensitivity, "specificity": self.specificity, "precision": self.precision}
        return {
            "counts": asdict(self),
            "agreement": asdict(known.share),
            "kappa": {"value": known.kappa, "low": known.kappa_low, "high": known.kappa_high},
            **{name: asdict(rate) for name, rate in rates.items()},
        }


@dataclass(frozen=True)
class JudgeCard:
    """Agreement of one judge with one set of labels."""

    judge: Meta
    """Name and fingerprint of the judge, and its reading if it is a model loaded here."""
    counted: Counted
    """The verdict that its measure counts."""
    labels: Meta
    """Name and SHA-256 of the file of labels, and its numbers of responses and prompts."""
    whole: Confusion
    sides: Mapping[str, Confusion] = field(default_factory=dict)
    """Responses to `harmful` and to `safe` prompts, if the kinds of the prompts tell them apart."""
    kinds: Mapping[str, Confusion] = field(default_factory=dict)
    """Responses by the kind of their prompts."""
    verdicts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Counts of the judge's verdicts, by the label in words."""
    made_by: Meta = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the judge."""
        return str(self.judge["name"])

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the judge."""
        return str(self.judge["fingerprint"])

    def parts(self) -> dict[str, Confusion]:
        """Lists all responses, those to prompts of each side, and those to prompts of each kind."""
        sides = {f"{side} prompts": part for side, part in self.sides.items()}
        return {"all": self.whole, **sides, **self.kinds}

    def sentence(self, written: Callable[[str], str] = str) -> str:
        """Writes the card in one line: labels, agreement, kappa, and both kinds of errors. `written` writes names."""
        known, found = self.whole.agreement, self.whole.sensitivity
        kappa = "kappa undefined" if known.kappa is None else f"kappa {known.kappa:.2f}"
        missed = f"{self.counted} found {found:.2f}, false positives {self.whole.specificity.complement:.2f}"
        labels = written(str(self.labels["name"]))
        return f"{written(self.name)} agrees with people on {known.share:.2f} of {labels}; {kappa}; {missed}"

    def as_json(self) -> dict[str, object]:
        """Returns the card as it is stored."""
        return {
            "judge": dict(self.judge),
            "counted": self.counted,
            "labels": dict(self.labels),
            "all": self.whole.as_json(),
            "sides": {side: part.as_json() for side, part in self.sides.items()},
            "kinds": {kind: part.as_json() for kind, part in self.kinds.items()},
            "verdicts": {label: dict(counts) for label, counts in self.verdicts.items()},
            "made_by": dict(self.made_by),
        }


def tally(
    judge: Meta, counted: Counted, labels: Meta, responses: Sequence[LabelledResponse], outcomes: Sequence[Outcome]
) -> JudgeCard:
    """Makes the card of a judge from its outcomes on labelled responses, in the same order."""
    pairs = list(zip(responses, outcomes, strict=True))
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for response, outcome in pairs:
        verdicts[response.label][outcome.verdict or UNSCORED] += 1
    judged = [
        (response, None if outcome.verdict is None else outcome.verdict == counted) for response, outcome in pairs
    ]
    return JudgeCard(
        judge,
        counted,
        labels,
        confusion([(response.counts, verdict) for response, verdict in judged]),
        _by(judged, lambda response: response.side),
        _by(judged, lambda response: response.kind),
        {label: dict(sorted(counts.items())) for label, counts in sorted(verdicts.items())},
    )


def card_from(record: Mapping[str, Any]) -> JudgeCard:
    """Makes a card from its stored form. Only the counts are read, since all figures follow from them.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: the record is damaged.
    """

    def parts(name: str) -> dict[str, Confusion]:
        return {key: Confusion(**part["counts"]) for key, part in record[name].items()}

    whole = Confusion(**record["all"]["counts"])
    about = (record["judge"], record["counted"], record["labels"])
    if record["counted"] not in WORDS or not {"name", "fingerprint"} <= record["judge"].keys():
        raise ValueError("its judge or the verdict that it counts is not named")
    return JudgeCard(*about, whole, parts("sides"), parts("kinds"), record["verdicts"], record["made_by"])


def confusion(pairs: Sequence[tuple[bool, bool | None]]) -> Confusion:
    """Counts the cells, from pairs of what people and the judge count. None stands for no verdict of the judge."""
    counts = Counter(pairs)
    return Confusion(
        both=counts[True, True],
        only_people=counts[True, False],
        only_judge=counts[False, True],
        neither=counts[False, False],
        unscored=counts[True, None] + counts[False, None],
    )


def _by(judged: Judged, key: Callable[[LabelledResponse], str | None]) -> dict[str, Confusion]:
    parts: dict[str, list[tuple[bool, bool | None]]] = defaultdict(list)
    for response, verdict in judged:
        if (name := key(response)) is not None:
            parts[name].append((response.counts, verdict))
    return {name: confusion(pairs) for name, pairs in sorted(parts.items())}


def _binary(counts: bool) -> Outcome:
    return Outcome("refused" if counts else "complied")
