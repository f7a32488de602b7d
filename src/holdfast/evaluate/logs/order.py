"""Tells which of two logs is of the released model: by the names of the models, or by the times of the runs.

A gate on swapped logs passes a model that got worse. Logs record no fingerprint, so only names and times can tell.
"""

from holdfast.evaluate.logs.log import Log
from holdfast.evaluate.pinned import SWAPPED, Pins
from holdfast.printable import printable


def warnings_of_order(before: Log, after: Log) -> tuple[str, ...]:
    """Returns warnings about two logs that may be swapped, or that are of one model."""
    no_names = _warning_of_no_names(before, after)
    no_times = not before.began and not after.began
    order = None if no_names and no_times else _warning_of_times(before, after)
    return tuple(filter(None, (no_names or _warning_of_one_name(before, after), order)))


def require_order(before: Log, after: Log, pinned: Pins, names: str) -> None:
    """Raises ValueError where nobody can see a swap of two logs. A strict gate asks for that.

    A pinned name tells two models apart. If both logs name one model, or none, the first run must have begun earlier.

    Args:
        before: log of the first model.
        after: log of the second.
        pinned: the models that the logs must be of, which were checked (`require_names`).
        names: words for the options that pin the names.
    """
    if before.model == after.model:
        _require_earlier(before, after)
    elif pinned.before_model is None and pinned.after_model is None:
        models = " and ".join(repr(log.model) if log.model else "no model" for log in (before, after))
        raise ValueError(
            printable(
                f"nothing says which log is of the released model, {SWAPPED}; give {names}, which a strict gate on two "
                f"logs needs (the two name {models})."
            )
        )


def _require_earlier(before: Log, after: Log) -> None:
    """Raises ValueError unless the run of the first log began earlier."""
    if before.began and after.began and before.began < after.began:
        return
    known = f"both logs name the model {before.model!r}" if before.model else "neither log names its model"
    times = "the first one is not the older one" if before.began and after.began else "they do not say when they began"
    raise ValueError(
        printable(
            f"{known} and {times}, {SWAPPED}; check the order of the two paths, make logs that name two models, or "
            "compare them without a strict gate."
        )
    )


def _warning_of_no_names(before: Log, after: Log) -> str | None:
    """Warns that nobody can see whether two logs are swapped, where neither names its model."""
    if before.model or after.model:
        return None
    where = "; keep the results_*.json that lm-eval writes beside the samples" if before.program == "lm-eval" else ""
    return (
        f"neither log names its model, so nobody can see whether before and after are swapped{where}, or check the "
        "order of the two paths."
    )


def _warning_of_one_name(before: Log, after: Log) -> str | None:
    """Warns that a gate on two logs of one model says nothing of another, where both name the same model."""
    if not before.model or before.model != after.model:
        return None
    return (
        f"both logs name the model {printable(before.model)!r}, so the gate says nothing of another; give the log of "
        "the checkpoint that is to be released, unless it has the same name."
    )


def _warning_of_times(before: Log, after: Log) -> str | None:
    """Warns that two logs may be swapped, where the first is newer than the second, or neither says when it began."""
    if not before.began and not after.began:
        return printable(
            f"neither log says when its run began, so {str(before.path)!r} is taken as before and {str(after.path)!r} "
            "as after; check the order of the two paths."
        )
    if not before.began or not after.began or before.began <= after.began:
        return None
    models = (repr(log.model) if log.model else "a model without a name" for log in (before, after))
    newer, older = (
        f"{str(log.path)!r} of {model}, {log.began:%Y-%m-%d %H:%M:%S}"
        for log, model in zip((before, after), models, strict=True)
    )
    return printable(
        f"the log before ({newer}) is newer than the log after ({older}), so the two may be swapped; check the order "
        "of the two paths."
    )
