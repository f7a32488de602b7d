"""Asks any judge for its outcomes and counts them: a judge may be written by a user, and give anything."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from holdfast.outcomes import Outcome


@runtime_checkable
class Judge(Protocol):
    """Gives verdicts on responses.

    A judge may declare which, as a set of words called `verdicts`. One of the wrong kind is then refused before any
    response is generated.
    """

    def judge(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Outcome]:
        """One outcome for every prompt with its response."""
        ...


def require_judge(judge: object) -> None:
    """Raises ValueError when something is no judge, or is the class of one."""
    name = judge.__name__ if isinstance(judge, type) else type(judge).__name__
    if not callable(getattr(judge, "judge", None)):
        raise ValueError(
            f"a judge was expected, got {name}; give an object with a method judge(prompts, responses), or what "
            "holdfast.load_judge returns."
        )
    if isinstance(judge, type):
        raise ValueError(f"the judge {name} is a class; give an instance of it, such as {name}().")


def ask_judge(judge: Judge, prompts: Sequence[str], responses: Sequence[str]) -> list[Outcome]:
    """The judge's outcomes, one for each response.

    Raises:
        ValueError: it is no judge, or it gives something else than a list of as many outcomes as responses.
    """
    require_judge(judge)
    outcomes: object = judge.judge(prompts, responses)
    if not isinstance(outcomes, list | tuple):
        raise _wrong(judge, f"a {type(outcomes).__name__}", "must give a list with one Outcome")
    if len(outcomes) != len(responses):
        raise _wrong(judge, f"{len(outcomes)} outcomes for {len(responses)} responses", "must give one Outcome")
    if strange := [one for one in outcomes if not isinstance(one, Outcome)]:
        raise _wrong(judge, f"a {type(strange[0]).__name__}, {strange[0]!r:.40}", "must give one Outcome")
    return list(outcomes)


def _wrong(judge: object, given: str, duty: str) -> ValueError:
    return ValueError(f"the judge {type(judge).__name__} gave {given}; it {duty} for each response.")
