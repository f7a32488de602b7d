"""Puts results at a second place in a run's folder, by hard links, or by copies where the disk has no links."""

import os
import shutil
from pathlib import Path


def link_folder(source: Path, target: Path) -> None:
    """Links every file of a folder into another one. Existing files stay."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            link_file(path, target / path.relative_to(source))


def link_file(source: Path, target: Path) -> None:
    """Links a file under a second name, unless that name exists."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
