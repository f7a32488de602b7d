"""What a measurement leaves: outcomes of single answers, rates with their intervals, and evaluations.

Frozen values with no model, no torch and no input or output in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Literal, get_args

from holdfast.made_by import Meta

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


@dataclass(frozen=True)
class Outcome:
    """What a judge says of one response. A failed measurement is missing, never a verdict."""

    verdict: Verdict | None
    score: float | None = None
    """The judge's own number, where it has one: larger is safer (log-odds of safe; 5 minus the score of a rubric)."""
    reason: str | None = None
    """Why there is no verdict, or what is degenerate or incoherent."""

    def __post_init__(self) -> None:
        if self.verdict is not None and (not isinstance(self.verdict, str) or self.verdict not in VERDICTS):
            raise ValueError(
                f"an outcome has no verdict {self.verdict!r}; give one of {', '.join(VERDICTS)}, or "
                "Outcome.unscored(reason)."
            )
        if self.score is not None and (isinstance(self.score, bool) or not isinstance(self.score, Real)):
            raise ValueError(
                f"the score of an outcome is {self.score!r}; give a number, where larger is safer, or None."
            )
        if self.reason is not None and not isinstance(self.reason, str):
            raise ValueError(f"the reason of an outcome is {self.reason!r}; give a sentence, or None.")

    @classmethod
    def unscored(cls, reason: str) -> "Outcome":
        """An outcome without a verdict, which rates exclude and count."""
        return cls(verdict=None, reason=reason)

    @property
    def safety(self) -> float | None:
        """The judge's number; without one 1 for safe or refused, and 0 for all else. None without a verdict."""
        if self.verdict is None or self.score is not None:
            return self.score if self.verdict else None
        return float(self.verdict in ("safe", "refused"))


@dataclass(frozen=True)
class Rate:
    """A share of scored outcomes, or another mean, with its 95% interval; `value` is None when nothing was scored."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Scored outcomes."""
    unscored: int = 0

    def __repr__(self) -> str:
        return f"<Rate: {self:.4f}>"

    def __str__(self) -> str:
        return format(self, ".2f")

    def __format__(self, form: str) -> str:
        """The rate with its interval and sizes, its numbers in this form."""
        missing = f" ({self.unscored} unscored)" if self.unscored else ""
        if self.value is None:
            return f"not measured n={self.n}{missing}"
        form = form or ".2f"
        known = self.low is not None and self.high is not None
        interval = f"[{self.low:{form}}, {self.high:{form}}]" if known else "[no interval]"
        return f"{self.value:{form}} {interval} n={self.n}{missing}"

    @property
    def complement(self) -> "Rate":
        """The share of the scored outcomes that do not count, with its interval."""
        value, low, high = (None if end is None else 1 - end for end in (self.value, self.high, self.low))
        return replace(self, value=value, low=low, high=high)


@dataclass(frozen=True)
class Answer:
    """One prompt of an evaluation with the model's response and what the judge said of it."""

    prompt: str
    response: str
    outcome: Outcome
    measure: str
    """Which measure it counts towards: asr, asr_prefilled, over_refusal, borderline, utility or task."""
    group: str | None = None
    """Part of the prompt set, e.g. seen or heldout."""
    sample: int = 0
    """Which of the responses to the same prompt, where several were sampled."""
    refusal: Outcome | None = None
    """Whether the response to a harmful prompt or a question refuses; None for others, and in files of before."""
    coherence: Outcome | None = None
    """Whether the response is coherent; None in files of before."""


@dataclass(frozen=True)
class TokenLosses:
    """How surprised a model is by one given response: of a harmless exchange, or a refusal."""

    prompt: str
    loss: float
    """Sum of -log p over the response's tokens (nats)."""
    tokens: int
    group: str | None = None
    """'refusals' for a refusal of a harmful prompt; None for a harmless exchange."""


@dataclass(frozen=True)
class Evaluation:
    """A model's safety, prudishness and skill on one suite of prompts."""

    asr: Rate
    """Attack success rate: harmful prompts whose response was judged unsafe."""
    over_refusal: Rate
    """Harmless prompts that were refused."""
    utility: Rate
    """Questions answered correctly."""
    perplexity: float | None
    """exp(mean negative log-likelihood per token) on harmless exchanges."""
    task: Rate | None = None
    """Held-back task examples answered correctly, where the suite has any."""
    groups: Mapping[str, Rate] = field(default_factory=dict)
    """Rates of parts of the prompt sets, by 'measure/group'; 'degenerate/all' and the like count all responses."""
    answers: tuple[Answer, ...] = ()
    made_by: Meta = field(default_factory=dict)
    """Model, judge, generation and suite that made it; empty where that is not known."""
    perplexity_rate: Rate | None = None
    """Perplexity with its interval over exchanges; None where it was not measured, and in files of before."""
    losses: tuple[TokenLosses, ...] = ()
    """The loss on each exchange, from which perplexity follows, and on each given refusal."""

    def __repr__(self) -> str:
        rates = {"asr": self.asr, "refusal": self.refusal, "over_refusal": self.over_refusal, "utility": self.utility}
        measured = [f"{name} {rate}" for name, rate in rates.items() if rate and rate.value is not None]
        surprise = [] if self.perplexity is None else [f"perplexity {self.perplexity:.4g}"]
        return f"<Evaluation: {', '.join([*measured, *surprise, f'{len(self.answers):,} answers'])}>"

    @property
    def refusal(self) -> Rate | None:
        """Harmful prompts whose response refuses: what is judged safe need not; None where it was not measured."""
        return self.groups.get("refusal/harmful")

    @property
    def safety(self) -> tuple[SafetyMeasure, Rate]:
        """The measure that safety is read off, with its rate: smaller is safer.

        It is attack success, or `not_refused` where no judge said safe or unsafe: the share of harmful prompts whose
        response does not refuse. That is no attack success, as garbled and evasive responses do not refuse either.
        """
        refused = self.refusal
        if refused is None or self.asr.n or self.asr.unscored:
            return "asr", self.asr
        return "not_refused", refused.complement

    @property
    def borderline(self) -> Rate | None:
        """Borderline prompts that were refused: over-refusal where it is likeliest; None where it was not measured."""
        return self.groups.get("borderline")

    @property
    def coherence(self) -> Rate | None:
        """Responses that are coherent; None where nothing was asked, and in files of before."""
        return self.groups.get("coherence/all")

    @property
    def coherent_refusal(self) -> Rate | None:
        """Harmful prompts refused by a coherent response; None where it was not measured, and in files of before."""
        return self.groups.get("coherent_refusal/harmful")

    @property
    def cut_off(self) -> Rate | None:
        """Responses that the limit of their length ended; None where nothing was asked, or in files of before."""
        return self.groups.get("cut_off/all")
