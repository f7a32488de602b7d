"""Refuses a folder that holds another run, and names the setting, version or input that differs.

Needs no torch, so that `holdfast run` can check before it loads anything.
"""

from collections.abc import Mapping
from pathlib import Path

import holdfast
from holdfast.json_files import load_json
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.setting_differences import differences, listed

WITHOUT_EFFECT = {"workers"}
"""Settings that change no result."""


def settings_of(config: RunConfig) -> dict[str, object]:
    """Returns all settings that results depend on."""
    return config.model_dump(mode="json", exclude=WITHOUT_EFFECT)


def refuse_other_settings(config: RunConfig, out: Path) -> None:
    """Raises ValueError for a folder of other settings or another version. It reads one small file."""
    path = out / "manifest.json"
    if not path.is_file():
        return
    manifest = load_json(path)
    made_by = manifest.get("versions", {}).get("holdfast")
    different = list(differences({"holdfast": holdfast.__version__}, {"holdfast": made_by}))
    begun = {name: value for name, value in manifest.get("config", {}).items() if name not in WITHOUT_EFFECT}
    _refuse(out, different or list(differences(settings_of(config), begun)))


def refuse_other_inputs(inputs: Mapping[str, str], out: Path) -> None:
    """Raises ValueError for a folder whose models, prompt sets or judge had other contents."""
    known = load_json(out / "manifest.json").get("inputs", {})
    _refuse(out, [f"{name!r} has other contents" for name in inputs if known.get(name) != inputs[name]])


def _refuse(out: Path, different: list[str]) -> None:
    if different:
        raise ValueError(
            f"{str(out)!r} holds another run: {listed(different)}; choose another folder with --out, or move it away."
        )
