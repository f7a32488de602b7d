"""A long sum that is kept on disk now and then, so that an interrupted pass goes on and ends in the very same bits."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from holdfast.artifacts import load_sums, save_sums

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
            if order + 1 == num_batches or time.monotonic() - kept >= pause:
                started = time.monotonic()
                save_sums(self.path, sums, order + 1)
                kept = time.monotonic()
                pause = max(self.seconds_between, MOST_OF_THE_TIME * (kept - started))

    def _restore(self, sums: Mapping[str, Tensor]) -> int:
        if not self.path.is_file():
            return 0
        kept, num_batches = load_sums(self.path)
        for name, total in sums.items():
            total.copy_(kept[name])
        return num_batches
