"""Runs all stages in order: locate, verify, enhance, adapt. Every piece is a file, and the page grows with them.

The run's folder:
    manifest.json               config and its file, versions, hashes of all inputs, seconds of each piece
    report.json, report.html    the results so far
    locate/, enhance/locate/    scores, halves, utility, masks/MASK.safetensors
    verify/ARM/                 an evaluation for each draw of noise
    enhance/ARM/, adapt/ARM/    model/, patch.safetensors (enhance), result.json, evaluation.json
    adapt/start.json, enhance/before.json

A piece whose files exist is not made again. A folder with another config or other inputs is refused.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.artifacts import load_json, save_json, save_text
from holdfast.json_files import JsonObject
from holdfast.pipeline.going_on import command_of
from holdfast.pipeline.judges import require_usable
from holdfast.pipeline.outputs import refuse_foreign, written_alone
from holdfast.pipeline.run.claiming import claim, refuse_shared_prompts
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.other_run import refuse_other_settings
from holdfast.pipeline.run.story import tell
from holdfast.pipeline.run.units import first_units, second_units, unfinished
from holdfast.pipeline.run.workers import Unit, Workers
from holdfast.progress import Progress, silent
from holdfast.report.page import render_page
from holdfast.report.records import read_report


def run(config: RunConfig, out: Path, progress: Progress = silent, config_file: Path | None = None) -> JsonObject:
    """Runs the pieces of the config that are not done yet, and returns the report.

    `config_file` is the path of the config, so that an unfinished page can name the command that resumes the run.

    Raises:
        ValueError: an input is missing or wrong, calibration and evaluation share prompts, or the folder holds another
            run.
        InvariantError: weights that must keep every bit have changed.
    """

    def tell_pieces() -> None:
        units = [*first_units(config, out), *second_units(config, out)]
        progress("pieces of the run", sum(unit.is_done for unit in units), len(units))

    page = _Page(config, out)

    def redraw() -> None:
        page.redraw()
        tell_pieces()

    refuse_other_settings(config, out)
    goes_on = (out / "manifest.json").is_file()
    if goes_on:  # at once, because hashing inputs and starting workers can take minutes
        tell_pieces()
    require_usable(config.judging, config.judge)
    overlap = refuse_shared_prompts(config)  # before the folder is claimed, so that a refused run leaves no files
    if not goes_on:
        refuse_foreign(out)
    with written_alone(out):
        claim(config, out)
        named = {"config_file": str(config_file)} if config_file else {}
        save_json(out / "manifest.json", load_json(out / "manifest.json") | {"overlap": overlap} | named)
        if not goes_on:  # not earlier, so that a refused run prints only its error
            tell_pieces()
        with page.caught_up(), Workers(config.workers, config.threads, progress) as workers:
            for units in (first_units(config, out), second_units(config, out)):
                _timed(workers, units, out, redraw)
        return save_story(config, out)


class _Page:
    """The page of a growing run. It is redrawn after pieces, but not after each of several in quick succession."""

    SHARE = 10
    """Smallest ratio of the time between drawings to the time of one."""

    def __init__(self, config: RunConfig, out: Path) -> None:
        self._config, self._out = config, out
        self._next, self._is_behind = 0.0, False

    def redraw(self) -> None:
        """Redraws the page with all finished pieces, or leaves it for later."""
        started = time.monotonic()
        self._is_behind = started < self._next
        if not self._is_behind:
            save_story(self._config, self._out)
            ended = time.monotonic()
            self._next = ended + self.SHARE * (ended - started)

    @contextmanager
    def caught_up(self) -> Iterator[None]:
        """Redraws an outdated page when the run stops early, for whatever reason."""
        try:
            yield
        except BaseException:
            if self._is_behind:
                save_story(self._config, self._out)
            raise


def save_story(config: RunConfig, out: Path, judges: JsonObject | None = None) -> JsonObject:
    """Writes report.json and report.html from the finished pieces. `judges` holds the cards of the judges, if any."""
    report, missing = tell(config, out) | ({"judges": judges} if judges else {}), unfinished(config, out)
    if missing:
        report |= {"missing": missing, "goes_on": command_of(config, out, load_json(out / "manifest.json"))}
    report["folder"] = out.name if out.is_absolute() else out.as_posix()  # the page may be public
    save_json(out / "report.json", report)
    save_text(out / "report.html", render_page(read_report(report)))
    return report


def _timed(workers: Workers, units: list[Unit], out: Path, redraw: Callable[[], object]) -> None:
    """Runs units, records each one's seconds in the manifest, and redraws the page after each.

    Seconds that an interrupted run spent on an unfinished unit are not counted.
    """

    def finished(unit: Unit, seconds: float) -> None:
        manifest = load_json(out / "manifest.json")
        manifest["timings"][unit.label] = round(seconds, 1)
        save_json(out / "manifest.json", manifest)
        redraw()

    workers.run(units, finished)
