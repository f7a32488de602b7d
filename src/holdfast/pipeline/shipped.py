"""Configs that come with the package, for models that people have; `holdfast init --like NAME` writes one."""

from pathlib import Path

from holdfast.spelling import meant

FOLDER = Path(__file__).parents[1] / "configs"
DEMO = Path(__file__).with_name("demo.toml")
"""The demo's config, written by its options: reading it is instant, and making it imports all that a run needs."""


def shipped_names() -> list[str]:
    """Their names, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def shipped_config(name: str) -> str:
    """The text of one, comments and all.

    Raises:
        ValueError: there is none of that name.
    """
    names = shipped_names()
    if name not in names:
        raise ValueError(f"no shipped config is called {name!r}; {meant(name, names)}.")
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
