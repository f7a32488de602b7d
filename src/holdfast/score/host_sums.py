"""Gradients that are added up in host memory while the device goes on with its pass.

A gradient is copied on a stream of its own into page-locked memory, and added to its sum when others have come after
it: by then it is there, and the device is at work on the next layers. So the device holds a few gradients and no sum.
"""

from collections import deque
from typing import Any

import torch
from torch import Tensor

AHEAD = 2
"""Gradients on their way at most; the device holds each until it is copied."""


class HostSums:
    """Adds the gradients of one device to sums in host memory; they are all there after `finish`."""

    def __init__(self, place: torch.device) -> None:
        self._place = place
        self._stream: Any = None
        self._waiting: deque[tuple[Tensor, Tensor, Tensor, Any]] = deque()

    def add(self, total: Tensor, gradient: Tensor) -> None:
        """Sends a gradient on its way into its sum; what came before it is added up meanwhile."""
        device = torch.get_device_module(self._place)
        self._stream = self._stream or device.Stream()
        self._stream.wait_stream(device.current_stream(self._place))  # the gradient is complete
        copied = device.Event()
        with device.stream(self._stream):
            staged = torch.empty(gradient.shape, dtype=gradient.dtype, pin_memory=self._place.type != "cpu")
            staged.copy_(gradient, non_blocking=True)
            copied.record(self._stream)
        # With the gradient itself: its memory must not be given away while it is copied.
        self._waiting.append((total, staged, gradient, copied))
        while len(self._waiting) > AHEAD:
            self._add_oldest()

    def finish(self) -> None:
        """Adds what is still on its way."""
        while self._waiting:
            self._add_oldest()

    def _add_oldest(self) -> None:
        total, staged, _, copied = self._waiting.popleft()
        copied.synchronize()
        total.add_(staged)
