"""Several processes at work on one thing: which one this is, its share of a list, sums over all of them.

`torchrun` or `accelerate launch` starts them, torch.distributed connects them, and all of them run the same program. In
one process nothing here does anything. Only what adds up is combined: sums, counts, histograms.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, Store  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.rendezvous import rendezvous

Item = TypeVar("Item")
Result = TypeVar("Result")
LONGEST_WAIT = timedelta(minutes=30)
"""For another process, before this one gives it up: one batch, or one file, never takes as long."""
LONGEST_SILENCE = timedelta(seconds=15)
"""Of another process, which may still be importing, before this one goes on without having heard from it."""


class LostProcessError(ConnectionError):
    """Another process of this run has ended."""


def world_size() -> int:
    """Processes that work together."""
    return dist.get_world_size() if _connected() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if _connected() else 0


@contextmanager
def joined() -> Iterator[None]:
    """Connects the processes that were started together, for as long as it lasts; connected ones stay so.

    Raises:
        LostProcessError: one of them ended while the others waited for it.
    """
    if _connected() or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    store, own_rank, size = next(rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    connected = PrefixStore("connected", store)
    dist.init_process_group(backend, store=connected, rank=own_rank, world_size=size, timeout=LONGEST_WAIT)
    signal.signal(signal.SIGTERM, _stopped)  # what launchers send to the others when one has ended
    try:
        with _told_once(store), _losses_told():
            yield
            dist.barrier()  # whoever leaves first takes the connection with it
    finally:
        dist.destroy_process_group()


def share(items: Sequence[Item]) -> Sequence[Item]:
    """Every n-th item for this one of n processes; what is sorted by size is shared out evenly."""
    return items[rank() :: world_size()]


def share_of(count: int) -> range:
    """The consecutive positions, of so many, that are this process's."""
    length = -(-count // world_size())
    begin = min(rank() * length, count)
    return range(begin, min(begin + length, count))


def in_step(items: Sequence[Item], spare: Callable[[], Item]) -> Iterator[tuple[Item, bool]]:
    """As many items in each process, for what all of them have to take part in; False with those that make up for less.

    Args:
        items: this process's own.
        spare: what a process takes that has none; else it repeats its last.
    """
    most = max(gathered(len(items)))
    for place in range(most):
        own = place < len(items)
        yield items[place] if own else items[-1] if items else spare(), own


def all_sum(tensor: Tensor) -> Tensor:
    """Replaces a tensor by its sum over the processes, and returns it."""
    if world_size() > 1:
        dist.all_reduce(tensor)
    return tensor


def gathered(one: Item) -> list[Item]:
    """What every process has, in the order of their ranks; of small things."""
    if world_size() == 1:
        return [one]
    found: list[Any] = [None] * world_size()
    dist.all_gather_object(found, one)
    return found


def first(call: Callable[[], Result]) -> Result:
    """What a call gives in the first process, for all of them; a ValueError that it raises is raised in all."""
    if world_size() == 1:
        return call()
    outcome: list[Any] = [None, None]
    if rank() == 0:
        try:
            outcome[0] = call()
        except (ValueError, OSError) as error:
            outcome[1] = error
    dist.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def wait_for_all() -> None:
    """Returns when every process has come here."""
    if world_size() > 1:
        dist.barrier()


def refuse_different(what: str, fingerprint: str) -> None:
    """Raises ValueError, in all processes, when they were given different things.

    Args:
        what: what was given, in the plural.
        fingerprint: equal where they are.
    """
    if len(set(gathered(fingerprint))) > 1:
        raise ValueError(
            f"the {world_size()} processes were given different {what}; start them all with the same command, on files "
            "that are the same everywhere."
        )


def _connected() -> bool:
    return dist.is_available() and dist.is_initialized()


@contextmanager
def _losses_told() -> Iterator[None]:
    """Says in one sentence that another process was lost, where torch reports a broken connection."""
    try:
        yield
    except dist.DistError as error:
        raise _lost() from error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in ("Connection closed by peer", "Connection reset", "[gloo", "/gloo/")):
            raise
        raise _lost() from error


@contextmanager
def _told_once(store: Store) -> Iterator[None]:
    """Marks an error as told, for whoever prints it, where the first process has the same or is what was lost."""
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        with suppress(dist.DistError, RuntimeError):  # the store is gone with the first process, which said nothing
            if rank() == 0:
                store.set("said", str(error))
                if not isinstance(error, LostProcessError):  # the store may be this process's own, and end with it
                    store.wait([f"heard by {other}" for other in range(1, world_size())], LONGEST_SILENCE)
            else:
                store.wait(["said"], LONGEST_SILENCE)
                error.is_told = store.get("said").decode() == str(error) or isinstance(error, LostProcessError)  # pyright: ignore[reportAttributeAccessIssue]
                store.set(f"heard by {rank()}", "")
        raise


def _stopped(*_: object) -> None:
    raise _lost("the run was ended from outside, or ")


def _lost(before: str = "") -> LostProcessError:
    return LostProcessError(
        f"{before}another of the {world_size()} processes has ended, and this one can't go on without it; look at what "
        "that one said, then run the same command again: it goes on from what was kept."
    )
