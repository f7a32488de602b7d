"""Bytes in units that people read."""

GIB = 2**30


def gib(count: float) -> str:
    """Formats bytes in GiB, or in MiB below 0.1 GiB."""
    return f"{count / GIB:.1f} GiB" if count >= 0.1 * GIB else f"{count / 2**20:.0f} MiB"
