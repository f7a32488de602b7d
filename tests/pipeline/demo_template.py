"""Writes the config that `holdfast init` gives out: `python -m tests.pipeline.demo_template`."""

from holdfast.pipeline.run.config_template import to_toml
from holdfast.pipeline.run.demo import demo_config
from holdfast.pipeline.shipped import DEMO

WORKERS = 2
"""Not those of the machine that writes it."""


def render() -> str:
    """The whole file."""
    return to_toml(demo_config().model_copy(update={"workers": WORKERS}))


if __name__ == "__main__":
    DEMO.write_text(render(), encoding="utf-8")
