"""Lets a scheduler start a finished command again: with --exist-ok it says that its result exists, and ends well.

A command with --exist-ok records its name, its options and the contents of the files that they name beside its result,
in OUT.command.json. A result without such a record, of other options or from other files, is refused as it is without
--exist-ok.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import BaseModel

from holdfast.commands.console import show, unless_quiet
from holdfast.json_files import load_json, save_json
from holdfast.option_groups import SEVERAL
from holdfast.pipeline.outputs import refuse_existing
from holdfast.pipeline.setting_differences import differences, listed

EXIST_OK = """Ends with exit code 0 if the same command has made OUT before, as when a scheduler starts a job again. The
options, and the contents of the files that they name, are recorded in OUT.command.json."""
ExistOk = Annotated[bool, Parameter(name="--exist-ok", negative="", help=EXIST_OK), SEVERAL]
"""Asks for exit code 0 where the same command has finished before."""
LARGEST_READ = 2**26
"""Largest size in bytes of a file whose contents are compared, and not its size and time of change."""
MODEL_FILES = ("config.json", "adapter_config.json")
"""Files of which each shows that a folder holds a model."""
NOT_COMPARED = ("exist_ok", "json", "out")


class Once:
    """A command that is to be done once, however often it is started."""

    def __init__(self, exist_ok: bool, command: str, result: Path, out: Path, arguments: Mapping[str, object]) -> None:
        """Raises ValueError where a result exists and may not, or was made by another command.

        Args:
            exist_ok: whether the result may exist.
            command: name of the command.
            result: file that exists once the command has finished.
            out: file or folder of --out.
            arguments: the command's arguments by name.
        """
        self.out, self._result = out, result
        self._record = out.with_name(f"{out.name}.command.json") if exist_ok else None
        options = {name: _plain(value) for name, value in arguments.items() if name not in NOT_COMPARED}
        self._settings = {"command": command, "options": options}
        self._settings |= {"contents": contents(options)} if exist_ok else {}
        self._is_done = exist_ok and result.exists()
        if self._is_done:
            self._refuse_other()
        else:
            refuse_existing(result)

    def _refuse_other(self) -> None:
        assert self._record is not None
        if not self._record.is_file():
            raise ValueError(
                f"{str(self.out)!r} exists already, and no {str(self._record)!r} says which command made it; choose "
                "another name for the output, or move it away first."
            )
        known = load_json(self._record)
        made = known.pop("made", None)
        if known == self._settings and made != _hash(self._result):
            raise ValueError(
                f"{str(self._result)!r} was changed since the command made it; move it away, so that it is made again."
            )
        if known != self._settings:
            apart = listed(list(differences(self._settings, known)))
            raise ValueError(
                f"{str(self.out)!r} was made by another command or from other files ({apart}); choose another name for "
                "the output, or move it away first."
            )

    def says_done(self, json: bool) -> bool:
        """Prints that the result exists, and returns True, if the command has finished before."""
        if self._is_done:
            note = f"{self.out} exists: the same command made it, so there is nothing to do."
            show({"out": str(self.out), "existed": True}, [], json, note=unless_quiet(note))
        return self._is_done

    def record(self) -> None:
        """Writes the record that the command has finished. The first of several processes writes it."""
        if self._record and os.environ.get("RANK", "0") == "0":
            save_json(self._record, {**self._settings, "made": _hash(self._result)})


def contents(options: Mapping[str, object]) -> dict[str, str]:
    """Returns a hash of each local file that an option names, and of each file in the folder of a model.

    Files above `LARGEST_READ` are not read. Their size and time of change tell them apart.
    """
    named = {text.partition("#")[0] for text in _texts(options)}
    paths = sorted(path for path in map(Path, named - {""}) if path.is_file() or _is_model(path))
    files = (inner for path in paths for inner in (sorted(path.iterdir()) if path.is_dir() else [path]))
    return {str(file): _hash(file) for file in files if file.is_file()}


def _is_model(path: Path) -> bool:
    return any((path / name).is_file() for name in MODEL_FILES)


def _hash(file: Path) -> str:
    known = file.stat()
    if known.st_size <= LARGEST_READ:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    changed = datetime.fromtimestamp(known.st_mtime_ns // 10**9, UTC).isoformat()
    return f"{known.st_size} bytes, changed {changed} and {known.st_mtime_ns % 10**9} ns"


def _texts(value: object) -> Iterator[str]:
    """Yields every text in nested options."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _plain(value: object) -> object:
    """Returns an argument as JSON has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
