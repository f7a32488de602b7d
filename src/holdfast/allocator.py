"""Settings of glibc's malloc: keep freed memory for the next tensors, and return it to the system between stages.

By default glibc returns the memory that a training step frees, and the system clears each page before it hands it out
again. That took a sixth of a step of the built-in models. Free memory between tensors in use stays with the process
until malloc_trim is called. After a scoring it was more than the scores themselves.
"""

import ctypes
import sys
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt, as <malloc.h> numbers them."""
KEPT = 128 * 2**20
"""Most bytes of freed memory that a process keeps."""
LARGE = 32 * 2**20
"""Bytes from which the system makes an allocation, and gets it back when freed. glibc allows no larger value."""


def keep_freed_memory() -> None:
    """Makes this process keep some freed memory. Without glibc it does nothing."""
    mallopt = _from_libc("mallopt")
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGE)


def give_back_freed_memory() -> None:
    """Returns all free pages to the system, also those between pages in use. Without glibc it does nothing."""
    malloc_trim = _from_libc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _from_libc(name: str) -> Callable[..., int] | None:
    """Finds a function of the C library, or returns None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
