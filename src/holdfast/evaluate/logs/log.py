"""The log of another program's evaluation, in one form for all programs: samples with a number for every measure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from holdfast.counts import counted
from holdfast.spelling import quoted

Numbers = Mapping[str, float | None]
"""Number of each measure. None where the program scored and has no number, so that the sample is unscored."""


@dataclass(frozen=True)
class Sample:
    """A sample with its numbers. Several responses to one sample make one number, their mean."""

    key: str
    """Identity of the sample in its group, equal in all logs: its id, or a hash of its text."""
    prompt: str
    """Text that people recognise the sample by."""
    asked: str
    """Hash of the data of the sample. It differs where two samples have one id and different data."""
    numbers: Numbers
    group: str | None = None
    """Task or probe that the sample belongs to, where a log can have several."""
    has_id: bool = True
    """False where the key is a hash."""
    response: str = ""
    """The model's first response."""
    unscored: Mapping[str, float] = field(default_factory=dict)
    """Share of the responses without a number, for each measure that has a number of others."""
    repeats: int = 1
    """Number of the responses."""

    @property
    def name(self) -> str:
        """Words for the sample without its prompt, which may be harmful: its group, and its id or a short hash."""
        return " ".join(filter(None, (self.group, self.key if self.has_id else self.key[:12])))

    @property
    def label(self) -> str:
        """Words for the sample in a sentence: group, id and prompt."""
        return " ".join(filter(None, (self.group, self.key if self.has_id else None, self.prompt)))


@dataclass(frozen=True)
class Log:
    """All samples of a finished evaluation, with the settings that made them."""

    program: str
    version: str
    path: Path
    model: str | None
    samples: tuple[Sample, ...]
    scoring: Mapping[str, object] = field(default_factory=dict)
    """Settings that decide what is measured, such as the task and its version. They must equal the other log's."""
    generation: Mapping[str, object] = field(default_factory=dict)
    """Settings of the model's responses. A difference is warned of."""
    identity: str | None = None
    """Name or hash of the run, equal in every file and form of its log. None where the log has none."""
    began: datetime | None = None
    """When the run began, in UTC. None where the log does not say."""

    def __repr__(self) -> str:
        return (
            f"<Log of {self.program}: {counted(len(self.samples), 'sample')}, {', '.join(map(quoted, self.measures))}>"
        )

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of all measures, in the order of the samples."""
        return tuple(dict.fromkeys(name for sample in self.samples for name in sample.numbers))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the tasks or probes, in the order of the samples."""
        return tuple(dict.fromkeys(sample.group for sample in self.samples if sample.group))


def mean_numbers(repeats: Sequence[Numbers]) -> dict[str, float | None]:
    """Computes the mean of every measure over the responses to one sample. Responses without a number are left out."""
    names = dict.fromkeys(name for numbers in repeats for name in numbers)
    scored = {name: [value for numbers in repeats if (value := numbers.get(name)) is not None] for name in names}
    return {name: math.fsum(values) / len(values) if values else None for name, values in scored.items()}


def unscored_shares(repeats: Sequence[Numbers]) -> dict[str, float]:
    """Computes the share of the responses to one sample that lack a number, for measures of which some have one."""
    missing = {
        name: sum(numbers.get(name) is None for numbers in repeats) / len(repeats)
        for name in dict.fromkeys(name for numbers in repeats for name in numbers)
    }
    return {name: share for name, share in missing.items() if 0 < share < 1}


def as_number(value: object) -> float | None:
    """Converts a bool or a finite number. None for anything else."""
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        return None
    return float(value)


def as_time(value: object) -> datetime | None:
    """Converts seconds since 1970 or an ISO 8601 text to UTC. A text without a time zone is taken as UTC.

    None for anything else.
    """
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        return None if (seconds := as_number(value)) is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
