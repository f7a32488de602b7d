"""Results of measurements: outcomes of single answers, rates with their intervals, evaluations, facts on scores.

They are frozen values, which hold no model, need no torch and open no file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Literal, Protocol, get_args

from holdfast.arguments import checked_call
from holdfast.counts import counted
from holdfast.made_by import Meta
from holdfast.spelling import meant

Verdict = Literal[
    "safe",
    "unsafe",
    "refused",
    "complied",
    "correct",
    "wrong",
    "degenerate",
    "cut_off",
    "ended",
    "coherent",
    "incoherent",
]
VERDICTS = get_args(Verdict)
SafetyMeasure = Literal["asr", "not_refused"]
_RATED_BY_REFUSAL = ("refusal", "over_refusal", "borderline")
"""Measures of an answer whose outcome says whether it refuses."""


@checked_call
@dataclass(frozen=True)
class Outcome:
    """A judge's verdict on one response. A failed measurement has none: it is missing."""

    verdict: Verdict | None
    score: float | None = None
    """The judge's own number, where it gives one. Larger is safer: log-odds of safe, or 5 minus a rubric's score."""
    reason: str | None = None
    """Reason why there is no verdict, or why the response is degenerate or incoherent."""

    def __post_init__(self) -> None:
        if self.verdict is not None and (not isinstance(self.verdict, str) or self.verdict not in VERDICTS):
            raise ValueError(
                f"an outcome has no verdict {self.verdict!r}; {meant(str(self.verdict), VERDICTS)}. Without a verdict "
                "give Outcome.unscored(reason)."
            )
        if self.score is not None and (isinstance(self.score, bool) or not isinstance(self.score, Real)):
            raise ValueError(
                f"the score of an outcome is {self.score!r}; give a number, where larger is safer, or None."
            )
        if self.reason is not None and not isinstance(self.reason, str):
            raise ValueError(f"the reason of an outcome is {self.reason!r}; give a sentence, or None.")

    @classmethod
    def unscored(cls, reason: str) -> "Outcome":
        """Makes an outcome without a verdict. Rates leave it out and report how many there are."""
        return cls(verdict=None, reason=reason)

    @property
    def safety(self) -> float | None:
        """The judge's number. Without one, 1 for safe or refused and 0 for other verdicts. None without a verdict."""
        if self.verdict is None or self.score is not None:
            return self.score if self.verdict else None
        return float(self.verdict in ("safe", "refused"))


@checked_call
@dataclass(frozen=True)
class Rate:
    """A share of the scored outcomes, or another mean, with its 95% interval. `value` is None when n is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Number of scored outcomes."""
    unscored: int = 0

    def __repr__(self) -> str:
        return f"<Rate: {self:.4f}>"

    def __str__(self) -> str:
        return format(self, ".2f")

    def __format__(self, form: str) -> str:
        """Formats the rate with its interval and counts. The format code, such as `.3f`, applies to each number."""
        missing = f" ({self.unscored} unscored)" if self.unscored else ""
        if self.value is None:
            return f"not measured n={self.n}{missing}"
        form = form or ".2f"
        known = self.low is not None and self.high is not None
        interval = f"[{self.low:{form}}, {self.high:{form}}]" if known else "[no interval]"
        return f"{self.value:{form}} {interval} n={self.n}{missing}"

    @property
    def complement(self) -> "Rate":
        """One minus the rate, with its interval: the share of the scored outcomes that do not count."""
        value, low, high = (None if end is None else 1 - end for end in (self.value, self.high, self.low))
        return replace(self, value=value, low=low, high=high)


@dataclass(frozen=True)
class Answer:
    """One prompt of an evaluation, with the model's response and the judge's outcome."""

    prompt: str
    response: str
    outcome: Outcome
    measure: str
    """The measure that it counts towards: asr, refusal, asr_prefilled, over_refusal, borderline, utility or task."""
    group: str | None = None
    """Part of the prompt set, e.g. seen or heldout."""
    sample: int = 0
    """Number of the response, from 0, where several were sampled for one prompt."""
    refusal: Outcome | None = None
    """Refusal verdict in addition to `outcome`, on the response to a question, and to a harmful prompt where a judge
    rated safety. None for others, and in older files. `refuses` reads whichever of the two has it."""
    coherence: Outcome | None = None
    """Coherence verdict on the response. None in older files."""
    tokens: int | None = None
    """Number of tokens that the model wrote. None where its logits were not finite, and in older files."""

    @property
    def refuses(self) -> bool | None:
        """True if the response refuses, by the refusal rules or a judge of refusals. None where nothing says so.

        It reads `refusal`, or `outcome` where that is the verdict on refusal. Read `coherence` as well, because the
        rules find refusals in garbled text too.
        """
        outcome = self.outcome if self.refusal is None and self.measure in _RATED_BY_REFUSAL else self.refusal
        return None if outcome is None or outcome.verdict is None else outcome.verdict == "refused"


@dataclass(frozen=True)
class TokenLosses:
    """A model's loss on one given response: that of a harmless exchange, or a refusal."""

    prompt: str
    loss: float
    """Sum of -log p over the response's tokens (nats)."""
    tokens: int
    group: str | None = None
    """'refusals' for a refusal of a harmful prompt, None for a harmless exchange."""


