"""Comparison of two evaluations for scripts, like `holdfast compare` on the command line."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.arguments import require
from holdfast.artifacts import load_evaluation
from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.gate import Gate, gate
from holdfast.outcomes import Evaluation


def compare(before: Evaluation | str | Path, after: Evaluation | str | Path, fail_if: Sequence[str] = ()) -> Gate:
    """Compares every measure of two evaluations of the same prompts, and checks the conditions of a gate.

    Print the result to read it. `.measures["refusal"]` has both rates, their change and the paired counts. `.passed`
    is True where no condition is met, and `.refuse_failed()` raises an error where one is.

    Args:
        before: the evaluation of the first model, or the path of its file.
        after: the evaluation of the second model, made with the same judge, prompts and settings.
        fail_if: conditions as in `holdfast compare --fail-if`, such as "refusal < before - 0.05 and p < 0.05".

    Raises:
        ValueError: both evaluations are the same, their prompts or settings differ, a condition does not parse, or it
            names a measure that was not measured.
    """
    if isinstance(fail_if, str):
        raise ValueError(f"fail_if is a list of conditions, got one text; give [{fail_if!r}].")
    conditions = [parse_condition(text) for text in fail_if]
    first, second = _loaded(before), _loaded(after)
    if first == second:
        raise ValueError("both evaluations are the same, so nothing could differ; give those of two checkpoints.")
    return gate(first, second, conditions)


def _loaded(given: Evaluation | str | Path) -> Evaluation:
    if isinstance(given, str | Path):
        return load_evaluation(Path(given))
    require(given, Evaluation, "give what `evaluate` returns, or the path of a file of `holdfast evaluate`")
    return given
