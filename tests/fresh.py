"""Runs a script of the tests in a process in which nothing of holdfast has been imported."""

import importlib
import os
import runpy
import subprocess
import sys
from pathlib import Path

from jaxtyping import config

from tests.mutants import LIBRARIES

ROOT = Path(__file__).parents[1]
LOST_THREADS = "Invalid thread pool"
"""What torch says, now and then, where a fork has lost the threads of its parent."""


def run_fresh(module: str, folder: Path, *arguments: str) -> str:
    """Returns what a module prints that is run as a script, with the folder as its first argument.

    Where no accelerator is, a fork of this process runs it, so that the libraries are not imported again. That takes
    longer than what most scripts do.
    """
    import torch

    if torch.cuda.is_available() or not hasattr(os, "fork"):  # threads of an accelerator do not survive a fork
        return _run_apart(module, folder, *arguments)
    for name in LIBRARIES:  # later tests of this process need most of them, too
        importlib.import_module(name)
    out, errors = folder / "stdout.txt", folder / "stderr.txt"
    child = os.fork()
    if child == 0:
        _run(module, [module, str(folder), *arguments], out, errors)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told = errors.read_text("utf-8")
    if code and LOST_THREADS in told:
        return _run_apart(module, folder, *arguments)
    assert code == 0, told
    return out.read_text("utf-8")


def _run_apart(module: str, folder: Path, *arguments: str) -> str:
    """Runs the module in a process that imports everything again."""
    command = [sys.executable, "-m", module, str(folder), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(module: str, arguments: list[str], out: Path, errors: Path) -> None:
    """Runs the module in this process, which ends here."""
    code = 1
    try:
        for descriptor, path in ((1, out), (2, errors)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.stdout, sys.stderr = (os.fdopen(descriptor, "w", encoding="utf-8") for descriptor in (1, 2))
        config.update("jaxtyping_disable", True)  # beartype would compare with the classes of this process's holdfast
        for name in [name for name in sys.modules if name.partition(".")[0] in ("holdfast", "tests")]:
            del sys.modules[name]
        sys.argv = arguments
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
