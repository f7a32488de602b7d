"""Keeps memory that was let go for the tensors that come next.

glibc gives what a training step frees back to the system, which hands it out again page by page, emptied: a sixth of a
step of the built-in models.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt, as <malloc.h> numbers them."""
KEPT = 128 * 2**20
"""Bytes that a process keeps at most, beside what it uses."""
LARGE = 32 * 2**20
"""Bytes from which an allocation is the system's own, which gets it back: the most that glibc allows."""


def keep_freed_memory() -> None:
    """Has this process keep a little of what it frees; without glibc nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGE)
