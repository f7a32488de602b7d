"""`holdfast bakeoff`."""

from pathlib import Path

from holdfast.commands.console import Json, show, shown_progress
from holdfast.pipeline.bakeoff_config import BakeoffConfig
from holdfast.pipeline.run.config_file import load_config


def bakeoff(config: Path, *, out: Path = Path("bakeoff"), json: Json = False) -> None:
    """Compare every score and selector at one budget: predictions, stability, and the effect of noise.

    Example: holdfast bakeoff examples/bakeoff.toml

    Parameters
    ----------
    config
        Config file (TOML). examples/bakeoff.toml shows the settings to give.
    out
        Folder for the page, the table, scores, masks and evaluations. Run the command again with the
        same folder to resume after a stop.
    json
        Print the table as one JSON object.
    """
    settings = load_config(config, BakeoffConfig)
    from holdfast.pipeline.bakeoff import bakeoff as run_bakeoff
    from holdfast.report.bakeoff import bakeoff_table, read_bakeoff
    from holdfast.report.tables import to_rich

    with shown_progress() as progress:
        result = run_bakeoff(settings, out, progress)
    show(result, [to_rich(bakeoff_table(read_bakeoff(result)))], json, note=f"The page: {out / 'bakeoff.html'}")
