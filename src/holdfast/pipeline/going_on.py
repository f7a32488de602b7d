"""Writes the command that resumes an unfinished run, with the folder's current name."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from holdfast.json_files import JsonValue
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.demo import demo_config
from holdfast.pipeline.run.other_run import settings_of


def command_of(config: RunConfig, out: Path, manifest: Mapping[str, JsonValue]) -> str:
    """Returns 'holdfast run set.toml --out run', or 'holdfast demo --out demo' for the run of the demo.

    A run from Python or of an earlier version has no config file on record. Then CONFIG takes its place.
    """
    file = manifest.get("config_file")
    if file is None and settings_of(config) == settings_of(demo_config(config.seed)):
        seed = ["--seed", str(config.seed)] if config.seed else []
        return shlex.join(["holdfast", "demo", "--out", str(out), *seed])
    return shlex.join(["holdfast", "run", str(file or "CONFIG"), "--out", str(out)])
