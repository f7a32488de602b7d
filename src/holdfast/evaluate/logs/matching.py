"""Matches the samples of two logs by their ids or hashes, and refuses two logs that measured different things."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from holdfast.evaluate.logs.log import Log, Sample
from holdfast.printable import printable

SHOWN = 3
SHARED = 0.9
"""Smallest share of the samples of each log that a gate needs in the other log, too."""


@dataclass(frozen=True)
class Matched:
    """Pairs of one sample in both logs, and the number of samples that one log has alone."""

    pairs: tuple[tuple[Sample, Sample], ...]
    missing: tuple[Sample, ...]
    """Samples of the first log that the second one lacks."""
    only_after: int

    @property
    def only_before(self) -> int:
        """Number of samples that the first log has alone."""
        return len(self.missing)

    def __str__(self) -> str:
        """Says how many samples match."""
        n, before, after = len(self.pairs), len(self.pairs) + self.only_before, len(self.pairs) + self.only_after
        if before == after == n:
            return f"all {n} samples of both logs match"
        return f"{n} of {before} samples before match {n} of {after} after"

    @property
    def shared(self) -> float:
        """Smaller of two shares: that of the samples of each log which the other log has, too."""
        return len(self.pairs) / (len(self.pairs) + max(self.only_before, self.only_after))

    @property
    def warning(self) -> str | None:
        """Returns a warning where samples are left out. None where all match."""
        if not self.only_before and not self.only_after:
            return None
        return (
            f"{self}; the others are left out of the table, so its measures are those of the samples that match. "
            "Evaluate both models on the same samples to compare all."
        )


def match_samples(before: Log, after: Log) -> Matched:
    """Pairs the samples that both logs have, in the order of the first.

    Raises:
        ValueError: the logs are of different programs, tasks or settings of scoring, no sample is in both, or a sample
            asks for different things in both.
    """
    _refuse_other_program(before, after)
    refuse_other_scoring(before, after)
    later = {(sample.group, sample.key): sample for sample in after.samples}
    pairs = [
        (sample, later[sample.group, sample.key]) for sample in before.samples if (sample.group, sample.key) in later
    ]
    missing = [sample for sample in before.samples if (sample.group, sample.key) not in later]
    if not pairs:
        _refuse_other_groups(before, after)
        raise ValueError(
            f"no sample of {_path(before)} is in {_path(after)}, though both are of one task: the first has "
            f"{_first(before)} and the second {_first(after)}; give logs of the same samples."
        )
    _refuse_other_data(pairs, before, after)
    return Matched(tuple(pairs), tuple(missing), len(after.samples) - len(pairs))


def refuse_other_scoring(before: Log, after: Log) -> None:
    """Raises ValueError when the task, its version or another setting that decides what is measured differs."""
    if others := list(differences(before.scoring, after.scoring)):
        raise ValueError(
            f"{_path(before)} and {_path(after)} did not measure the same: {', '.join(others[:SHOWN])}; evaluate both "
            "models with one task and the same settings."
        )


def warning_of_repeats(pairs: Sequence[tuple[Sample, Sample]]) -> str | None:
    """Returns a warning where samples have different numbers of responses (epochs) in both logs. Else None."""
    others = [(first.repeats, second.repeats) for first, second in pairs if first.repeats != second.repeats]
    if not others:
        return None
    was, now = others[0]
    return (
        f"{len(others)} of {len(pairs)} samples have other numbers of responses (epochs) in both logs: the first has "
        f"{was} before and {now} after."
    )


def warning_of_generation(before: Log, after: Log) -> str | None:
    """Returns a warning where the settings of the responses differ, which the change then includes. Else None."""
    others = list(differences(before.generation, after.generation))
    if not others:
        return None
    return f"the two logs differ in more than the model: {', '.join(others[:SHOWN])}."


def refuse_mismatch(before: Log, after: Log, matched: Matched, accept: str) -> None:
    """Raises ValueError when two logs differ in more than the model, so that a gate would not judge the model.

    Args:
        before: log of the first model.
        after: log of the second.
        matched: the samples that both have.
        accept: the option that accepts such logs.
    """
    why = [*differences(before.generation, after.generation)][:SHOWN]
    if matched.shared < SHARED:
        why.append(f"only {matched}, and a gate needs at least {SHARED:.0%} of either")
    if why:
        raise ValueError(
            f"{_path(before)} and {_path(after)} can't be gated together: {', '.join(why)}; evaluate both models on "
            f"the same samples with the same settings, or accept the difference by {accept}."
        )


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """Describes every setting that differs. A setting that one log does not record is no difference."""
    for name in before:
        if name in after and before[name] != after[name]:
            was, now = (printable(str(one[name])[:60]) for one in (before, after))
            yield f"{printable(name)} was {was!r} and is {now!r}"


def _refuse_other_program(before: Log, after: Log) -> None:
    if before.program != after.program:
        raise ValueError(
            f"{_path(before)} is a log of {before.program} and {_path(after)} one of {after.program}; give two logs of "
            "one program."
        )


def _refuse_other_groups(before: Log, after: Log) -> None:
    """Raises ValueError when two logs have no task or probe in common."""
    first, second = (", ".join(log.groups[:SHOWN]) for log in (before, after))
    if first and second and not set(before.groups) & set(after.groups):
        logs = f"{_path(before)} and {_path(after)}"
        raise ValueError(printable(f"{logs} are of different tasks: {first} and {second}; give logs of one task."))


def _refuse_other_data(pairs: list[tuple[Sample, Sample]], before: Log, after: Log) -> None:
    """Raises ValueError when samples with one id have different data, as in two versions of a dataset."""
    others = [first for first, second in pairs if first.asked != second.asked]
    if others:
        raise ValueError(
            f"{len(others)} of {len(pairs)} samples have one id and different data in {_path(before)} and "
            f"{_path(after)}, the first is {printable(others[0].name[:80])!r}; evaluate both models on one version of "
            "the data."
        )


def _path(log: Log) -> str:
    return repr(str(log.path))


def _first(log: Log) -> str:
    return printable(repr(log.samples[0].name[:60]))
