"""Saves a long sum to disk now and then, so that an interrupted pass resumes and ends with the same bits.

Each process has a file of its own, and all processes save after the same batch. Their sums are added up in the end, so
all of them must resume from the same batch.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from holdfast.artifacts import load_sums, save_json, save_sums
from holdfast.distributed import first, gathered, rank, wait_for_all, world_size
from holdfast.json_files import load_json

MOST_OF_THE_TIME = 20
"""Smallest ratio of the time spent on the sum to the time spent on saving it."""


@dataclass(frozen=True)
class Checkpoint:
    """The file of a sum over batches. The caller makes sure that the file belongs to the same sum."""

    path: Path
    seconds_between: float = 60.0
    """Seconds of work that an interruption may lose. It can lose more where saving takes long."""

    def remaining(self, num_batches: int, sums: Mapping[str, Tensor]) -> Iterator[int]:
        """Restores saved sums into `sums`, and yields the positions of the batches that they do not hold yet."""
        done = self._restore(sums)
        kept, pause = time.monotonic(), self.seconds_between
        for order in range(done, num_batches):
            yield order
            is_time = time.monotonic() - kept >= pause
            if order + 1 == num_batches or first(lambda is_time=is_time: is_time):
                started = time.monotonic()
                save_sums(self._own, sums, order + 1)
                wait_for_all()
                kept = time.monotonic()
                pause = max(self.seconds_between, MOST_OF_THE_TIME * (kept - started))

    def token_budget(self, choose: Callable[[], int]) -> int:
        """Returns the token budget of the saved pass, or chooses one, so that a resumed pass has equal batches."""
        path = self.path.with_suffix(".json")
        kept = first(lambda: load_json(path)["token_budget"] if path.is_file() else None)
        if kept is not None:
            return kept
        chosen = choose()
        first(lambda: save_json(path, {"token_budget": chosen}))
        return chosen

    @property
    def _own(self) -> Path:
        """Path of this process's file."""
        return self.path if world_size() == 1 else self.path.with_stem(f"{self.path.stem}_{rank()}")

    def _restore(self, sums: Mapping[str, Tensor]) -> int:
        kept, num_batches = load_sums(self._own) if self._own.is_file() else ({}, 0)
        if len(set(gathered(num_batches))) > 1:
            return 0  # interrupted while they saved: some have one batch more than the others
        for name, total in kept.items():
            sums[name].copy_(total)
        return num_batches
