"""`holdfast report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import Parameter

from holdfast.commands.console import Json, show, unless_quiet
from holdfast.commands.parameters import JudgeCards
from holdfast.commands.publish_options import PublishOptions
from holdfast.counts import counted
from holdfast.file_kinds import identify, identify_record
from holdfast.json_files import load_json
from holdfast.option_groups import PUBLISHED
from holdfast.pipeline.outputs import refuse_existing
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import read_config
from holdfast.wrong_files import SHOWN, refuse_other

PUBLISHES = (
    ", and this command publishes it with --card (Markdown), --eval-results (for the Hugging Face hub), --prompts or "
    "--reproduce"
)
if TYPE_CHECKING:
    from holdfast.evaluate.logs.log import Log


def report(
    path: Path,
    *,
    figures: Path | None = None,
    judge_card: JudgeCards = (),
    published: Annotated[PublishOptions, Parameter(name="*"), PUBLISHED] = PublishOptions(),
    json: Json = False,
) -> None:
    """Write report.json and report.html of a run, finished or not, or publish an evaluation.

    Example: holdfast report demo

    Of an evaluation: holdfast report evaluation.json --card card.md --reproduce reproduce.json

    Parameters
    ----------
    path
        Folder of a run. With one of the options on publishing also the file of an evaluation. Or a log of inspect, of
        lm-eval with --log_samples (a folder), or of garak, whose measures are printed with their intervals.
    figures
        Folder for every figure of a run as SVG, and also as PNG if CairoSVG is installed (extra `figures`).
    judge_card
        Card of a judge, from `holdfast judge-card`. Adds rates corrected for the judge's errors.
    json
        Print the report as one JSON object.
    """
    for out in filter(None, (published.card, published.prompts, published.reproduce)):
        refuse_existing(out)
    if path.is_file() and any((published.card, published.prompts, published.eval_results, published.reproduce)):
        from holdfast.commands.publishing import publish

        publish(path, published, judge_card, figures, json)
        return
    if published.eval_results or published.benchmark or published.source or published.reproduce:
        _refuse_whole_run(path)
    _report_run(path, figures, judge_card, published.card, published.prompts, json)


def _report_run(
    folder: Path,
    figures: Path | None,
    judge_card: tuple[Path, ...],
    card: Path | None,
    prompts: Path | None,
    json: bool,
) -> None:
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        if (log := _read_log(folder)) is None:
            _refuse_no_run(folder)
        _show_log(log, any((figures, judge_card, card, prompts)), json)
        return
    content = load_json(manifest, "manifest")
    if "config" not in content:
        refuse_other(manifest, identify_record(content), "manifest")
    settings = read_config(content["config"], RunConfig, manifest)
    from holdfast.commands.publishing import publish_run
    from holdfast.pipeline.run.run import save_story
    from holdfast.report.figure_files import save_figures
    from holdfast.report.records import read_report
    from holdfast.report.summary import gaps
    from holdfast.report.tables import summary_tables

    published = publish_run(settings, folder, judge_card, card, prompts)
    written = save_story(settings, folder, published.page)
    record = read_report(written)
    note = f"The page: {folder / 'report.html'}"
    if figures is not None:
        note += f"\nFigures: {counted(len(save_figures(record, figures)), 'file')} in {figures}"
    note += "".join(f"\n{line}" for line in published.lines)
    if missing := gaps(record):
        note += unless_quiet(f"\n{missing}")
    show(written | published.result, [*summary_tables(record), *published.tables], json, note=note)


def _refuse_whole_run(path: Path) -> NoReturn:
    """Raises ValueError for an output that only the evaluation of one model has."""
    raise ValueError(
        f"--eval-results, --benchmark, --source and --reproduce need the evaluation of one model, and {str(path)!r} is "
        "not the file of one; give an evaluation that `holdfast evaluate` wrote."
    )


def _read_log(path: Path) -> "Log | None":
    from holdfast.evaluate.logs.readers import read_log

    return read_log(path)


def _show_log(log: "Log", is_for_runs: bool, json: bool) -> None:
    from holdfast.commands.logs import show_log

    if is_for_runs:
        raise ValueError(
            f"of a log of {log.program} only the measures are printed; leave out the options other than --json."
        )
    show_log(log, json)


def _refuse_no_run(path: Path) -> NoReturn:
    """Raises ValueError that says what the path holds, and which command shows it."""
    kind = identify(path)
    if kind.name in SHOWN:
        shows = f"`holdfast show {path}` shows it{PUBLISHES if kind.name == 'evaluation' else ''}"
        raise ValueError(f"{str(path)!r} holds no run: it is {kind.words}; {shows}.")
    lacks = f"it is {kind.words}" if path.is_file() else "it has no manifest.json"
    raise ValueError(f"{str(path)!r} holds no run: {lacks}; give the folder of `holdfast demo` or `holdfast run`.")
