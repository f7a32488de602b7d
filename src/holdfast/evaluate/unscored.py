"""Lists the prompts without a score after, which a condition on .unscored counts, with both responses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from holdfast.evaluate.coherence import coherence_of
from holdfast.evaluate.compared import Compared, UnscoredPrompt
from holdfast.evaluate.counted import LONG_NAMES, counts_towards, names_of_outcomes
from holdfast.evaluate.response_length import group_of_length
from holdfast.outcomes import Answer, Evaluation

Listed = Mapping[str, Sequence[UnscoredPrompt]]


def with_unscored(measures: Mapping[str, Compared], before: Evaluation, after: Evaluation) -> dict[str, Compared]:
    """Adds to every measure the prompts that have no score after."""
    listed = unscored_prompts(before, after)
    return {name: replace(measure, unscored=tuple(listed.get(name, ()))) for name, measure in measures.items()}


def unscored_prompts(before: Evaluation, after: Evaluation) -> Listed:
    """Lists the prompts without a score after by measure. Those that were scored before come first.

    Both evaluations answered the same prompts. A prompt with several samples is listed once for each unscored one.
    """
    listed: dict[str, list[UnscoredPrompt]] = {}
    for then, now in zip(before.answers, after.answers, strict=True):
        counts = counts_towards(then)
        for name in _names_without_score(now):
            prompt = UnscoredPrompt(now.prompt, counts.get(name), (then.response, now.response))
            listed.setdefault(LONG_NAMES.get(name, name), []).append(prompt)
    return {name: newly_unscored_first(prompts) for name, prompts in listed.items()}


def newly_unscored_first(prompts: Sequence[UnscoredPrompt]) -> list[UnscoredPrompt]:
    """Puts the prompts that were scored before in front."""
    return sorted(prompts, key=lambda one: one.before is None)


def _names_without_score(answer: Answer) -> list[str]:
    """Names every measure that an answer could count towards if it had a score."""
    outcomes = {**names_of_outcomes(answer), **coherence_of(answer)}
    length = [group_of_length(answer)] if answer.tokens is None else []
    return [*(name for name, outcome in outcomes.items() if outcome.verdict is None), *length]
