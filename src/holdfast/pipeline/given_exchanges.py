"""Loads exchanges that are given as refusals or helpful answers, and checks them before a model is loaded."""

from holdfast.judge.refusing_sets import read_refusals, refuse_swapped, require_answers, require_refusals
from holdfast.objective.registry import OBJECTIVES
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_exchanges
from holdfast.records import Exchange
from holdfast.score.measure import refuse_too_few


def load_given(source: str, options: ScoringOptions) -> list[Exchange]:
    """Loads the exchanges of a set, each once.

    Raises:
        ValueError: there are too few, most responses of a set of refusals are no refusals, or most right answers are.
    """
    wanted = OBJECTIVES[options.objective].given
    assert wanted is not None
    given = load_exchanges(source, once=True, responses=wanted)
    refuse_too_few([exchange.prompt for exchange in given])
    read = read_refusals(repr(source), given)
    if wanted == "refusals":
        scored = f"objective {options.objective} scores what makes refusals likely"
        require_refusals(read, f"{scored}; give refusals, or objective utility for right answers")
    else:
        require_answers(read, options.objective)
    return given


def load_refusals(source: str, limit: int | None = None) -> list[Exchange]:
    """Loads the first exchanges of a set whose refusals a verification measures.

    Raises:
        ValueError: most responses are no refusals.
    """
    given = load_exchanges(source, responses="refusals")[:limit]
    purpose = "--refusals measures the perplexity of refusals; give harmful prompts with refusals, or --questions"
    require_refusals(read_refusals(repr(source), given), f"{purpose} for right answers")
    return given


def load_to_enhance(refusals: str, harmless: str) -> tuple[list[Exchange], list[Exchange]]:
    """Loads the two sets that SET learns from.

    Raises:
        ValueError: the sets share a prompt, most harmless responses refuse, or under a tenth of the refusals refuse.
    """
    unsafe, safe = load_exchanges(refusals, responses="refusals"), load_exchanges(harmless)
    refuse_swapped(unsafe, safe, (repr(refusals), repr(harmless)))
    return unsafe, safe
