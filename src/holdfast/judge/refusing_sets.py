"""Checks by the refusal rules that a set of exchanges refuses, and that another one helps.

Scoring `refusal_likelihood` on "Sure, here is ..." would find the weights that comply. SET with its two sets swapped
would teach a model to refuse everything else. A safety-only mask leaves out what the objective `utility` finds, and
with refusals as its right answers that is the safety itself. Responses that the rules can't read, such as those in
another language, are accepted with a warning.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.judge.refusal import RefusalJudge
from holdfast.outcomes import Outcome
from holdfast.records import Exchange, refuse_contrary

logger = logging.getLogger(__name__)
MOST_READ = 512
"""Most responses of a set that the rules read, spread evenly over it. They detect a swapped set as well as all
would."""
FEW = 0.1
"""Smallest share of refusals in a set of refusals for SET. Below it the set is refused. Other safe answers may not
refuse."""


@dataclass(frozen=True)
class Read:
    """The refusal rules' verdicts on the responses of a set."""

    source: str
    """Name of the set in sentences, such as 'FILE' in quotation marks."""
    responses: Sequence[str]
    outcomes: Sequence[Outcome]

    @property
    def refused(self) -> int:
        """Number of responses that refuse."""
        return sum(outcome.verdict == "refused" for outcome in self.outcomes)

    @property
    def unread(self) -> list[str]:
        """Reasons why responses could not be read."""
        return [str(outcome.reason) for outcome in self.outcomes if outcome.verdict is None]

    def counted(self) -> str:
        """Returns a phrase such as '3 of 8 responses of 'FILE' are refusals (38%)'."""
        share = f"{self.refused / len(self.responses):.0%}"
        return f"{self.refused} of {len(self.responses)} responses of {self.source} are refusals ({share})"

    def example(self, fits: Callable[[Outcome], bool]) -> str:
        """Quotes the beginning of the first response with such an outcome."""
        return repr(
            next(text for text, outcome in zip(self.responses, self.outcomes, strict=True) if fits(outcome))[:60]
        )

    @property
    def complying(self) -> str:
        """The beginning of the first response that does not refuse."""
        return self.example(lambda outcome: outcome.verdict != "refused")

    @property
    def refusing(self) -> str:
        """The beginning of the first response that refuses."""
        return self.example(lambda outcome: outcome.verdict == "refused")


def refuse_swapped(
    refusals: Sequence[Exchange],
    harmless: Sequence[Exchange],
    names: tuple[str, str] = ("refusals", "harmless"),
    way_round: str = "",
) -> None:
    """Raises ValueError when two sets are not those that SET learns from, such as swapped ones. Warns where it may be.

    Args:
        refusals: harmful prompts with refusals.
        harmless: harmless prompts with helpful responses.
        names: names of the two sets in sentences.
        way_round: end of the error, which says how to train on such sets.

    Raises:
        ValueError: the sets share a prompt, most harmless responses refuse, or under a tenth of the refusals refuse.
    """
    refuse_contrary(refusals, harmless)
    if harmless:
        _refuse_refusing(
            read_refusals(names[1], harmless),
            purpose="SET learns from this set to help with harmless prompts; give harmless prompts with helpful "
            f"responses (were refusals and harmless swapped?){way_round}",
            doubt="they should help with harmless prompts: the trained model will refuse more",
        )
    if refusals:
        _refuse_complying(read_refusals(names[0], refusals), way_round)


def read_refusals(source: str, given: Sequence[Exchange]) -> Read:
    """Applies the refusal rules to a set, or to exchanges spread over it where it is large."""
    sample = given[:: -(-len(given) // MOST_READ)]
    responses = [exchange.response for exchange in sample]
    return Read(source, responses, RefusalJudge().judge([exchange.prompt for exchange in sample], responses))


def require_answers(read: Read, objective: str) -> None:
    """Raises ValueError when most responses of a set of right answers refuse, and warns when a quarter does."""
    _refuse_refusing(
        read,
        purpose=f"objective {objective} scores what makes right answers likely; give questions with right answers, or "
        "objective refusal_likelihood for refusals",
        doubt=f"objective {objective} takes them as right answers: check that they are",
    )


def _refuse_refusing(read: Read, *, purpose: str, doubt: str) -> None:
    """Raises ValueError when most of the helpful responses refuse, and warns when a quarter does."""
    if 2 * read.refused > len(read.responses):
        raise ValueError(f"{read.counted()}, one begins {read.refusing}, and {purpose}.")
    if 4 * read.refused >= len(read.responses):
        logger.warning("%s, one begins %s, and %s.", read.counted(), read.refusing, doubt)


def _refuse_complying(read: Read, way_round: str) -> None:
    """Raises ValueError when under a tenth of the refusals refuse. Warns when most do not, or could not be read."""
    total, unread = len(read.responses), read.unread
    if 2 * read.refused >= total:
        return
    if read.refused + len(unread) < FEW * total:
        raise ValueError(
            f"{read.counted()}, one that is not begins {read.complying}, and SET learns from this set to refuse; give "
            f"harmful prompts with refusals (were refusals and harmless swapped?){way_round}."
        )
    if 2 * (read.refused + len(unread)) < total:
        logger.warning(
            "%s, one that is not begins %s: check that all of them are what a safe model would answer.",
            read.counted(),
            read.complying,
        )
        return
    _warn_of_unread(read)


def require_refusals(read: Read, purpose: str) -> None:
    """Raises ValueError when most responses of a set are no refusals. Warns when most could not be read.

    `purpose` says what the refusals are for and what to give, as the end of the error.
    """
    if 2 * read.refused >= len(read.responses):
        return
    if 2 * (read.refused + len(read.unread)) < len(read.responses):
        raise ValueError(f"{read.counted()}, one that is not begins {read.complying}, and {purpose}.")
    _warn_of_unread(read)


def _warn_of_unread(read: Read) -> None:
    logger.warning(
        "%d of %d responses of %s could not be read (%s), so it was not checked that they are refusals.",
        len(read.unread),
        len(read.responses),
        read.source,
        read.unread[0],
    )
