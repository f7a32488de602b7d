"""Layer freeze: the parameters of some layers are not trained   (layers 5 to 14 of 32, or the same share of the depth)

SPPFT freezes attention and MLP of the layers that it finds to tell harmful from harmless prompts (Li et al. 2025, arXiv
2408.17003, ICLR 2025). It needs no data.

Ours: their norms are frozen too. For a model of another depth the default is the same share of the depth. The paper
finds the layers of each model by a measurement, which we do not repeat.
"""

from collections.abc import Sequence
from typing import Unpack

from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from holdfast.intervene.hold.hook_arguments import HookArguments
from holdfast.intervene.train.parts import Parts, Start
from holdfast.models.roles import find_layers

FIRST, LAST, DEPTH = 5, 14, 32
"""The paper's layers, counted from 0, and the depth of its model."""


class FreezeLayersCallback(TrainerCallback):
    """Freezes layers from the making of the trainer until the end of the training."""

    def __init__(self, layers: Sequence[int] = ()) -> None:
        """Sets the layers, counted from 0. Without any, they are the paper's share of the depth."""
        self._layers = tuple(layers)
        self._frozen: list[nn.Parameter] = []

    def on_init_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Freezes the layers, before the trainer makes its optimizer.

        Raises:
            ValueError: the model has no such layer, or no other.
        """
        blocks = blocks_of(given["model"])
        chosen = layers_to_freeze(len(blocks), self._layers)
        weights = [weight for layer in chosen for weight in blocks[layer].parameters() if weight.requires_grad]
        self._frozen = [*self._frozen, *weights]
        for weight in weights:
            weight.requires_grad_(False)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Lets the layers be trained again."""
        while self._frozen:
            self._frozen.pop().requires_grad_(True)


def layers_to_freeze(depth: int, layers: Sequence[int]) -> list[int]:
    """Returns the layers to freeze in a model of this depth, counted from 0.

    Raises:
        ValueError: a layer does not exist, or none is left to train.
    """
    chosen = sorted(set(layers)) or list(range(round(depth * FIRST / DEPTH), round(depth * (LAST + 1) / DEPTH)))
    if chosen[-1:] and chosen[-1] >= depth:
        raise ValueError(
            f"frozen_layers names layer {chosen[-1]}, and the model has {depth} layers; give numbers from 0 to "
            f"{depth - 1}."
        )
    if not chosen:
        raise ValueError(
            f"a model of {depth} layers has none in the paper's share of the depth; name some as frozen_layers."
        )
    if len(chosen) == depth:
        raise ValueError(
            f"frozen_layers names all {depth} layers, so hardly anything would be trained; leave some out."
        )
    return chosen


def blocks_of(model: PreTrainedModel | PeftModel) -> nn.ModuleList:
    """Returns the model's layers.

    Raises:
        ValueError: the model has no list of layers.
    """
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    path = find_layers(base)  # pyright: ignore[reportArgumentType]  # adapters lie inside a PreTrainedModel
    blocks = base.get_submodule(path.rstrip(".")) if path else None
    if not isinstance(blocks, nn.ModuleList):
        raise ValueError(f"a {type(base).__name__} has no list of layers that could be frozen; leave layers out.")
    return blocks


def _make(start: Start) -> TrainerCallback:
    layers_to_freeze(len(blocks_of(start.model)), start.options.frozen_layers)
    return FreezeLayersCallback(start.options.frozen_layers)


PARTS = Parts(callbacks=(_make,))
