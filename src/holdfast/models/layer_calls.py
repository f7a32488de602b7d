"""Records how a model calls its layers: its forward pass runs with the layers replaced by stand-ins.

To run a layer by itself, one needs the arguments that the model passes, with the masks and positions that it makes. So
stand-ins return the hidden states unchanged, up to the layer in question. This works for every model family. The file
checks that each layer's output is the next one's input, and that nothing else passes between layers. It refuses any
other model.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

Hidden = Float[Tensor, "batch token d_model"]
StandIn = Callable[..., Tensor]
"""Receives a layer's number and the arguments of its call."""


@dataclass(frozen=True, eq=False)
class LayerCall:
    """The arguments that a layer receives, for one batch."""

    hidden: Hidden
    """Hidden states that come out of the embedding. The hidden states of every layer have their shape and dtype."""
    others: tuple[object, ...]
    named: dict[str, object]

    def run(self, layer: nn.Module, hidden: Hidden) -> Hidden:
        """Returns the layer's output for hidden states of that shape.

        Raises:
            ValueError: the layer returns something else than hidden states, or draws random numbers.
        """
        before = _random_states(hidden.device)
        output = layer(hidden, *self.others, **self.named)
        if not isinstance(output, Tensor) or output.shape != hidden.shape or output.dtype != hidden.dtype:
            raise _refusal(layer, f"returns {_described(output)} in place of {_described(hidden)}")
        if not all(map(torch.equal, before, _random_states(hidden.device))):
            raise _refusal(layer, "draws random numbers")
        return output


def call_of(layers: Sequence[nn.Module], number: int, run: Callable[[], object]) -> LayerCall:
    """Runs a forward pass up to a layer, and returns the arguments that the layer would receive.

    Args:
        layers: the model's layers in order.
        number: index of the layer.
        run: makes the forward pass.

    Raises:
        ValueError: the model calls its layers in another order, does something between them, or passes them objects
            that could carry more than masks and positions from one to the next.
    """
    expected = _InOrder(layers)

    def stand_in(place: int, hidden: Tensor, *others: object, **named: object) -> Tensor:
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
    """Skips the layers of a forward pass within the block, and lets `last` give the output of the last one.

    Raises:
        ValueError: the block made no forward pass, or more than one.
    """
    expected = _InOrder(layers)

    def stand_in(place: int, hidden: Tensor, *others: object, **named: object) -> Tensor:
        expected.check(place, hidden)
        if place + 1 < len(layers):
            return hidden
        return last(hidden)

    with _standing_in(layers, stand_in):
        yield
    if expected.next != len(layers):
        raise _refusal(layers[-1], "is never called")


class _Reached(Exception):  # noqa: N818  (no error: it ends the forward pass at the layer in question)
    def __init__(self, call: LayerCall) -> None:
        super().__init__()
        self.call = call


class _InOrder:
    """Checks that the model calls the stand-ins in order, each with the output of the one before it."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = layers
        self.next = 0
        self.handed_on: Tensor | None = None

    def check(self, place: int, hidden: Tensor) -> None:
        if place != self.next:
            raise _refusal(self.layers[place], "is called out of order, or more than once")
        if place and hidden is not self.handed_on:
            raise _refusal(self.layers[place], "does not receive the output of the layer before it")
        self.next, self.handed_on = place + 1, hidden


@contextmanager
def _standing_in(layers: Sequence[nn.Module], stand_in: StandIn) -> Iterator[None]:
    """Replaces the layers' `forward` within the block.

    The modules stay in place, so the model finds their attributes.
    """
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


def _refuse_state(layer: nn.Module, given: Sequence[object]) -> None:
    """Raises ValueError if a layer receives an object that it could change, such as a cache."""
    for argument in given:
        if isinstance(argument, tuple):
            _refuse_state(layer, argument)
        elif not (argument is None or isinstance(argument, Tensor | bool | int | float | str)):
            raise _refusal(
                layer, f"receives a {type(argument).__name__}, which could carry more than masks from layer to layer"
            )
        elif isinstance(argument, Tensor) and argument.requires_grad:
            raise _refusal(layer, "receives a tensor beside the hidden states that needs a gradient")


def _refusal(layer: nn.Module, problem: str) -> ValueError:
    return ValueError(
        f"the layers of this model can't run one at a time: {type(layer).__name__} {problem}; leave layer-wise out."
    )


def _described(given: object) -> str:
    return f"a tensor of shape {tuple(given.shape)}" if isinstance(given, Tensor) else f"a {type(given).__name__}"


def _random_states(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, torch.get_device_module(device).get_rng_state(device)]
