"""Gets a judge's outcomes and checks their number and type, since users may write judges themselves."""

import inspect
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from holdfast.outcomes import Outcome


@runtime_checkable
class Judge(Protocol):
    """Gives verdicts on responses.

    A judge may declare its verdicts in a set of words called `verdicts`. Then holdfast refuses one of the wrong kind
    before any response is generated.
    """

    def judge(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Outcome]:
        """Returns one outcome for every prompt with its response."""
        ...


def require_judge(judge: object) -> None:
    """Raises ValueError if the object is no judge, or is the class of a judge, or takes other arguments."""
    name = judge.__name__ if isinstance(judge, type) else type(judge).__name__
    if not isinstance(judge, Judge) or not callable(judge.judge):
        raise ValueError(
            f"a judge was expected, got {name}; give an object with a method judge(prompts, responses), or what "
            "holdfast.load_judge returns."
        )
    if isinstance(judge, type):
        raise ValueError(f"the judge {name} is a class; give an instance of it, such as {name}().")
    if isinstance(words := getattr(judge, "verdicts", ()), str):
        raise ValueError(f"the judge {name} declares its verdicts as the text {words!r}; give a set of words.")
    _refuse_other_call(judge, name)


def _refuse_other_call(judge: Judge, name: str) -> None:
    """Raises ValueError if a judge's method can't be called with prompts and responses."""
    try:
        signature = inspect.signature(judge.judge)
    except ValueError:  # a method in C has no signature to check
        return
    try:
        signature.bind((), ())
    except TypeError:
        raise ValueError(
            f"the judge {name} is called with prompts and responses, and its method is judge{signature}; "
            "write judge(self, prompts, responses)."
        ) from None


def ask_judge(judge: Judge, prompts: Sequence[str], responses: Sequence[str]) -> list[Outcome]:
    """Returns the judge's outcomes, one for each response.

    Raises:
        ValueError: the object is no judge, or it does not return a list with one outcome per response.
    """
    require_judge(judge)
    outcomes: object = judge.judge(prompts, responses)
    if not isinstance(outcomes, list | tuple):
        raise _wrong(judge, f"a {type(outcomes).__name__}", "must return a list with one Outcome")
    if len(outcomes) != len(responses):
        raise _wrong(judge, f"{len(outcomes)} outcomes for {len(responses)} responses", "must return one Outcome")
    if others := [outcome for outcome in outcomes if not isinstance(outcome, Outcome)]:
        raise _wrong(judge, f"a {type(others[0]).__name__}, {others[0]!r:.40}", "must return one Outcome")
    return list(outcomes)


def _wrong(judge: object, given: str, duty: str) -> ValueError:
    return ValueError(f"the judge {type(judge).__name__} returned {given}; it {duty} for each response.")
