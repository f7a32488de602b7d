"""Exchanges whose likelihood is scored: read from a file, and as good as the objective's name says.

Whoever scores `refusal_likelihood` on "Sure, here is ..." finds the weights that comply. So the refusal rules read the
responses first. What they can't read, such as another language, counts for the user and is warned of.
"""

import logging

from holdfast.judge.refusal import RefusalJudge
from holdfast.pipeline.config import ScoringOptions
from holdfast.prompts.records import Exchange
from holdfast.prompts.sources import load_exchanges
from holdfast.score.measure import refuse_too_few

logger = logging.getLogger(__name__)


def load_given(source: str, options: ScoringOptions) -> list[Exchange]:
    """The exchanges of a set, each once.

    Raises:
        ValueError: there are too few, or most of what should be refusals are none.
    """
    refusals = options.objective == "refusal_likelihood"
    given = load_exchanges(source, once=True, responses="refusals" if refusals else "responses")
    refuse_too_few([exchange.prompt for exchange in given])
    if refusals:
        _require_refusals(source, given)
    return given


def _require_refusals(source: str, given: list[Exchange]) -> None:
    prompts, responses = [one.prompt for one in given], [one.response for one in given]
    outcomes = RefusalJudge().judge(prompts, responses)
    refused = sum(one.verdict == "refused" for one in outcomes)
    unread = [str(one.reason) for one in outcomes if one.verdict is None]
    if 2 * refused >= len(given):
        return
    if 2 * (refused + len(unread)) < len(given):
        complying = next(text for text, one in zip(responses, outcomes, strict=True) if one.verdict != "refused")
        raise ValueError(
            f"{refused} of {len(given)} responses of {source!r} are refusals ({refused / len(given):.0%}), one that is "
            f"not begins {complying[:60]!r}, and objective refusal_likelihood scores what makes refusals likely; give "
            "refusals, or objective utility for right answers."
        )
    logger.warning(
        "%d of %d responses of %r could not be read (%s), so it was not checked that they are refusals.",
        len(unread),
        len(given),
        source,
        unread[0],
    )
