"""Tells where a high coherence is not to be trusted, because the perplexity of right answers exploded.

Rules miss broken text in short responses. But a model that gives right answers a tenth of the likelihood per token does
not write text any more. Its responses count as coherent mostly because the rules find no fault in them.
"""

from holdfast.outcomes import Evaluation
from holdfast.perplexity_texts import perplexity_text

EXPLODED = 10.0
"""Ratio of perplexities of right answers, after to before, from which on coherence is not to be trusted."""
LEAST_COHERENT = 0.25
"""Share of coherent responses below which coherence shows by itself that the model is broken."""


def warning_of_mistrust(before: Evaluation, after: Evaluation) -> str | None:
    """Warns that a model's coherence is not to be trusted. None where it is, or where either measure is missing."""
    coherence, start, end = after.coherence, before.perplexity, after.perplexity
    if coherence is None or coherence.value is None or start is None or end is None:
        return None
    if end < EXPLODED * start or coherence.value < LEAST_COHERENT:
        return None
    return (
        f"the perplexity of right answers rose from {perplexity_text(start)} to {perplexity_text(end)}, but a share of "
        f"{coherence.value:.2f} of the responses counts as coherent. The coherence is not to be trusted here, because "
        "rules miss broken text in short responses; read some of the responses."
    )
