"""The warning about right answers within longer responses, which the exact match of utility counts as wrong."""

import re
from collections.abc import Sequence

from holdfast.evaluate.utility import normalized
from holdfast.outcomes import Answer
from holdfast.records import Prompt
from holdfast.spelling import clipped
from holdfast.thoughts import without_thoughts

LEAST_SHARE = 0.2
"""Smallest share of responses that contain the right answer among other words, from which there is a warning."""
LONGEST = 80
"""Letters of an answer or a response that the warning quotes."""


def warning_of_contained(prompts: Sequence[Prompt], answers: Sequence[Answer], measure: str) -> str | None:
    """Returns a warning where more responses contain the right answer among other words than equal it. Else None.

    An answer counts as contained where it stands in the response as whole words, after the normalisation of utility.
    """
    known = {prompt.prompt: normalized(prompt.answer) for prompt in prompts if prompt.answer}
    pairs = [
        (known[answer.prompt], normalized(without_thoughts(answer.response)))
        for answer in answers
        if answer.measure == measure and answer.prompt in known and answer.outcome.verdict
    ]
    longer = next((pair for pair in pairs if pair[0] != pair[1] and _holds(pair[1], pair[0])), ("", ""))
    equal = sum(right == response for right, response in pairs)
    contain = sum(_holds(response, right) for right, response in pairs)
    among_others = contain - equal
    if among_others <= equal or among_others < LEAST_SHARE * len(pairs):
        return None
    right, response = (clipped(text, LONGEST, "...") for text in longer)
    return (
        f"{equal} of {len(pairs)} responses equal the right answer, {contain} contain it; {measure} is exact match. "
        f"For example, the answer {right!r} was expected, and the response {response!r} counts as "
        "wrong. Ask for the answer alone in the questions, write the answers as the model words them, or train the "
        "model to give the answer alone."
    )


def _holds(response: str, right: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(right)}(?!\w)", response))
