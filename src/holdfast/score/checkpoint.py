"""A long sum that is kept on disk now and then, so that an interrupted pass goes on and ends in the very same bits.

Several processes keep a file each, and all of them after the same batch: each adds up with the others, so none can go
on from another batch than they.
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
"""At least this many times as long is spent on the sum as on keeping it."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a sum over batches is kept. Whoever names the file answers for it being of the same sum."""

    path: Path
    seconds_between: float = 60.0
    """Seconds of work that may be lost; more where keeping the sum takes long."""

    def remaining(self, num_batches: int, sums: Mapping[str, Tensor]) -> Iterator[int]:
        """Puts what was kept into the sums, and yields the positions of the batches that they do not hold yet."""
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
        """Returns the budget that the batches were cut by, or chooses it now: a pass that goes on has equal batches."""
        path = self.path.with_suffix(".json")
        kept = first(lambda: load_json(path)["token_budget"] if path.is_file() else None)
        if kept is not None:
            return kept
        chosen = choose()
        first(lambda: save_json(path, {"token_budget": chosen}))
        return chosen

    @property
    def _own(self) -> Path:
        """The file of this process."""
        return self.path if world_size() == 1 else self.path.with_stem(f"{self.path.stem}_{rank()}")

    def _restore(self, sums: Mapping[str, Tensor]) -> int:
        kept, num_batches = load_sums(self._own) if self._own.is_file() else ({}, 0)
        if len(set(gathered(num_batches))) > 1:
            return 0  # stopped while they kept it: some have one batch more than the others
        for name, total in kept.items():
            sums[name].copy_(total)
        return num_batches
