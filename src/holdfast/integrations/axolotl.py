"""SPA in Axolotl, by its plug-in interface:

    plugins:
      - holdfast.integrations.axolotl.HoldPlugin
    holdfast_mask: mask.safetensors

Axolotl asks a plug-in for callbacks when it makes its trainer, and gets `ProtectCallback`. So the hold is the same as
in any Trainer: full fine-tuning holds the weights, LoRA and QLoRA hold the effective weights.
"""

from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin  # pyright: ignore[reportMissingImports]
from pydantic import BaseModel
from transformers import TrainerCallback

from holdfast.artifacts import load_mask
from holdfast.intervene.hold.callback import ProtectCallback

KEY = "holdfast_mask"


class HoldArgs(BaseModel):
    """Keys that the plug-in adds to a config of Axolotl."""

    holdfast_mask: str | None = None
    """File of the weights to hold, which `holdfast select` wrote."""
    holdfast_check_base: bool = True
    """False holds the weights at their present values, also those of another model than the mask's base."""


class HoldPlugin(BasePlugin):
    """Holds the weights of a mask while Axolotl trains all others."""

    def get_input_args(self) -> str:
        """Returns the dotted name of the plug-in's keys."""
        return f"{HoldArgs.__module__}.{HoldArgs.__name__}"

    def pre_model_load(self, cfg: Any) -> None:
        """Reads the mask before the model. Raises ValueError when it is missing, or no mask."""
        load_mask(_mask_file(cfg))

    def add_callbacks_pre_trainer(self, cfg: Any, model: object) -> list[TrainerCallback]:
        """Returns the hold as a callback of the trainer that Axolotl is about to make."""
        check_base = cfg.get("holdfast_check_base")
        return [ProtectCallback(_mask_file(cfg), check_base=check_base is None or bool(check_base))]


def _mask_file(cfg: Any) -> Path:
    name = cfg.get(KEY)
    if not isinstance(name, str) or not name:
        raise ValueError(f"HoldPlugin needs the file of a mask; add {KEY}: FILE to the config of Axolotl.")
    return Path(name).expanduser()
