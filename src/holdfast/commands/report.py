"""`holdfast report`."""

from pathlib import Path
from typing import NoReturn

from holdfast.commands.console import Json, show
from holdfast.file_kinds import identify, identify_record
from holdfast.json_files import load_json
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import read_config
from holdfast.wrong_files import SHOWN, refuse_other


def report(folder: Path, *, figures: Path | None = None, json: Json = False) -> None:
    """Write report.json and report.html of a run, finished or not.

    Example: holdfast report demo

    Parameters
    ----------
    folder
        Folder of a run.
    figures
        Folder for every figure as SVG, and also as PNG if CairoSVG is installed (extra `figures`).
    json
        Print the report as one JSON object.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        _refuse_no_run(folder)
    content = load_json(manifest, "manifest")
    if "config" not in content:
        refuse_other(manifest, identify_record(content), "manifest")
    settings = read_config(content["config"], RunConfig, manifest)
    from holdfast.pipeline.run.run import save_story
    from holdfast.report.figure_files import save_figures
    from holdfast.report.summary import gaps
    from holdfast.report.tables import summary_tables

    written = save_story(settings, folder)
    note = f"The page: {folder / 'report.html'}"
    if figures is not None:
        note += f"\nFigures: {len(save_figures(written, figures))} files in {figures}"
    if missing := gaps(written):
        note += f"\n{missing}"
    show(written, summary_tables(written), json, note=note)


def _refuse_no_run(path: Path) -> NoReturn:
    """Raises ValueError that says what the path holds, and which command shows it."""
    kind = identify(path)
    if kind.name in SHOWN:
        raise ValueError(f"{str(path)!r} holds no run: it is {kind.words}; `holdfast show {path}` shows it.")
    lacks = f"it is {kind.words}" if path.is_file() else "it has no manifest.json"
    raise ValueError(f"{str(path)!r} holds no run: {lacks}; give the folder of `holdfast demo` or `holdfast run`.")
