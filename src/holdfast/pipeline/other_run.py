"""A folder that holds another run is refused at once, and told which setting, version or input differs.

Needs no torch, so that `holdfast run` can look before it loads anything.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import holdfast
from holdfast.json_files import load_json
from holdfast.pipeline.config import RunConfig

WITHOUT_EFFECT = {"workers"}
"""Settings that change no result."""
NAMED = 3
"""Differences that the sentence names."""
ABSENT = "not set"


def settings_of(config: RunConfig) -> dict[str, object]:
    """All settings that results depend on."""
    return config.model_dump(mode="json", exclude=WITHOUT_EFFECT)


def refuse_other_settings(config: RunConfig, out: Path) -> None:
    """Raises ValueError when the folder was begun with other settings, or by another version; reads two small files."""
    path = out / "manifest.json"
    if not path.is_file():
        return
    manifest = load_json(path)
    made_by = manifest.get("versions", {}).get("holdfast")
    different = list(_different({"holdfast": holdfast.__version__}, {"holdfast": made_by}))
    begun = {name: value for name, value in manifest.get("config", {}).items() if name not in WITHOUT_EFFECT}
    _refuse(out, different or list(_different(settings_of(config), begun)))


def refuse_other_inputs(inputs: Mapping[str, str], out: Path) -> None:
    """Raises ValueError when the folder was begun on models, prompt sets or a judge of other contents."""
    known = load_json(out / "manifest.json").get("inputs", {})
    _refuse(out, [f"{name!r} has other contents" for name in inputs if known.get(name) != inputs[name]])


def _refuse(out: Path, different: list[str]) -> None:
    if different:
        more = f" and {len(different) - NAMED} more" if len(different) > NAMED else ""
        raise ValueError(
            f"{str(out)!r} holds another run: {', '.join(different[:NAMED])}{more}; choose another folder with --out, "
            "or move it away."
        )


def _different(here: object, there: object, *names: str) -> Iterator[str]:
    """'adapt.learning_rate is 0.001 here and 3e-05 there' for every setting that differs."""
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        for name in {**here, **there}:
            yield from _different(here.get(name, ABSENT), there.get(name, ABSENT), *names, str(name))
    elif here != there:
        yield f"{'.'.join(names)} is {_literal(here)} here and {_literal(there)} there"


def _literal(value: object) -> str:
    return ABSENT if value in (None, ABSENT) else json.dumps(value, ensure_ascii=False)
