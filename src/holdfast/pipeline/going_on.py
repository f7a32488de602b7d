"""The command that goes on with an unfinished run: the one that began it, with the folder as it is called now."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.demo import demo_config
from holdfast.pipeline.run.other_run import settings_of


def command_of(config: RunConfig, out: Path, manifest: Mapping[str, Any]) -> str:
    """'holdfast run set.toml --out run', or 'holdfast demo --out demo' for the run of the demo.

    A run from Python, or of an earlier version, names no config file: then CONFIG stands for it.
    """
    file = manifest.get("config_file")
    if file is None and settings_of(config) == settings_of(demo_config(config.seed)):
        seed = ["--seed", str(config.seed)] if config.seed else []
        return shlex.join(["holdfast", "demo", "--out", str(out), *seed])
    return shlex.join(["holdfast", "run", file or "CONFIG", "--out", str(out)])
