"""The mean of several draws of one experiment, e.g. five draws of noise, as one evaluation."""

from collections.abc import Sequence
from statistics import fmean

from holdfast.evaluate.statistics import pool_rates
from holdfast.values import Evaluation


def pool_evaluations(draws: Sequence[Evaluation]) -> Evaluation:
    """Pools the rates of draws that answered the same prompts; their answers are left behind.

    Raises:
        ValueError: there is no draw, or the draws measured different groups.
    """
    if not draws:
        raise ValueError("there are no draws to pool; give at least one evaluation.")
    if any(set(draw.groups) != set(draws[0].groups) for draw in draws):
        raise ValueError("the draws have different groups of prompts; evaluate every draw on the same suite.")
    perplexities = [draw.perplexity for draw in draws if draw.perplexity is not None]
    tasks = [draw.task for draw in draws if draw.task is not None]
    return Evaluation(
        asr=pool_rates([draw.asr for draw in draws]),
        over_refusal=pool_rates([draw.over_refusal for draw in draws]),
        utility=pool_rates([draw.utility for draw in draws]),
        perplexity=fmean(perplexities) if perplexities else None,
        task=pool_rates(tasks) if tasks else None,
        groups={name: pool_rates([draw.groups[name] for draw in draws]) for name in draws[0].groups},
    )
