"""Real prompts, tokenizers and a small pretrained checkpoint, where they lie beside the checkout."""

import csv
from pathlib import Path

import pytest

PLACES = [folder / "shared" for folder in Path(__file__).resolve().parents]
SHARED = next((place for place in PLACES if (place / "data").is_dir()), None)


def real(path: str) -> Path:
    """A real file or folder; the test is skipped where it is absent."""
    if SHARED is None or not (SHARED / path).exists():
        pytest.skip(f"no {path} in a folder shared/ beside the checkout")
    return SHARED / path


def real_column(path: str, column: str, limit: int) -> list[str]:
    """The first texts of one column of a real CSV file."""
    with real(path).open(encoding="utf-8", newline="") as file:
        return [row[column] for row, _ in zip(csv.DictReader(file), range(limit), strict=False)]
