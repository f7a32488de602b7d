"""Keeps memory that was freed for the tensors that come next, and gives it back to the system between stages.

glibc gives what a training step frees back to the system, which hands it out again page by page, emptied: a sixth of a
step of the built-in models. What is free between tensors that are in use it keeps for ever unless it is asked: after a
scoring that was more than the scores.
"""

import ctypes
import sys
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt, as <malloc.h> numbers them."""
KEPT = 128 * 2**20
"""Bytes that a process keeps at most, beside what it uses."""
LARGE = 32 * 2**20
"""Bytes from which an allocation is the system's own, which gets it back: the most that glibc allows."""


def keep_freed_memory() -> None:
    """Has this process keep a little of what it frees; without glibc nothing happens."""
    mallopt = _from_libc("mallopt")
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGE)


def give_back_freed_memory() -> None:
    """Gives the system all whole pages that are free, also between those in use; without glibc nothing happens."""
    malloc_trim = _from_libc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _from_libc(name: str) -> Any:
    """A function of the C library; None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
