"""Attributes an objective to neurons, one example at a time.

Neurons move at the positions that predict the example's completion, all together, layer by layer. With a start, such as
the activations without a context, only the last token of the prompt moves. Positions are added up.

    integrated_gradients       along the line from zero, or from the start, to what the model computes
    alpha_weighted             the same with gradients multiplied by alpha, as IRCAN's released code computes it
    gradient_times_activation  (activation - start) * gradient where the model is: one step at the end of that line
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from holdfast.models.activation_sites import ActivationSite
from holdfast.models.activations import changing, reading
from holdfast.models.logits import logits_budget
from holdfast.objective.completions import Completion
from holdfast.score.integrated_gradients import Attribution, integrated_gradients, nodes
from holdfast.score.neuron_methods import NEURON_SCORES, Attributed, NeuronMethod

Columns = Int[Tensor, " position"]


def _along_the_line(example: Attributed, *, alpha_weighted: bool = False) -> dict[str, Attribution]:
    loaded, sites, start, settings = example.loaded, example.sites, example.start, example.settings
    columns = _columns(example)
    if not len(columns):
        return {site.name: Attribution(torch.zeros(site.shape), 0.0) for site in sites}
    rows = torch.zeros_like(columns)
    with torch.no_grad(), reading(loaded.model, sites, (rows, columns)) as ends:
        example.values()
    budget = settings.token_budget or logits_budget(loaded.model)
    at_once = max(1, budget // len(example.objective.completions[example.item].token_ids))
    attributions = {}
    for site in sites:
        end = ends[site.name].detach()
        attribution = integrated_gradients(
            partial(_value_at, example, site, columns),
            torch.zeros_like(end) if start is None else start[site.name].to(end)[None],
            end,
            nodes(settings.steps, settings.rule),
            at_once=at_once,
            alpha_weighted=alpha_weighted,
        )
        attributions[site.name] = Attribution(attribution.values.sum(0).cpu(), attribution.difference)
    return attributions


def _value_at(
    example: Attributed, site: ActivationSite, columns: Columns, points: Float[Tensor, "point position ..."]
) -> Float[Tensor, " point"]:
    """Returns the example's objective with the activations of one site replaced, once for each point."""
    count = len(points)
    rows = torch.arange(count).repeat_interleave(len(columns))
    with changing(example.loaded.model, site, lambda _: points.flatten(0, 1), (rows, columns.repeat(count))):
        return example.values(count)


def _at_the_end(example: Attributed) -> dict[str, Attribution]:
    model, sites, start, columns = example.loaded.model, example.sites, example.start, _columns(example)
    at = torch.zeros_like(columns), columns
    shifts = [torch.zeros(len(columns), *site.shape, requires_grad=True) for site in sites]
    with ExitStack() as stack, torch.enable_grad():
        for site, shift in zip(sites, shifts, strict=True):
            stack.enter_context(changing(model, site, partial(_shifted, shift), at))
        activations = stack.enter_context(reading(model, sites, at))
        gradients = torch.autograd.grad(example.values().sum(), shifts)
    moved = {
        site.name: (activations[site.name].detach().cpu() - (start[site.name].cpu() if start else 0)) * gradient
        for site, gradient in zip(sites, gradients, strict=True)
    }
    return {name: Attribution(values.float().sum(0), 0.0) for name, values in moved.items()}


def _columns(example: Attributed) -> Columns:
    completion = example.objective.completions[example.item]
    return moving_columns(completion, only_prompt=example.start is not None)


def moving_columns(completion: Completion, *, only_prompt: bool) -> Columns:
    """Returns the positions that predict the completion's tokens, or the last token of the prompt alone."""
    predicting = [position - 1 for position in completion.positions]
    return torch.tensor(predicting[:1] if only_prompt else predicting, dtype=torch.int64)


def _shifted(shift: Tensor, activation: Tensor) -> Tensor:
    return activation + shift.to(activation)


def register(name: str, attribute: Callable[..., dict[str, Attribution]], *, adds_up: bool) -> None:
    """Registers a method that attributes an objective to neurons."""
    NEURON_SCORES.register(name)(NeuronMethod(attribute=attribute, adds_up=adds_up, takes_start=True))


register("integrated_gradients", _along_the_line, adds_up=True)
register("alpha_weighted", partial(_along_the_line, alpha_weighted=True), adds_up=True)
register("gradient_times_activation", _at_the_end, adds_up=False)
