"""Response length = mean number of tokens in a response, for each prompt set   (tokens; neither side is better)

x_i is the mean length of the samples of prompt i. Over n prompts, with Student's t with n - 1 degrees of freedom:
    L = mean of x_i    L -+ t s / sqrt(n)      s = standard deviation of the x_i
Two checkpoints are compared by the same formulas for d_i = x_i after - x_i before, and by a paired t test.

Tuning on short responses shortens all responses, which refusals, utility and perplexity do not show. The length counts
every token that the model wrote, thoughts included, without the end token, padding and a prefill. A response that the
limit cut off counts with the tokens up to the limit, so a mean near the limit is too small. An empty response has
length 0. A response from logits that are not finite is unscored. A served model's length is the server's own count of
completion tokens, which may include the end token, and is unscored without it. Lengths are in the model's own tokens:
a model with another tokenizer has others. With a dozen prompts or fewer the
interval is rough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from holdfast.evaluate.coherence import SETS
from holdfast.evaluate.measure import by_prompt
from holdfast.evaluate.paired_mean import PairedMean, mean_rate, paired_mean
from holdfast.models.response_log import Response
from holdfast.outcomes import Answer, Evaluation, Rate

NAME = "response_length"
"""Name of the measure. Its groups are those of the prompt sets, such as response_length/harmless."""
Lengths = Mapping[str, Mapping[int, float]]
"""Mean length of each prompt's samples, by group and by the prompt's position."""


def add_lengths(answers: Mapping[str, Sequence[Answer]], responses: Sequence[Response]) -> dict[str, list[Answer]]:
    """Adds its number of tokens to every answer. `responses` has the response of each answer, in the same order."""
    following = iter(responses)
    return {
        name: [replace(answer, tokens=_tokens(next(following))) for answer in of_measure]
        for name, of_measure in answers.items()
    }


def length_rates(answers: Sequence[Answer]) -> dict[str, Rate]:
    """Mean lengths for each prompt set, by the evaluation's names for groups. n counts responses."""
    of_set: dict[str, list[Answer]] = {}
    for answer in answers:
        of_set.setdefault(group_of_length(answer), []).append(answer)
    return {name: _rate(members) for name, members in sorted(of_set.items())}


def lengths_by_prompt(answers: Sequence[Answer]) -> dict[str, dict[int, float]]:
    """Mean length of each prompt's samples, by group and by the prompt's position. Unscored prompts are left out."""
    lengths: dict[str, dict[int, float]] = {}
    for place, samples in enumerate(by_prompt(answers)):
        known = [answer.tokens for answer in samples if answer.tokens is not None]
        if known:
            lengths.setdefault(group_of_length(samples[0]), {})[place] = fmean(known)
    return lengths


def changes_of_length(before: Evaluation, after: Evaluation) -> dict[str, PairedMean]:
    """Changes of the mean lengths on the prompts scored under both, by group. Both answered the same prompts.

    A group with fewer than two such prompts is left out.
    """
    then, now = (lengths_by_prompt(evaluation.answers) for evaluation in (before, after))
    changes: dict[str, PairedMean] = {}
    for name in sorted(then.keys() & now.keys()):
        both = [(length, now[name][place]) for place, length in then[name].items() if place in now[name]]
        change = paired_mean([first for first, _ in both], [second for _, second in both])
        changes |= {name: change} if change else {}
    return changes


def group_of_length(answer: Answer) -> str:
    """Name of the group that an answer's length counts towards."""
    return f"{NAME}/{SETS[answer.measure]}"


def _tokens(response: Response) -> int | None:
    """Returns the number of tokens. None without any: logits were not finite, or a server counted none."""
    return len(response.token_ids) if response.prompt_ids and not response.broken else response.tokens


def _rate(answers: Sequence[Answer]) -> Rate:
    means = next(iter(lengths_by_prompt(answers).values()), {})
    scored = sum(answer.tokens is not None for answer in answers)
    rate = mean_rate(list(means.values()), unscored=len(answers) - scored)
    return replace(rate, low=rate.low and max(0.0, rate.low), n=scored)
