"""Lets inspect, lm-eval and garak make logs with models that answer from lists.

`python -m tests.evaluate.logs.programs.making PYTHON` makes logs.zip again, which the fast tests read, and from it the
logs in examples/doors, which a page shows. PYTHON is that of the environment of `make doors`. Left out are paths of the
machine, lm-eval's list of its hardware, and, in logs of inspect as JSON, the events of each sample, which are most of
their size.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
LOGS = HERE / "logs.zip"
MODELS = ("before", "after")
KEPT = ("inspect/*.json", "inspect/before-once.eval", "lm_eval/before/*", "lm_eval/after/*", "garak/*.report.jsonl")
"""Files of the archive. One log of inspect is there as it writes it, and all of them as JSON."""
EXAMPLES = HERE.parents[3] / "examples" / "doors"
SHOWN = {"-once.json": ".json", "-1.report.jsonl": ".report.jsonl"}
"""Endings of the archive's files that are examples too, with their endings there. All logs of lm-eval are examples."""


def make_logs(python: str, folder: Path) -> None:
    """Runs the three programs twice each, for the model before and the model after."""
    for program in ("inspect", "lm_eval", "garak"):
        (folder / program).mkdir(parents=True)
    _run(python, "run_inspect.py", folder / "inspect")
    for model in MODELS:
        _run(python, "run_lm_eval.py", folder / "lm_eval", model)
        for generations in ("1", "3"):
            _run(python, "run_garak.py", folder / "garak", model, generations)


def unpack(folder: Path) -> Path:
    """Unpacks the committed logs."""
    with zipfile.ZipFile(LOGS) as archive:
        archive.extractall(folder)
    return folder


def example_logs() -> dict[str, bytes]:
    """The logs that examples/doors has, each by its path there."""
    with zipfile.ZipFile(LOGS) as archive:
        places = {name: _place_of(name) for name in archive.namelist()}
        return {place: archive.read(name) for name, place in places.items() if place}


def _place_of(name: str) -> str | None:
    if name.startswith("lm_eval/"):
        return name
    return next((name.removesuffix(end) + shown for end, shown in SHOWN.items() if name.endswith(end)), None)


def write_examples() -> None:
    """Replaces the logs in examples/doors by those of the archive."""
    for program in ("inspect", "lm_eval", "garak"):
        shutil.rmtree(EXAMPLES / program, ignore_errors=True)
    for place, content in example_logs().items():
        (EXAMPLES / place).parent.mkdir(parents=True, exist_ok=True)
        (EXAMPLES / place).write_bytes(content)


def _run(python: str, script: str, *arguments: Path | str) -> None:
    """Runs a script offline. Its folder is where it finds the items."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    command = [python, script, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=HERE, env=kept | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _reduced(path: Path, folder: Path) -> bytes:
    """The content of a log without paths of this machine and events. An archive of inspect stays as it is."""
    if path.suffix == ".eval":
        return path.read_bytes()
    text = re.sub(
        rf'"[^"]*(?:{re.escape(str(folder))}|site-packages|{re.escape(str(Path.home()))}/)[^"]*"',
        '"here"',
        path.read_text(),
    )
    if path.parent.name == "inspect":
        log = json.loads(text)
        for sample in log["samples"]:
            sample.pop("events", None), sample.pop("events_data", None)
        text = json.dumps(log, indent=1)
    if path.name.startswith("results_"):
        results = {
            name: value for name, value in json.loads(text).items() if name not in ("pretty_env_info", "git_hash")
        }
        text = json.dumps(results, indent=1)
    return text.encode()


def main(python: str) -> None:
    """Makes the logs and packs those that are kept."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_logs(python, folder)
        with zipfile.ZipFile(LOGS, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(file for pattern in KEPT for file in folder.glob(pattern)):
                archive.writestr(str(path.relative_to(folder)), _reduced(path, folder))
    write_examples()


if __name__ == "__main__":
    main(sys.argv[1])
