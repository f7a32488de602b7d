"""How a model calls its layers, found by its own code: for a moment its layers are stood in for by nothing.

A layer that is run by itself has to be called as the model calls it, with the masks and positions that the model makes.
So the model's forward pass is run with stand-ins that hand on what they are given, up to the layer that is asked about.
Nothing is known of any family. That each layer's output is the next one's input, and nothing else passes between them,
is checked, and a model in which it is otherwise is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

Hidden = Float[Tensor, "batch token d_model"]
StandIn = Callable[..., Tensor]
"""Takes a layer's number and what it is called with."""


@dataclass(frozen=True, eq=False)
class LayerCall:
    """What a layer is called with, for one batch."""

    hidden: Hidden
    """The hidden states that come out of the embedding; every layer's have their shape and dtype."""
    others: tuple[Any, ...]
    named: dict[str, Any]

    def run(self, layer: nn.Module, hidden: Hidden) -> Hidden:
        """The layer's output for hidden states of that shape.

        Raises:
            ValueError: it hands on something else than hidden states, or draws random numbers.
        """
        before = _random_states(hidden.device)
        output = layer(hidden, *self.others, **self.named)
        if not isinstance(output, Tensor) or output.shape != hidden.shape or output.dtype != hidden.dtype:
            raise _refusal(layer, f"hands on {_told(output)} in place of {_told(hidden)}")
        if not all(map(torch.equal, before, _random_states(hidden.device))):
            raise _refusal(layer, "draws random numbers")
        return output


def call_of(layers: Sequence[nn.Module], number: int, run: Callable[[], object]) -> LayerCall:
    """What a layer is called with in a forward pass, which is ended there.

    Args:
        layers: the model's layers in order.
        number: of the layer.
        run: makes the forward pass.

    Raises:
        ValueError: the model calls its layers in another order, does something between them, or hands them what could
            carry more than masks and positions from one to the next.
    """
    expected = _InOrder(layers)

    def stand_in(place: int, hidden: Tensor, *others: Any, **named: Any) -> Tensor:
        expected.check(place, hidden)
        if place == number:
            _refuse_state(layers[place], [*others, *named.values()])
            raise _Reached(LayerCall(hidden.detach(), others, named))
        return hidden

    try:
        with _standing_in(layers, stand_in):
            run()
    except _Reached as reached:
        return reached.call
    raise _refusal(layers[number], "is never called")


@contextmanager
def ending_in(layers: Sequence[nn.Module], last: Callable[[Hidden], Hidden]) -> Iterator[None]:
    """Within it, a forward pass leaves out its layers, and `last` gives what the last one hands on.

    Raises:
        ValueError: not exactly one forward pass was made.
    """
    expected = _InOrder(layers)

    def stand_in(place: int, hidden: Tensor, *others: Any, **named: Any) -> Tensor:
        expected.check(place, hidden)
        if place + 1 < len(layers):
            return hidden
        return last(hidden)

    with _standing_in(layers, stand_in):
        yield
    if expected.next != len(layers):
        raise _refusal(layers[-1], "is never called")


class _Reached(Exception):  # noqa: N818  (nothing went wrong: the pass has come to where it was to end)
    def __init__(self, call: LayerCall) -> None:
        super().__init__()
        self.call = call


class _InOrder:
    """Checks that stand-ins are called one after another, each with what the one before it handed on."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = layers
        self.next = 0
        self.handed_on: Tensor | None = None

    def check(self, place: int, hidden: Tensor) -> None:
        if place != self.next:
            raise _refusal(self.layers[place], "is called out of order, or more than once")
        if place and hidden is not self.handed_on:
            raise _refusal(self.layers[place], "is not given what the layer before it hands on")
        self.next, self.handed_on = place + 1, hidden


@contextmanager
def _standing_in(layers: Sequence[nn.Module], stand_in: StandIn) -> Iterator[None]:
    """The modules stay in their places, so that whatever the model asks them for is there; only forward is another."""
    before = [layer.__dict__.get("forward") for layer in layers]
    try:
        for place, layer in enumerate(layers):
            layer.forward = partial(stand_in, place)
        yield
    finally:
        for layer, forward in zip(layers, before, strict=True):
            del layer.forward
            if forward is not None:
                layer.forward = forward


def _refuse_state(layer: nn.Module, given: Sequence[Any]) -> None:
    """Raises ValueError when a layer is given something that it could change, such as a cache."""
    for one in given:
        if isinstance(one, tuple):
            _refuse_state(layer, one)
        elif not (one is None or isinstance(one, Tensor | bool | int | float | str)):
            raise _refusal(layer, f"is given a {type(one).__name__}, which could carry more from layer to layer")
        elif isinstance(one, Tensor) and one.requires_grad:
            raise _refusal(layer, "is given a tensor beside the hidden states that needs a gradient")


def _refusal(layer: nn.Module, what: str) -> ValueError:
    return ValueError(
        f"layers of this model can't be worked on one by one: {type(layer).__name__} {what}; leave layer-wise out."
    )


def _told(given: object) -> str:
    return f"a tensor of shape {tuple(given.shape)}" if isinstance(given, Tensor) else f"a {type(given).__name__}"


def _random_states(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, torch.get_device_module(device).get_rng_state(device)]
