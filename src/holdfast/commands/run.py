"""`holdfast run`."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from holdfast.commands.console import Json, show, shown_progress, unless_quiet, warn
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import load_config
from holdfast.pipeline.run.other_run import refuse_other_settings

if TYPE_CHECKING:
    from holdfast.json_files import JsonValue
    from holdfast.report.records import Report


def run(config: Path, *, out: Path | None = None, json: Json = False) -> None:
    """Run the whole pipeline on any model: locate, verify, enhance, adapt, report.

    The page, OUT/report.html, appears with the first measurement and grows. After an interruption, run the same command
    again: it goes on where it stopped. It refuses a folder that was begun with other settings or inputs.

    Exit codes: 0: done. 1: a weight moved that must not. 2: any other error, explained in one sentence. 130 or 143:
    stopped.

    Example: holdfast run holdfast.toml --out run

    Parameters
    ----------
    config
        Config file (TOML). `holdfast init` writes one.
    out
        Folder for the page, the report, scores, masks, patches and checkpoints. Left out, it is named like the config.
    json
        Print the whole report as one JSON object.
    """
    settings, folder = load_config(config, RunConfig), Path(config.stem) if out is None else out
    refuse_other_settings(settings, folder)  # before libraries are loaded, which takes seconds
    from holdfast.pipeline.run.run import run as run_config
    from holdfast.report.cut_off import cut_off_of
    from holdfast.report.records import read_report

    with shown_progress() as progress:
        report = run_config(settings, folder, progress, config)
    record = read_report(report)
    if (cut_off := cut_off_of(record)) and cut_off.misstates:
        warn(cut_off.sentence)
    show_run(report, record, folder, json)


def show_run(report: "JsonValue", record: "Report", folder: Path, json: bool) -> None:
    """Prints the claims with their answers and the path of the page. With `json` it prints the whole report instead."""
    from holdfast.report.tables import claims_table

    more = unless_quiet(f"\n`holdfast report {quote(str(folder))}` prints every number.")
    show(report, [claims_table(record)], json, note=f"The page: {folder / 'report.html'}{more}")
