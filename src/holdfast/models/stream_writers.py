"""Finds the matrix by which the MLP of a layer writes to the residual stream, and the bias of the matrix.

In most families a vector that is added to the output of such a matrix reaches the stream unchanged. In some a norm or a
factor stands between (Gemma 2, Granite), and experts write only for some tokens. `require_unchanged` measures it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.activation_sites import ActivationSite, residual_site
from holdfast.models.activations import changing, reading
from holdfast.models.mlps import find_mlps

TOLERANCE = 0.05
"""Largest error of the vector that arrives in the stream, as a share of the vector that was added. Half precision
rounds by up to 0.01, and a norm or a factor changes most of it."""


@dataclass(frozen=True)
class StreamWriter:
    """The last matrix of a layer's MLP."""

    layer: int
    path: str
    """Path of the module."""
    weight: str
    """Name of the matrix among the model's parameters."""
    bias: str | None
    """Name of its bias. None without one."""
    width: int
    """Number of neurons that it reads."""
    inputs_first: bool
    """True if the matrix is stored as (d_mlp, d_model), as GPT-2's Conv1D is."""

    def input_site(self, model: PreTrainedModel) -> ActivationSite:
        """Returns the neurons that the matrix reads: (d_mlp,)."""
        return ActivationSite(self.path, "input", (self.width,), self.layer, residual_site(model, self.layer).path)

    def output_site(self, model: PreTrainedModel) -> ActivationSite:
        """Returns what the matrix writes: (d_model,)."""
        stream = residual_site(model, self.layer)
        return ActivationSite(self.path, "output", stream.shape, self.layer, stream.path)


def find_writer(model: PreTrainedModel, layer: int) -> StreamWriter:
    """Returns the matrix by which the MLP of a layer writes.

    Raises:
        ValueError: the model has no such layer, or the layer has experts or no MLP with known names.
    """
    residual_site(model, layer)
    mlps = [mlp for mlp in find_mlps(model) if mlp.layer == layer]
    if len(mlps) != 1 or mlps[0].num_experts:
        what = "has experts, each of which writes for some tokens" if mlps else "has no MLP with known names"
        raise ValueError(
            f"layer {layer} of {type(model).__name__} {what}; the edit needs one matrix that writes for every token, "
            "so find the direction in another layer, or steer with `holdfast direction steer`."
        )
    axis = mlps[0].axes["down"]
    bias = f"{mlps[0].reader}.bias"
    return StreamWriter(
        layer=layer,
        path=mlps[0].reader,
        weight=axis.name,
        bias=bias if bias in dict(model.named_parameters()) else None,
        width=mlps[0].width,
        inputs_first=axis.axis == 1,
    )


@torch.no_grad()
def require_unchanged(model: PreTrainedModel, writer: StreamWriter, shift: Float[Tensor, " d_model"]) -> None:
    """Raises ValueError unless a vector added to what the matrix writes arrives in the stream as it is.

    Args:
        model: the model.
        writer: its matrix.
        shift: the vector to try, float32.
    """
    token_ids = torch.arange(8, device=model.device)[None] % model.config.get_text_config().vocab_size
    stream = residual_site(model, writer.layer)

    def states() -> Tensor:
        with reading(model, [stream]) as activations:
            model.base_model(input_ids=token_ids, use_cache=False)
        return activations[stream.name][0].float()

    before = states()
    with changing(model, writer.output_site(model), lambda output: output + shift.to(output)):
        arrived = states() - before
    error = (arrived - shift.to(arrived)).norm(dim=1).median() / shift.norm()
    if not float(error) <= TOLERANCE:
        raise ValueError(
            f"what {writer.path} writes does not reach the residual stream unchanged: a norm or a factor follows, so "
            "that no edit of it moves the stream along a direction; steer with `holdfast direction steer`."
        )
