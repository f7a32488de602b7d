"""Checks and claims the paths of results: no overwriting, one command at a time, and writable before the work begins.

During long work a folder OUT.unfinished lies beside the output, with settings.json and the work done so far. It is
removed when the result is written.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from holdfast.json_files import digest, load_json, save_json
from holdfast.pipeline.setting_differences import differences, listed
from holdfast.stopping import has_saved, mark_saved

UNFINISHED = ".unfinished"
"""End of the name of a folder that keeps what long work has done so far."""


def claim_folder(out: Path, settings: Mapping[str, object]) -> None:
    """Marks the folder as made with these settings, or resumes it.

    A marked folder without results may be marked again with other settings.

    Raises:
        ValueError: the folder was made with other settings, holds something else, or cannot be written.
    """
    mark = out / "settings.json"
    if not mark.is_file():
        refuse_foreign(out)
        save_json(mark, settings)
        return
    known = load_json(mark)
    other = sorted(name for name in {*known, *settings} if known.get(name) != settings.get(name))
    if other and known.keys() == settings.keys() and holds_nothing(out):
        save_json(mark, settings)
    elif other:
        raise ValueError(_of_others(out, other[0], _which(known, settings, other[0])))


def _of_others(out: Path, name: str, which: str) -> str:
    """Returns the error for a folder whose settings differ in one that has this name."""
    name = {"exchanges": "prompts or responses"}.get(name, name)
    if out.suffix == UNFINISHED:
        return (
            f"{str(out)!r} keeps unfinished results of other settings, which differ in {name}{which}; give the same "
            "settings again to continue, give another output, or move that folder away to begin anew."
        )
    return (
        f"{str(out)!r} holds results of other settings, which differ in {name}{which}; choose another folder, or move "
        "this one away."
    )


def _which(known: Mapping[str, object], settings: Mapping[str, object], name: str) -> str:
    """Returns ' (seed is 1 here and 0 there)' for a setting that consists of several, else ''."""
    before, now = known.get(name), settings.get(name)
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return ""
    return f" ({listed(list(differences(now, before)))})"


def refuse_unclaimable(out: Path) -> None:
    """Raises ValueError when `out` can't become a result folder. It runs before the inputs are loaded."""
    if not (out / "settings.json").is_file():
        refuse_foreign(out)


def refuse_foreign(out: Path) -> None:
    """Raises ValueError when `out` exists and is not an empty folder, or when no folder can be made there."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{str(out)!r} is not empty and holds no run; choose another folder.")
    refuse_unwritable(out)


def refuse_existing(path: Path) -> None:
    """Raises ValueError when a result exists already, or none can be written there."""
    if path.exists():
        raise ValueError(f"{str(path)!r} exists already; choose another name for the output, or move it away first.")
    refuse_unwritable(path)


def refuse_unwritable(path: Path) -> None:
    """Raises ValueError when the nearest existing parent is not a folder, or is not writable."""
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise ValueError(f"{str(path)!r} cannot be written: {str(above)!r} is a file; choose another path.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(f"{str(path)!r} cannot be written: no permission for {str(above)!r}; choose another path.")


def unfinished_folder(out: Path) -> Path:
    """Returns the folder in which work on `out` keeps its progress."""
    return out.with_name(f"{out.name}{UNFINISHED}")


@contextmanager
def unfinished(out: Path, settings: Mapping[str, object], *, keep_refused: bool = False) -> Iterator[Path]:
    """Yields the folder of work in progress. It stays after an interruption, and is refused under other settings.

    An interruption before any work was kept removes it.

    Args:
        out: path of the final result.
        settings: all settings that the kept work depends on.
        keep_refused: True keeps the work after a ValueError too. False removes it, because the same call would fail
            again and a corrected one has other settings.
    """
    # Imported here, so that commands which only write a file, such as init, import no torch.
    from holdfast.distributed import first, rank, wait_for_all

    folder = unfinished_folder(out)
    try:
        with claimed(folder, settings, keep_refused=keep_refused):
            yield folder
            wait_for_all()
            first(lambda: shutil.rmtree(folder))
    except KeyboardInterrupt as stop:
        if rank() == 0 and not has_saved(stop):
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def claimed(
    out: Path, settings: Mapping[str, object], *, keep_refused: bool = True, states: str = "."
) -> Iterator[None]:
    """Marks the folder as made with these settings, and keeps other commands out during the context.

    A ValueError before any result is made leaves no folder.

    Args:
        out: the folder.
        settings: all settings that the results depend on.
        keep_refused: True keeps the results after a later ValueError.
        states: subfolder of the states from which an interrupted command continues.

    Raises:
        ValueError: as `claim_folder` and `written_alone` do, or the processes have different settings.
    """
    from holdfast.distributed import first, rank, refuse_different

    for name, setting in settings.items():
        refuse_different(name, digest(setting))
    first(lambda: refuse_unclaimable(out))
    with written_alone(out):
        first(lambda: claim_folder(out, settings))
        try:
            yield
        except ValueError:
            if rank() == 0 and (not keep_refused or holds_nothing(out)):
                shutil.rmtree(out)
            raise
        except KeyboardInterrupt as stop:
            mark_saved(stop, out / states)
            raise


def holds_nothing(folder: Path) -> bool:
    """True for a claimed folder without results."""
    return list(folder.iterdir()) == [folder / "settings.json"]


@contextmanager
def written_alone(folder: Path) -> Iterator[None]:
    """Makes the folder, and locks it against other commands during the context. It removes a folder that stayed empty.

    The operating system frees the lock when the process ends. Enter the context before anything is written, so that a
    command which is refused here has changed no file of the one that holds the lock.

    Raises:
        ValueError: another command is writing there.
    """
    from holdfast.distributed import first, rank

    first(lambda: folder.mkdir(parents=True, exist_ok=True))
    opened = os.open(folder, os.O_RDONLY) if sys.platform != "win32" else None
    try:
        if opened is not None:
            first(lambda: _lock(opened, folder))
        try:
            yield
        finally:
            if rank() == 0:
                _remove_empty(folder)
    finally:
        if opened is not None:
            os.close(opened)


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _lock(opened: int, folder: Path) -> None:
    import fcntl  # not on Windows

    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"another command is writing to {str(folder)!r}; wait until it has ended, or choose another folder."
        ) from None
    except OSError:
        return  # a file system without locks


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """Yields a temporary path for a file or folder. It gets its name once it is complete, and is removed after a
    failure.

    Raises:
        ValueError: `out` exists, a killed run left its temporary path behind, or nothing can be written there.
    """
    refuse_existing(out)
    partial = out.with_name(f"{out.name}.partial")
    refuse_existing(partial)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        os.replace(partial, out)
    except BaseException:  # an interrupt leaves nothing behind either
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)
        raise
