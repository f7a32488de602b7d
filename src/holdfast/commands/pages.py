"""Names the picture or page that `holdfast show` wrote, in its JSON object and below its tables."""

from pathlib import Path


def written(out: Path | None) -> dict[str, str]:
    """Returns the entry of the JSON object. Empty if no file was written."""
    return {"out": str(out)} if out else {}


def written_note(out: Path | None) -> str | None:
    """Returns the line below the tables. None if no file was written."""
    if out is None:
        return None
    return f"{'Page' if out.suffix == '.html' else 'Picture'}: {out}"
