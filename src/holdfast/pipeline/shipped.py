"""Reads the configs that the package ships, for well-known models. `holdfast init --like NAME` writes one of them."""

from pathlib import Path

from holdfast.spelling import meant

FOLDER = Path(__file__).parents[1] / "configs"
DEMO = Path(__file__).with_name("demo.toml")
"""Path of the demo's config, stored as a file so that reading it imports none of a run's libraries."""


def shipped_names() -> list[str]:
    """Returns the names of the shipped configs, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def shipped_config(name: str) -> str:
    """Returns the text of a shipped config, with its comments.

    Raises:
        ValueError: no shipped config has that name.
    """
    names = shipped_names()
    if name not in names:
        raise ValueError(f"no shipped config is called {name!r}; {meant(name, names)}.")
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
