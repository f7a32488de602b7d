"""Gradients on their way to sums in host memory: none is lost, few are held, none is added before it is there."""

import gc
import weakref

import pytest
import torch

from holdfast.score.host_sums import AHEAD, HostSums

CPU = torch.device("cpu")


def test_every_gradient_is_in_its_sum_once_all_are_finished():
    totals = {name: torch.zeros(3) for name in ("a", "b")}
    sums = HostSums(CPU)
    for number in range(5):
        for name, total in totals.items():
            sums.add(total, torch.full((3,), number + (10.0 if name == "b" else 0.0), dtype=torch.bfloat16))
    assert totals["a"].tolist() != [10.0] * 3  # the last ones are still on their way
    sums.finish()
    assert (totals["a"].tolist(), totals["b"].tolist()) == ([10.0] * 3, [60.0] * 3)
    sums.finish()
    assert totals["a"].tolist() == [10.0] * 3


def test_no_more_gradients_are_held_than_are_on_their_way():
    sums, held, total = HostSums(CPU), [], torch.zeros(2)
    for _ in range(6):
        gradient = torch.ones(2)
        held.append(weakref.ref(gradient))
        sums.add(total, gradient)
        del gradient
    gc.collect()
    assert sum(one() is not None for one in held) == AHEAD
    sums.finish()
    assert all(one() is None for one in held)


def test_a_gradient_is_added_when_its_copy_is_there_and_not_before(monkeypatch):
    happened: list[str] = []
    total = torch.zeros(1)

    class Event(torch.cpu.Event):
        def synchronize(self) -> None:
            happened.append(f"waited at {total.item():g}")

    monkeypatch.setattr(torch.cpu, "Event", Event)
    sums = HostSums(CPU)
    for _ in range(AHEAD + 2):
        sums.add(total, torch.ones(1))
    assert happened == ["waited at 0", "waited at 1"]
    sums.finish()
    assert happened[2:] == [f"waited at {number}" for number in range(2, AHEAD + 2)]


def test_the_copy_begins_when_the_gradient_is_complete(monkeypatch):
    happened: list[str] = []

    class Stream(torch.cpu.Stream):
        def wait_stream(self, stream) -> None:
            happened.append("waited for the pass")

    class Event(torch.cpu.Event):
        def record(self, stream=None) -> None:
            assert isinstance(stream, Stream)
            happened.append("copied")

    monkeypatch.setattr(torch.cpu, "Stream", Stream)
    monkeypatch.setattr(torch.cpu, "Event", Event)
    HostSums(CPU).add(torch.zeros(1), torch.ones(1))
    assert happened == ["waited for the pass", "copied"]


def test_another_shape_is_refused():
    sums = HostSums(CPU)
    sums.add(torch.zeros(2), torch.ones(3))
    with pytest.raises(RuntimeError):
        sums.finish()
