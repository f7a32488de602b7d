"""h <- h + c * norm * u at one layer's output, temporarily        (what does a model do further along a direction?)

h is the residual stream that leaves the direction's layer, u the direction with length 1, and norm the median length of
the states where it was found. So a coefficient c of 0.5 moves every state by half of its usual length.

    add        h + c * norm * u
    piecewise  h + c * norm * u * sign(h . u), away from the boundary between the two sides
    renormed   the result, scaled to the length of h

Source: Zou et al. 2023 (arXiv 2310.01405), whose coefficients count the raw vector. Our deviation: the unit of c, which
makes layers, models and random directions comparable. The weights keep every bit.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.arguments import checked_call
from holdfast.intervene.base import require_base
from holdfast.intervene.edit.amounts import require_coefficient
from holdfast.intervene.edit.options import Rule, Where
from holdfast.made_by import maker_words
from holdfast.models.activation_sites import residual_site, residual_sites
from holdfast.models.activations import changing
from holdfast.models.given import model_words, module_of
from holdfast.models.load import LoadedModel
from holdfast.spelling import meant
from holdfast.value_or_path import as_direction
from holdfast.values import Direction


def require_width(direction: Direction, model: PreTrainedModel, words: str) -> None:
    """Raises ValueError where the model's residual stream has another width than the direction's model.

    Args:
        direction: the direction.
        model: the model, with or without values.
        words: words for the model.
    """
    width = residual_sites(model)[0].shape[0]
    if len(direction.vector) != width:
        raise ValueError(
            f"the direction was made for another model: the residual stream of {maker_words(direction.made_by)} has "
            f"{len(direction.vector)} dimensions, and that of {words} has {width}; give a direction of this model."
        )


@checked_call
def steered(
    model: PreTrainedModel | LoadedModel,
    direction: Direction | str | Path,
    coefficient: float,
    *,
    rule: Rule = "add",
    renorm: bool = False,
    where: Where = "all",
    check_base: bool = True,
) -> AbstractContextManager[None]:
    """Context manager that moves the residual stream along a direction, and takes the change away at its end.

    Args:
        model: the model that the direction was found in, or a LoadedModel. Its weights are not changed.
        direction: a Direction, or the path of its file.
        coefficient: how far, in units of the usual length of the states. A negative number moves the other way. 0 is an
            error.
        rule: `add` moves every state the same way, `piecewise` away from the boundary of the two sides.
        renorm: True gives the moved state the length that it had.
        where: tokens whose states are moved. `prompt` and `response` tell the two apart by the forward pass: the prompt
            passes as several tokens, each token of the response by itself.
        check_base: True refuses a direction of another model. The check hashes all weights.

    Raises:
        ValueError: the direction is of another model or width, the coefficient is 0 or not finite, or an option is
            unknown.
    """
    model = module_of(model)
    given = as_direction(direction)
    require_coefficient(coefficient)
    for name, value, allowed in (("rule", rule, get_args(Rule)), ("where", where, get_args(Where))):
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}; {meant(str(value), allowed)}.")
    require_width(given, model, model_words(model))
    require_base("the direction", given, model, check_base=check_base)
    residual_site(model, given.layer)  # raises ValueError where the model has no such layer
    return _moving(model, given, mover(given, coefficient, rule, renorm), where)


@contextmanager
def _moving(
    model: PreTrainedModel, direction: Direction, move: Callable[[Tensor], Tensor], where: Where
) -> Iterator[None]:
    with changing(model, residual_site(model, direction.layer), lambda states: _at(states, move, where)):
        yield


def mover(direction: Direction, coefficient: float, rule: Rule, renorm: bool) -> Callable[[Tensor], Tensor]:
    """Returns the function that moves states (..., d_model). It computes in float32."""
    unit, length = direction.unit, coefficient * direction.norm

    def move(states: Tensor) -> Tensor:
        before, along = states.float(), unit.to(states.device)
        side = torch.sign(before @ along)[..., None] if rule == "piecewise" else 1.0
        after = before + length * side * along
        if renorm:
            after = after * (before.norm(dim=-1, keepdim=True) / after.norm(dim=-1, keepdim=True).clamp_min(1e-30))
        return after.to(states.dtype)

    return move


def _at(states: Tensor, move: Callable[[Tensor], Tensor], where: Where) -> Tensor:
    """Moves the states (batch, token, d_model) of some tokens. Rows are padded on the left, so the last one is real."""
    if where == "prompt" and states.shape[1] == 1:
        return states
    if where != "response":
        return move(states)
    return torch.cat([states[:, :-1], move(states[:, -1:])], 1)
