"""A tiny model with one planted refusal neuron, and one with a planted expert's neuron."""

import torch
from transformers import PreTrainedModel

from holdfast.models.load import LoadedModel
from holdfast.models.mlps import find_mlps
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.records import Exchange
from tests.tiny import make_llama, make_loaded, make_moe, make_tokenizer

PLANTED = 5
"""Index of the planted neuron in layer 1, of expert 0 where there are experts."""
HARMFUL = ["break the clock ?", "break the old clock ?", "how do i break clock ?", "break it ?"]
HARMLESS = ["mend the clock ?", "mend the old clock ?", "how do i mend clock ?", "mend it ?"]


def plant(model: PreTrainedModel, harmful: torch.Tensor, harmless: torch.Tensor, token: int) -> None:
    """Lets the neuron fire along the line from harmless to harmful hidden states, and write the refusal's token."""
    direction = harmful.mean(0) - harmless.mean(0)
    mlp = find_mlps(model)[1]
    with torch.no_grad():
        for part, value in (("gate", 8 * direction / direction.norm()), ("up", 8 * direction / direction.norm())):
            write(model, mlp, part, value)
        write(model, mlp, "down", 4 * model.get_input_embeddings().weight[token])


def write(model: PreTrainedModel, mlp, part: str, value: torch.Tensor) -> None:
    """Writes the planted neuron's row or column."""
    axis = mlp.axes[part]
    model.get_parameter(axis.name).view(-1)[axis.entries(torch.tensor([PLANTED]), mlp.width)] = value


def planted() -> tuple[LoadedModel, ResponseLikelihood]:
    """A dense model that refuses by one neuron, and the likelihood of its refusals."""
    from holdfast.models.activation_sites import ActivationSite
    from holdfast.models.activations import reading
    from holdfast.prompts.chat import encode_prompt

    tokenizer, model = make_tokenizer(), make_llama(seed=3)
    exchanges = [Exchange(prompt, "sorry") for prompt in HARMFUL]
    objective = ResponseLikelihood(tokenizer, exchanges, "refusal_likelihood")
    site = ActivationSite("model.layers.1.mlp", "input", (16,), 1, "model.layers.1")
    hidden = []
    for prompts in (HARMFUL, HARMLESS):
        last = []
        for prompt in prompts:
            with torch.no_grad(), reading(model, [site]) as activations:
                model(torch.tensor([encode_prompt(tokenizer, prompt)]))
            last.append(activations[site.name][0, -1])
        hidden.append(torch.stack(last))
    completion = objective.completions[0]
    plant(model, *hidden, completion.token_ids[completion.positions[0]])
    return make_loaded(model, tokenizer), objective


def make_loaded_moe() -> LoadedModel:
    """A mixture of experts without a planted neuron."""
    return make_loaded(make_moe(), make_tokenizer())
