"""Bytes as people read them."""

GIB = 2**30


def gib(count: float) -> str:
    """In GiB, or in MiB where it is little."""
    return f"{count / GIB:.1f} GiB" if count >= 0.1 * GIB else f"{count / 2**20:.0f} MiB"
