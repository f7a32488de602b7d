"""Measures each cell of a table once: a cell is a JSON file, so that an interrupted run goes on where it stopped."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from holdfast.artifacts import load_json, save_json

logger = logging.getLogger(__name__)


def cell(folder: Path, name: str, measure: Callable[[], dict]) -> dict:
    """Returns the measured cell of this name, from its file if there is one."""
    path = folder / f"{name}.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        save_json(path, json.loads(json.dumps(measure())))
        logger.warning("%s done", name)
    return load_json(path)


def read_cells(folder: Path) -> dict[str, dict]:
    """Reads all measured cells of a folder, by name."""
    return {path.stem: load_json(path) for path in sorted(folder.glob("*.json"))}
