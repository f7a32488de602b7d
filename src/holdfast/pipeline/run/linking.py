"""The same results at a second place of a run's folder: hard links, and copies where the disk has none."""

import os
import shutil
from pathlib import Path


def link_folder(source: Path, target: Path) -> None:
    """Every file of a folder at the same place in another one; what is there stays."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            link_file(path, target / path.relative_to(source))


def link_file(source: Path, target: Path) -> None:
    """A file under a second name, unless there is one."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
