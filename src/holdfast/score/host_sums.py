"""Adds up gradients in host memory while the device continues its pass.

A gradient is copied on a stream of its own into page-locked memory. It is added to its sum once later gradients have
arrived: by then the copy is done, and the device works on the next layers. So the device holds a few gradients and no
sum.
"""

from collections import deque
from typing import Protocol

import torch
from torch import Tensor

AHEAD = 2
"""Most gradients in flight. The device holds each until it is copied."""


class Stream(Protocol):
    """A stream of a device, also of the CPU, whose class in torch has no base in common with the others."""

    def wait_stream(self, stream: object) -> None: ...


class Event(Protocol):
    """An event on such a stream."""

    def record(self, stream: object) -> None: ...
    def synchronize(self) -> None: ...


class HostSums:
    """Adds the gradients of one device to sums in host memory. The sums are complete after `finish`."""

    def __init__(self, place: torch.device) -> None:
        self._place = place
        self._stream: Stream | None = None
        self._waiting: deque[tuple[Tensor, Tensor, Tensor, Event]] = deque()

    def add(self, total: Tensor, gradient: Tensor) -> None:
        """Starts the copy of a gradient, and adds earlier gradients to their sums meanwhile."""
        device = torch.get_device_module(self._place)
        stream = self._stream = self._stream or device.Stream()
        stream.wait_stream(device.current_stream(self._place))  # the gradient is complete
        copied = device.Event()
        with device.stream(stream):
            staged = torch.empty(gradient.shape, dtype=gradient.dtype, pin_memory=self._place.type != "cpu")
            staged.copy_(gradient, non_blocking=True)
            copied.record(stream)
        # The queue keeps the gradient too, so that its memory is not reused while it is copied.
        self._waiting.append((total, staged, gradient, copied))
        while len(self._waiting) > AHEAD:
            self._add_oldest()

    def finish(self) -> None:
        """Adds all gradients that are still in flight."""
        while self._waiting:
            self._add_oldest()

    def _add_oldest(self) -> None:
        total, staged, _, copied = self._waiting.popleft()
        copied.synchronize()
        total.add_(staged)
