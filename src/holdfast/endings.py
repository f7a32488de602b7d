"""Refuses the name of an output that ends like another format than the one that is written."""

from pathlib import Path

FORMATS = {".safetensors": "safetensors", ".json": "JSON"}


def require_ending(out: str | Path | None, ending: str) -> None:
    """Raises ValueError when a name has another ending than that of the format. None and no ending at all pass."""
    given = "" if out is None else Path(out).suffix
    if given.lower() not in ("", ending):
        raise ValueError(
            f"{str(out)!r} ends in {given}, and the file is written as {FORMATS[ending]}; end its name in {ending}."
        )
