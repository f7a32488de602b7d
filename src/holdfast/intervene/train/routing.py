"""drift = share of the experts chosen for a token that are no longer chosen   (0 = routed as before, in [0, 1])

For every token and layer of experts, the chosen experts are the k with the largest router logits. k comes from the
model's config. Naive safety tuning of a mixture of experts finds shortcuts in the routing (arXiv 2602.04448), so
routers are frozen by default. Their inputs can still change and with them the routing, and drift measures that.

The router's logits exclude later additions of some families (groups of experts, balancing biases).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from holdfast.models.activation_sites import ActivationSite, module_input
from holdfast.models.activations import reading
from holdfast.models.load import LoadedModel
from holdfast.models.shards import whole
from holdfast.models.sites import list_sites
from holdfast.models.tables import check_token_ids, context_of
from holdfast.prompts.batching import batches_by_length, right_pad
from holdfast.prompts.chat import encode_exchange
from holdfast.records import Exchange

MOST_EXCHANGES = 64
"""Number of exchanges, the first ones, on which drift is measured."""
CHOSEN = ("num_experts_per_tok", "top_k_experts", "moe_top_k", "moe_k")
"""Names that configs use for the number of experts a token."""

Routing = Int[Tensor, "router token chosen"]


def router_names(model: PreTrainedModel) -> list[str]:
    """Returns the parameters of routers with several experts, in the model's order. Empty for a dense model."""
    return [site.name for site in list_sites(model) if site.role == "router" and site.shape[0] > 1]


@torch.no_grad()
def routing(loaded: LoadedModel, exchanges: Sequence[Exchange], token_budget: int = 4096) -> Routing | None:
    """Returns the experts chosen for every token of the first exchanges. None for a model without routers."""
    model, names = loaded.model, router_names(loaded.model)
    if not names:
        return None
    read = exchanges[:MOST_EXCHANGES]
    context = context_of(model)  # training cuts an exchange here too
    chats = [encode_exchange(loaded.tokenizer, exchange.prompt, exchange.response) for exchange in read]
    encoded = [chat.token_ids[:context] for chat in chats]
    check_token_ids(model, loaded.tokenizer, encoded)
    parts = []
    for batch in batches_by_length([len(ids) for ids in encoded], token_budget):
        token_ids, attention_mask = right_pad([encoded[place] for place in batch], pad_id=0)
        chosen = _choices(model, names, token_ids.to(model.device), attention_mask.to(model.device))
        parts.append(chosen[:, attention_mask.flatten().bool()])
    return torch.cat(parts, dim=1)


def routing_drift(before: Routing | None, after: Routing | None) -> float | None:
    """Returns the share of choices that are no longer made. None without routers."""
    if before is None or after is None:
        return None
    kept = (before[..., :, None] == after[..., None, :]).any(-1)
    return 1 - float(kept.double().mean())


def _choices(
    model: PreTrainedModel,
    names: Sequence[str],
    token_ids: Int[Tensor, "batch token"],
    attention_mask: Int[Tensor, "batch token"],
) -> Int[Tensor, "router position chosen"]:
    """Returns the chosen experts for every position of a batch, padding included."""
    inputs = {name: _router_input(model, name) for name in names}
    was_training = model.training
    try:
        model.eval()
        with reading(model, inputs.values()) as activations:
            model(input_ids=token_ids, attention_mask=attention_mask, use_cache=False)
    finally:
        model.train(was_training)
    count = num_chosen(model)
    logits = [_logits(model, name, activations[site.name].flatten(0, 1)) for name, site in inputs.items()]
    return torch.stack([each.topk(count, dim=-1).indices.sort(dim=-1).values.cpu() for each in logits])


def num_chosen(model: PreTrainedModel) -> int:
    """Returns the number of experts a token from the config, and 1 for a config without one."""
    settings = model.config.get_text_config().to_dict()
    nested = [settings, *(part for part in settings.values() if isinstance(part, dict))]
    return next((int(part[name]) for part in nested for name in CHOSEN if part.get(name)), 1)


def _router_input(model: PreTrainedModel, name: str) -> ActivationSite:
    return module_input(model, name.rpartition(".")[0], model.get_parameter(name).shape[1])


def _logits(model: PreTrainedModel, name: str, hidden: Float[Tensor, "position d_model"]) -> Tensor:
    """Returns the logits of a router, from its inputs."""
    module, weight = model.get_submodule(name.rpartition(".")[0]), model.get_parameter(name)
    bias = dict(module.named_parameters(recurse=False)).get("bias")
    return nn.functional.linear(hidden.to(weight.dtype), whole(weight), None if bias is None else whole(bias))
