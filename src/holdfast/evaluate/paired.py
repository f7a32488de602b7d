"""Two checkpoints on the same prompts: what changed, and whether chance alone would explain it."""

from collections import defaultdict
from collections.abc import Sequence

from holdfast.evaluate.measure import COUNTED, group_of
from holdfast.evaluate.statistics import PairedCounts, count_pairs
from holdfast.values import Answer, Evaluation


def compare(before: Evaluation, after: Evaluation) -> dict[str, PairedCounts]:
    """Paired counts by measure and by 'measure/group', over the prompts scored under both.

    Raises:
        ValueError: the two did not answer the same prompts, in the same order.
    """
    _refuse_different_prompts(before.answers, after.answers)
    answered = zip(before.answers, after.answers, strict=True)
    pairs = [pair for pair in answered if all(one.outcome.verdict for one in pair)]
    counted: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for first, second in pairs:
        verdict = COUNTED[first.measure]
        for name in _names(first):
            counted[name].append((first.outcome.verdict == verdict, second.outcome.verdict == verdict))
    return {name: count_pairs(*zip(*counted[name], strict=True)) for name in sorted(counted)}


def _names(answer: Answer) -> list[str]:
    """What an answer counts towards: its measure, but for borderline prompts, and its group."""
    measure = [] if answer.measure == "borderline" else [answer.measure]
    return [*measure, group] if (group := group_of(answer)) else measure


def _refuse_different_prompts(before: Sequence[Answer], after: Sequence[Answer]) -> None:
    if not before and not after:
        raise ValueError("neither evaluation holds answers, so nothing can be paired; evaluate both checkpoints again.")
    asked = [[(one.measure, one.group, one.prompt) for one in answers] for answers in (before, after)]
    if asked[0] == asked[1]:
        return
    strange = sorted({prompt for _, _, prompt in asked[0]} ^ {prompt for _, _, prompt in asked[1]})
    what = f"{len(strange)} prompts are in one only, the first is {strange[0]!r}" if strange else "their order differs"
    raise ValueError(f"the two evaluations answered different prompts: {what}; evaluate both on the same suite.")
