"""The registry of objectives: one record for each name that `--objective` takes.

A new objective is one file, with the function that makes it, and one record at the end of this one. The options and
their help, scoring, runs, plans, bakeoffs, judges and the page read the record. This file imports no torch, so that
`--help` is fast. The file of an objective is imported when the objective is first made.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from holdfast.objective.choices import Reduction
from holdfast.registry import Registry
from holdfast.spelling import joined

if TYPE_CHECKING:
    from holdfast.objective.material import Made, Material


@dataclass(frozen=True, kw_only=True)
class ObjectiveRecord:
    """The name, needs and maker of an objective."""

    name: str
    help: str
    """The measured quantity, as a line of the option's help."""
    words: str
    """Meaning of a weight's score, as the page words it."""
    maker: str
    """`module:function`. The function takes `Material` and returns `Made`."""
    quantity: Literal["safety", "utility"] = "safety"
    """Behaviour of the model that the scored weights carry."""
    judge: Literal["verdict", "gradient"] | None = None
    """Output of the judge that the objective uses. None for an objective that needs no judge."""
    samples: bool = False
    """True where it compares responses to the same prompt, sampled at temperature 1."""
    compares_with_greedy: bool = False
    """True where it also uses one greedy response a prompt."""
    given: Literal["refusals", "responses"] | None = None
    """Kind of given responses that it uses. None where the model generates the responses."""
    reductions: tuple[Reduction, ...] = ("mean",)
    """Reductions that it offers, the default first."""
    relaxes: bool = False
    """True where it can replace the choice of the next token by a relaxed draw."""

    def make(self, material: "Material") -> "Made":
        """Makes the objective."""
        module, _, function = self.maker.partition(":")
        return getattr(import_module(module), function)(material)


OBJECTIVES: Registry[ObjectiveRecord] = Registry("objective")
DEFAULT = "judge_gradient"


def register(record: ObjectiveRecord) -> None:
    """Registers an objective under its name. Raises ValueError for a name that is taken."""
    OBJECTIVES.register(record.name)(record)


def names(fits: Callable[[ObjectiveRecord], object] = lambda record: True) -> tuple[str, ...]:
    """Returns the names of all objectives, or of those that fit, in the order of registration."""
    return tuple(record.name for record in OBJECTIVES.registered() if fits(record))


def is_safety(record: ObjectiveRecord) -> bool:
    """True for an objective that measures safety."""
    return record.quantity == "safety"


def takes_gradient(record: ObjectiveRecord) -> bool:
    """True for an objective that uses the gradient of a judge."""
    return record.judge == "gradient"


def takes_verdicts(record: ObjectiveRecord) -> bool:
    """True for an objective that uses verdicts only, so that any judge will do."""
    return record.judge == "verdict"


def choices_help(paragraph: str) -> str:
    """Returns the help of an option that takes an objective: the paragraph, then a line for each objective."""
    lines = [f"- {record.name}: {record.help}" for record in OBJECTIVES.registered()]
    return "\n\n".join([paragraph, "\n".join(lines)])


def defaults_in_words() -> str:
    """Describes the default reduction of every objective: 'mean for utility, sum for mix and ...'."""
    reductions: dict[Reduction, list[str]] = {}
    for record in OBJECTIVES.registered():
        reductions.setdefault(record.reductions[0], []).append(record.name)
    return ", ".join(f"{reduction} for {joined(known, 'and')}" for reduction, known in reductions.items())


MOVED = "would move if the weight moved by one standard deviation of its matrix"

register(
    ObjectiveRecord(
        name="judge_gradient",
        help="safety of the model's responses, by the judge's gradient",
        words=f"how much the judge's verdict on the model's own answers to harmful requests {MOVED}",
        maker="holdfast.objective.judge_gradient:make",
        judge="gradient",
        reductions=("mean", "sum"),
        relaxes=True,
    )
)
register(
    ObjectiveRecord(
        name="policy_gradient",
        help="safety of sampled responses as a reward, from any judge",
        words=f"how much the expected verdict on the model's own sampled answers to harmful requests {MOVED}",
        maker="holdfast.objective.policy_gradient:make",
        judge="verdict",
        samples=True,
        reductions=("sum", "mean"),
    )
)
CONTROL_VARIATE = ObjectiveRecord(
    name="control_variate",
    help="policy gradient made less noisy by the judge's gradient",
    words=f"how much the expected verdict on the model's own sampled answers to harmful requests {MOVED}, with the "
    "judge's gradient to lower the noise",
    maker="holdfast.objective.control_variate:make",
    judge="gradient",
    samples=True,
    compares_with_greedy=True,
    reductions=("sum",),
)
register(CONTROL_VARIATE)
register(
    replace(
        CONTROL_VARIATE,
        name="mix",
        help="judge gradient for few responses, control variate for many",
        words="how much the judge's verdict, and with many responses the expected verdict, on the model's own answers "
        f"to harmful requests {MOVED}",
        maker="holdfast.objective.control_variate:make_mix",
    )
)
register(
    ObjectiveRecord(
        name="refusal_likelihood",
        help="likelihood of given refusals; needs no judge",
        words=f"how much the likelihood of the given refusals of harmful requests {MOVED}",
        maker="holdfast.objective.response_likelihood:make",
        given="refusals",
    )
)
register(
    ObjectiveRecord(
        name="utility",
        help="likelihood of given right answers; needs no judge",
        words=f"how much the likelihood of the given answers {MOVED}",
        maker="holdfast.objective.response_likelihood:make",
        quantity="utility",
        given="responses",
    )
)
register(
    ObjectiveRecord(
        name="token_probability",
        help="probability of given tokens, added up; needs no judge",
        words=f"how much the probability of the given answers' tokens {MOVED}",
        maker="holdfast.objective.token_probability:make",
        quantity="utility",
        given="responses",
        reductions=("sum",),
    )
)
