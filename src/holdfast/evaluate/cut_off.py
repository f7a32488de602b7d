"""Cut off = share of responses that the limit of their length ended, not the model. In [0, 1]; large is bad.

What comes after the limit is not seen: a response that begins with a warning may comply behind it, and one that begins
to comply may refuse. So where many are cut off, attack success and refusals are those of beginnings. Every response
counts; a response of broken logits has no length of its own and is unscored.
"""

from collections.abc import Sequence

from holdfast.evaluate.statistics import clustered_rate, rate
from holdfast.models.response_log import Response
from holdfast.outcomes import Outcome, Rate


def cut_off(responses: Sequence[Response], num_samples: int) -> Rate:
    """The share that was cut off; `num_samples` responses to a prompt lie one after another."""
    outcomes = [_outcome(response) for response in responses]
    if num_samples == 1:
        return rate(outcomes, "cut_off")
    prompts = [outcomes[begin : begin + num_samples] for begin in range(0, len(outcomes), num_samples)]
    return clustered_rate(prompts, "cut_off")


def _outcome(response: Response) -> Outcome:
    if response.broken:
        return Outcome.unscored("the model's logits are not finite")
    return Outcome("ended" if response.finished else "cut_off")