@checked_call
@dataclass(frozen=True)
class Evaluation:
    """Safety, over-refusal and utility of a model on one suite of prompts."""

    asr: Rate
    """Attack success rate: the share of harmful prompts whose response was judged unsafe."""
    over_refusal: Rate
    """Share of harmless prompts that the model refused."""
    utility: Rate
    """Share of questions that the model answered correctly."""
    perplexity: float | None
    """exp(mean negative log-likelihood per token) on harmless exchanges."""
    task: Rate | None = None
    """Share of held-back task examples answered correctly, where the suite has any."""
    groups: Mapping[str, Rate] = field(default_factory=dict)
    """Rates of parts of the prompt sets by 'measure/group'. Those such as 'degenerate/all' cover all responses."""
    answers: tuple[Answer, ...] = ()
    made_by: Meta = field(default_factory=dict)
    """Model, judge, generation settings and suite of the evaluation. Empty where they are not known."""
    perplexity_rate: Rate | None = None
    """Perplexity with its interval over exchanges. None where it was not measured, and in older files."""
    losses: tuple[TokenLosses, ...] = ()
    """The loss on each exchange, which gives the perplexity, and on each given refusal."""

    def __repr__(self) -> str:
        rates = {"asr": self.asr, "refusal": self.refusal, "over_refusal": self.over_refusal, "utility": self.utility}
        rates |= {"coherence": self.coherence}
        measured = [f"{name} {rate}" for name, rate in rates.items() if rate and (rate.n or rate.unscored)]
        perplexity = [] if self.perplexity is None else [f"perplexity {self.perplexity:.4g}"]
        return f"<Evaluation: {', '.join([*measured, *perplexity, counted(len(self.answers), 'answer')])}>"

    @property
    def rates(self) -> dict[str, Rate]:
        """Every rate by its name. Those that were not measured have n = 0, or are missing."""
        named = {"asr": self.asr, "over_refusal": self.over_refusal, "utility": self.utility}
        optional = {"task": self.task, "perplexity": self.perplexity_rate}
        return {**named, **{name: rate for name, rate in optional.items() if rate is not None}, **self.groups}

    @property
    def refusal(self) -> Rate | None:
        """Share of harmful prompts that the model refused. A safe response need not refuse. None if not measured."""
        return self.groups.get("refusal/harmful")

    @property
    def safety(self) -> tuple[SafetyMeasure, Rate]:
        """Returns the measure of safety with its rate, where smaller is safer.

        It is the attack success rate. Where no judge rated responses as safe or unsafe it is `not_refused`, the share
        of harmful prompts that the model did not refuse. That is not the attack success rate, because an
        evasive response is no refusal either, and the rules find refusals in some garbled ones.
        """
        refused = self.refusal
        if refused is None or self.asr.n or self.asr.unscored:
            return "asr", self.asr
        return "not_refused", refused.complement

    @property
    def borderline(self) -> Rate | None:
        """Share of borderline prompts that the model refused, the likeliest over-refusals. None if not measured."""
        return self.groups.get("borderline")

    @property
    def coherence(self) -> Rate | None:
        """Share of coherent responses. None where there are no responses, and in older files."""
        return self.groups.get("coherence/all")

    @property
    def coherent_refusal(self) -> Rate | None:
        """Share of harmful prompts refused by a coherent response. None where not measured, and in older files."""
        return self.groups.get("coherent_refusal/harmful")

    @property
    def cut_off(self) -> Rate | None:
        """Share of responses that the length limit cut off. None where there are no responses, and in older files."""
        return self.groups.get("cut_off/all")


@dataclass(frozen=True)
class Distribution:
    """A histogram of the scores above 0, from the first occupied bin to the last."""

    bin_edges: tuple[float, ...]
    """Edges of the bins, one more than there are bins. Empty where all scores are 0."""
    counts: tuple[int, ...]
    zeros: int
    """Entries that score exactly 0."""
    cut: float | None
    """The smallest selected score, or None for an empty mask."""


class _Agreement(Protocol):
    """An IoU of two masks with its interval, and that of random masks."""

    @property
    def iou(self) -> float: ...
    @property
    def iou_low(self) -> float | None: ...
    @property
    def iou_high(self) -> float | None: ...
    @property
    def random_iou(self) -> float: ...
    @property
    def random_iou_per_tensor(self) -> float | None: ...


def iou_words(agreement: _Agreement) -> str:
    """Writes an IoU with its interval and its controls: 'IoU 0.544 [0.481, 0.608] over matrices, random 0.0050'."""
    words = (
        f"IoU {_number_words(agreement.iou, agreement.iou_low, agreement.iou_high)}, random {agreement.random_iou:.4f}"
    )
    per_tensor = agreement.random_iou_per_tensor
    return words if per_tensor is None else f"{words}, with as many in every tensor {per_tensor:.4f}"


def _number_words(value: float, low: float | None, high: float | None) -> str:
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}] over matrices"


@dataclass(frozen=True, repr=False)
class Stability:
    """Agreement of two scores."""

    iou: float
    random_iou: float
    """IoU to expect of random masks of the same density, drawn from all scored entries."""
    rank_correlation: float | None = None
    """Spearman's rho, or None where one of the two gives all entries the same score."""
    iou_low: float | None = None
    """Ends of the 95% interval over matrices, not over prompts. None where there is none, and in older files."""
    iou_high: float | None = None
    rank_low: float | None = None
    rank_high: float | None = None
    random_iou_per_tensor: float | None = None
    """IoU to expect of random masks with as many entries in every tensor. None in older files."""

    def __repr__(self) -> str:
        if self.rank_correlation is None:
            return f"<Stability: {iou_words(self)}>"
        ranks = _number_words(self.rank_correlation, self.rank_low, self.rank_high)
        return f"<Stability: {iou_words(self)}, rank correlation {ranks}>"
