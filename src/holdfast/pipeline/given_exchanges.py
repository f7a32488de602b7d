"""Exchanges that are given as refusals or as helpful answers: the refusal rules read them before a model is loaded.

Whoever scores `refusal_likelihood` on "Sure, here is ..." finds the weights that comply, and SET with its two sets
swapped teaches a model to refuse everything else. What the rules can't read, such as another language, counts for the
user and is warned of.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.judge.refusal import RefusalJudge
from holdfast.objective.registry import OBJECTIVES
from holdfast.outcomes import Outcome
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_exchanges
from holdfast.records import Exchange, refuse_contrary
from holdfast.score.measure import refuse_too_few

logger = logging.getLogger(__name__)
MOST_READ = 512
"""Responses of a set that the rules read, spread evenly over it: they tell a swapped set as well as all would."""
FEW = 0.1
"""With fewer refusals than this share a set of refusals for SET is another set. Other safe answers may not refuse."""


@dataclass(frozen=True)
class Read:
    """What the refusal rules say of the responses of a set."""

    source: str
    responses: Sequence[str]
    outcomes: Sequence[Outcome]

    @property
    def refused(self) -> int:
        """How many refuse."""
        return sum(one.verdict == "refused" for one in self.outcomes)

    @property
    def unread(self) -> list[str]:
        """Why responses could not be read, each reason."""
        return [str(one.reason) for one in self.outcomes if one.verdict is None]

    def counted(self) -> str:
        """'3 of 8 responses of 'FILE' are refusals (38%)'."""
        share = f"{self.refused / len(self.responses):.0%}"
        return f"{self.refused} of {len(self.responses)} responses of {self.source!r} are refusals ({share})"

    def example(self, fits: Callable[[Outcome], bool]) -> str:
        """How the first response of such an outcome begins."""
        return repr(next(text for text, one in zip(self.responses, self.outcomes, strict=True) if fits(one))[:60])

    @property
    def complying(self) -> str:
        """How the first response that does not refuse begins."""
        return self.example(lambda one: one.verdict != "refused")

    @property
    def refusing(self) -> str:
        """How the first response that refuses begins."""
        return self.example(lambda one: one.verdict == "refused")


def load_given(source: str, options: ScoringOptions) -> list[Exchange]:
    """The exchanges of a set, each once.

    Raises:
        ValueError: there are too few, or most of what should be refusals are none.
    """
    wanted = OBJECTIVES[options.objective].given
    assert wanted is not None
    given = load_exchanges(source, once=True, responses=wanted)
    refuse_too_few([exchange.prompt for exchange in given])
    if wanted == "refusals":
        _require_refusals(read_refusals(source, given), options.objective)
    return given


def load_to_enhance(refusals: str, harmless: str) -> tuple[list[Exchange], list[Exchange]]:
    """The two sets that SET learns from.

    Raises:
        ValueError: the sets share a prompt, most harmless responses refuse, or next to none of the refusals do.
    """
    unsafe, safe = load_exchanges(refusals, responses="refusals"), load_exchanges(harmless)
    refuse_contrary(unsafe, safe)
    _refuse_refusing(read_refusals(harmless, safe))
    _refuse_complying(read_refusals(refusals, unsafe))
    return unsafe, safe


def read_refusals(source: str, given: Sequence[Exchange]) -> Read:
    """What the refusal rules say of a set, or of exchanges spread over it where it is large."""
    some = given[:: -(-len(given) // MOST_READ)]
    responses = [one.response for one in some]
    return Read(source, responses, RefusalJudge().judge([one.prompt for one in some], responses))


def _refuse_refusing(read: Read) -> None:
    """Raises ValueError when most harmless exchanges refuse; warns where a quarter does."""
    if 2 * read.refused > len(read.responses):
        raise ValueError(
            f"{read.counted()}, one begins {read.refusing}, and SET learns from them to help with harmless prompts; "
            "give harmless prompts with helpful responses (were refusals and harmless swapped?)."
        )
    if 4 * read.refused >= len(read.responses):
        logger.warning(
            "%s, one begins %s, and they should help with harmless prompts: what is trained will refuse more of them.",
            read.counted(),
            read.refusing,
        )


def _refuse_complying(read: Read) -> None:
    """Raises ValueError when next to no refusal is one; warns where most are none, or could not be read."""
    total, unread = len(read.responses), read.unread
    if 2 * read.refused >= total:
        return
    if read.refused + len(unread) < FEW * total:
        raise ValueError(
            f"{read.counted()}, one that is not begins {read.complying}, and SET learns from them to refuse; give "
            "harmful prompts with refusals (were refusals and harmless swapped?)."
        )
    if 2 * (read.refused + len(unread)) < total:
        logger.warning(
            "%s, one that is not begins %s: check that all of them are what a safe model would answer.",
            read.counted(),
            read.complying,
        )
        return
    _warn_of_unread(read)


def _require_refusals(read: Read, objective: str) -> None:
    if 2 * read.refused >= len(read.responses):
        return
    if 2 * (read.refused + len(read.unread)) < len(read.responses):
        raise ValueError(
            f"{read.counted()}, one that is not begins {read.complying}, and objective {objective} scores what "
            "makes refusals likely; give refusals, or objective utility for right answers."
        )
    _warn_of_unread(read)


def _warn_of_unread(read: Read) -> None:
    logger.warning(
        "%d of %d responses of %r could not be read (%s), so it was not checked that they are refusals.",
        len(read.unread),
        len(read.responses),
        read.source,
        read.unread[0],
    )
