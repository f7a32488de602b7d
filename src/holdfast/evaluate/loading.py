"""Loads evaluations for scripts, and checks each against itself."""

from pathlib import Path

from holdfast import artifacts
from holdfast.arguments import checked_call
from holdfast.evaluate.consistent import require_consistent
from holdfast.evaluate.logs.readers import refuse_log
from holdfast.outcomes import Evaluation


@checked_call
def load_evaluation(path: str | Path, *, check: bool = True) -> Evaluation:
    """Loads an evaluation that `save_evaluation` or `holdfast evaluate` wrote.

    Args:
        path: the file.
        check: True refuses a damaged or edited file, in which a rate is out of its range or contradicts the answers.

    Raises:
        ValueError: the file is missing, is no evaluation, or contradicts itself. Logs of other programs are no
            evaluations: `compare` takes the paths of two.
    """
    if isinstance(path, str | Path):
        refuse_log(Path(path))
    evaluation = artifacts.load_evaluation(path)
    if check:
        require_consistent(evaluation, repr(str(path)))
    return evaluation
