"""`holdfast init`."""

from pathlib import Path

from holdfast.commands.console import Json, show, unless_quiet
from holdfast.json_files import save_text
from holdfast.pipeline.outputs import refuse_existing
from holdfast.pipeline.shipped import DEMO, shipped_config

HEAD = "# A run of holdfast: `holdfast run {name}`. Lines that are commented out show the defaults.\n\n"


def init(out: Path = Path("holdfast.toml"), *, like: str | None = None, json: Json = False) -> None:
    """Write a commented config for `holdfast run`: every setting with its meaning and its default.

    With `--like` it copies a shipped config, which has only the settings that this config changes.

    Example: holdfast init holdfast.toml

    Parameters
    ----------
    out
        File for the new config.
    like
        Shipped config to start from, in place of the demo's. An unknown name lists them all.
    json
        Print one JSON object in place of tables.
    """
    text = shipped_config(like) if like else HEAD.format(name=out) + DEMO.read_text(encoding="utf-8")
    refuse_existing(out)
    save_text(out, text)
    show(
        {"out": str(out), "like": like},
        [],
        json,
        note=f"Config: {out}" + unless_quiet(f"; run it with `holdfast run {out}`."),
    )
