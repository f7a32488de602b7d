"""Reads and changes activations within a block. These two context managers are the package's way to hook a model.

    with reading(model, sites) as activations:
        model(token_ids)
    activations[site.name]                          (batch, token, *site.shape), of the latest forward pass

    with changing(model, site, lambda neurons: neurons * scale):
        model(token_ids)

Modules that return tuples, and modules that see batch and tokens flattened, are handled here. The model is given back
without a hook, also after an exception. Blocks can be nested: the outer one comes first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import prod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from holdfast.models.activation_sites import ActivationSite
from holdfast.models.expert_neurons import tapping_experts

Activation = Float[Tensor, "batch token ..."]
Positions = tuple[Int[Tensor, " position"], Int[Tensor, " position"]]
"""Rows of the batch and columns of tokens, one pair a position. A negative column counts from the last token."""
Tap = Callable[[Tensor], Tensor | None]
"""Receives an activation by batch and token, and returns what to go on with. None leaves it unchanged."""


class Activations(dict[str, Tensor]):
    """Activations by the name of their site."""

    def __missing__(self, name: str) -> Tensor:
        raise ValueError(
            f"no activation of {name!r} was read; run the model within the block, and name a site given to it."
        )


@contextmanager
def reading(
    model: PreTrainedModel, sites: Iterable[ActivationSite], at: Positions | None = None
) -> Iterator[Mapping[str, Tensor]]:
    """Keeps the activations of these sites in every forward pass within the block, the latest in place of earlier ones.

    They are (batch, token, *site.shape), or (position, *site.shape) where positions are given. They belong to the graph
    of the forward pass if it records gradients, and have the model's dtype.

    Raises:
        ValueError: the model has no such site, or one that sees only some of the tokens.
    """
    activations = Activations()

    def keep(name: str) -> Tap:
        def tap(activation: Tensor) -> None:
            activations[name] = activation if at is None else activation[_on(at, activation.device)]

        return tap

    with ExitStack() as stack:
        for site in sites:
            stack.enter_context(_tapping(model, site, keep(site.name)))
        yield activations


@contextmanager
def changing(
    model: PreTrainedModel,
    site: ActivationSite,
    function: Callable[[Tensor], Tensor],
    at: Positions | None = None,
) -> Iterator[None]:
    """Passes the activation of a site through a function in every forward pass within the block.

    The function receives (batch, token, *site.shape), or (position, *site.shape) where positions are given, and returns
    the same shape. Other positions keep their activations. Gradients flow through the function.

    Raises:
        ValueError: the model has no such site or one that sees only some of the tokens, or the function returns another
            shape.
    """

    def tap(activation: Tensor) -> Tensor:
        if at is None:
            return _checked(site, activation, function(activation))
        places = _on(at, activation.device)
        before = activation[places]
        return activation.index_put(places, _checked(site, before, function(before)))

    with _tapping(model, site, tap):
        yield


@contextmanager
def _tapping(model: PreTrainedModel, site: ActivationSite, tap: Tap) -> Iterator[None]:
    batch: list[tuple[int, ...]] = []

    def tap_any_shape(activation: Tensor) -> Tensor:
        changed = tap(_by_token(site, activation, batch[-1]))
        return activation if changed is None else changed.reshape(activation.shape)

    def watch(_: nn.Module, given: tuple[object, ...], named: dict[str, object]) -> None:
        batch[:] = [_first_tensor([*given, *named.values()]).shape[:2]]

    with ExitStack() as stack:
        layer = _module(model, site.layer_path, site)
        stack.callback(layer.register_forward_pre_hook(watch, with_kwargs=True).remove)
        stack.enter_context(_tapping_module(model, site, tap_any_shape))
        yield


@contextmanager
def _tapping_module(model: PreTrainedModel, site: ActivationSite, tap: Callable[[Tensor], Tensor]) -> Iterator[None]:
    owner_path, _, word = site.path.rpartition(".")
    owner = _module(model, owner_path, site)
    if isinstance(getattr(owner, word, None), nn.Parameter):
        with tapping_experts(model, owner, tap):
            yield
        return
    module = _module(model, site.path, site)
    register = module.register_forward_hook if site.side == "output" else module.register_forward_pre_hook
    handle = register(_on_output(tap) if site.side == "output" else _on_input(tap))  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        handle.remove()


def _on_input(tap: Callable[[Tensor], Tensor]) -> Callable[..., tuple[object, ...]]:
    def hook(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[object, ...]:
        return (tap(given[0]), *given[1:])

    return hook


def _on_output(tap: Callable[[Tensor], Tensor]) -> Callable[..., object]:
    def hook(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> object:
        return (tap(output[0]), *output[1:]) if isinstance(output, tuple) else tap(output)

    return hook


def _by_token(site: ActivationSite, activation: Tensor, batch: tuple[int, ...]) -> Activation:
    """Returns an activation as (batch, token, *site.shape), from whatever way its module sees tokens."""
    if activation.numel() != prod(batch) * prod(site.shape):
        raise ValueError(
            f"activations of {site.name!r} have shape {tuple(activation.shape)} for {' x '.join(map(str, batch))} "
            "tokens: the module sees only some of them, so their positions are unknown; choose another site."
        )
    return activation.reshape(*batch, *site.shape)


def _checked(site: ActivationSite, before: Tensor, after: Tensor) -> Tensor:
    if not isinstance(after, Tensor) or after.shape != before.shape:
        given = tuple(after.shape) if isinstance(after, Tensor) else type(after).__name__
        raise ValueError(f"the function for {site.name!r} returned {given}; return shape {tuple(before.shape)}.")
    return after.to(before.dtype)


def _module(model: PreTrainedModel, path: str, site: ActivationSite) -> nn.Module:
    try:
        return model.get_submodule(path)
    except AttributeError:
        raise ValueError(
            f"{type(model).__name__} has no module {path!r} for the site {site.name!r}; take sites from the same model."
        ) from None


def _first_tensor(given: Iterable[object]) -> Tensor:
    return next(one for one in given if isinstance(one, Tensor))


def _on(at: Positions, device: torch.device) -> tuple[Tensor, Tensor]:
    rows, columns = at
    return rows.to(device), columns.to(device)
