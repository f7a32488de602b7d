"""h <- h - (h . u) u in the stream before and after every layer, temporarily   (what is lost without a direction?)

u is the direction with length 1. So no layer can read what others wrote along it. It serves to verify, inside
`holdfast verify` alone: no public function and no other command calls it, nothing saves a model that it changed, and
the weights keep every bit.

Source: Arditi et al. 2024 (arXiv 2406.11717). Our deviation: the paper also projects what attention writes, before the
MLP of the same layer reads it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.activation_sites import ActivationSite, residual_sites
from holdfast.models.activations import changing
from holdfast.values import Direction


@contextmanager
def projected_out(model: PreTrainedModel, direction: Direction) -> Iterator[None]:
    """Removes a direction from the residual stream within the block. The caller has checked the direction's model."""
    unit = direction.unit

    def remove(states: Float[Tensor, "batch token d_model"]) -> Float[Tensor, "batch token d_model"]:
        along, before = unit.to(states.device), states.float()
        return (before - (before @ along)[..., None] * along).to(states.dtype)

    with ExitStack() as stack:
        for site in [_embedding_site(model), *residual_sites(model)]:
            stack.enter_context(changing(model, site, remove))
        yield


def _embedding_site(model: PreTrainedModel) -> ActivationSite:
    """Returns the output of the token embedding, which enters the first layer."""
    embedding = model.get_input_embeddings()
    path = next(path for path, module in model.named_modules() if module is embedding)
    return ActivationSite(path, "output", (residual_sites(model)[0].shape[0],))
