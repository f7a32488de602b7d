"""`holdfast demo`."""

from pathlib import Path

from holdfast.commands.console import Json, shown_progress
from holdfast.commands.parameters import Seed
from holdfast.commands.run import show_run
from holdfast.pipeline.run.demo import demo_config


def demo(*, out: Path = Path("demo"), seed: Seed = 0, json: Json = False) -> None:
    """Run the whole pipeline on the built-in models: locate, verify, enhance, adapt, report.

    The page, OUT/report.html, appears after a minute or two and grows. After an interruption, run the same command
    again: it goes on where it stopped.

    Exit codes: 0: done. 1: a weight moved that must not. 2: any other error, explained in one sentence. 130 or 143:
    stopped.

    Example: holdfast demo --out demo

    Parameters
    ----------
    out
        Folder for the page, the report, scores, masks, patches and checkpoints.
    seed
        Seed of everything random. The built-in models themselves are fixed.
    json
        Print the whole report as one JSON object.
    """
    from holdfast.pipeline.run.run import run
    from holdfast.report.records import read_report

    with shown_progress() as progress:
        report = run(demo_config(seed), out, progress)
    show_run(report, read_report(report), out, json)
