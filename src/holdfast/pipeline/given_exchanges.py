"""Loads exchanges that are given as refusals or helpful answers, and checks them before a model is loaded."""

from holdfast.judge.refusing_sets import read_refusals, refuse_swapped, require_refusals
from holdfast.objective.registry import OBJECTIVES
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_exchanges
from holdfast.records import Exchange
from holdfast.score.measure import refuse_too_few


def load_given(source: str, options: ScoringOptions) -> list[Exchange]:
    """Loads the exchanges of a set, each once.

    Raises:
        ValueError: there are too few, or most responses of a set of refusals are no refusals.
    """
    wanted = OBJECTIVES[options.objective].given
    assert wanted is not None
    given = load_exchanges(source, once=True, responses=wanted)
    refuse_too_few([exchange.prompt for exchange in given])
    if wanted == "refusals":
        require_refusals(read_refusals(repr(source), given), options.objective)
    return given


def load_to_enhance(refusals: str, harmless: str) -> tuple[list[Exchange], list[Exchange]]:
    """Loads the two sets that SET learns from.

    Raises:
        ValueError: the sets share a prompt, most harmless responses refuse, or under a tenth of the refusals refuse.
    """
    unsafe, safe = load_exchanges(refusals, responses="refusals"), load_exchanges(harmless)
    refuse_swapped(unsafe, safe, (repr(refusals), repr(harmless)))
    return unsafe, safe
