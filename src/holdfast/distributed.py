"""Work in several processes: the rank of this one, its share of a list, and sums over all of them.

`torchrun` or `accelerate launch` starts the processes, torch.distributed connects them, and all run the same program.
A single process communicates nothing. Processes combine only additive statistics: sums, counts, histograms.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, Store  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.rendezvous import rendezvous

from holdfast.errors import LostProcessError

Item = TypeVar("Item")
Result = TypeVar("Result")
LONGEST_WAIT = timedelta(minutes=30)
"""Timeout of a collective call. No single batch and no single file takes as long."""
LONGEST_SILENCE = timedelta(seconds=15)
"""Timeout for another process to confirm an error message. It may still be busy with imports."""


def world_size() -> int:
    """Number of processes that work together."""
    return dist.get_world_size() if _connected() else 1


def rank() -> int:
    """Rank of this process, from 0."""
    return dist.get_rank() if _connected() else 0


@contextmanager
def joined() -> Iterator[None]:
    """Context manager that connects the processes that were started together. Connected processes stay connected.

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
    signal.signal(signal.SIGTERM, _stopped)  # launchers send it to the other processes when one has ended
    try:
        with _printed_once(store), _losses_reported():
            yield
            dist.barrier()  # the process that leaves first would close the connection
    finally:
        dist.destroy_process_group()


def share(items: Sequence[Item]) -> Sequence[Item]:
    """Returns every n-th item, for this one of n processes. Items sorted by size are then shared out evenly."""
    return items[rank() :: world_size()]


def share_of(count: int) -> range:
    """Share of this process as a range of consecutive positions below `count`."""
    length = -(-count // world_size())
    begin = min(rank() * length, count)
    return range(begin, min(begin + length, count))


def in_step(items: Sequence[Item], spare: Callable[[], Item]) -> Iterator[tuple[Item, bool]]:
    """Yields equally many items in every process, so that collective calls line up. Fillers come with False.

    Args:
        items: the items of this process.
        spare: makes the filler for a process without items. A process with some repeats its last one.
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


def gathered(own: Item) -> list[Item]:
    """Gathers a small object from every process, in the order of ranks."""
    if world_size() == 1:
        return [own]
    objects: list[Item | None] = [None] * world_size()
    dist.all_gather_object(objects, own)
    return cast(list[Item], objects)


def first(call: Callable[[], Result]) -> Result:
    """Calls a function in the first process and returns its result in all of them.

    A ValueError or OSError of the call is raised in all of them too.
    """
    if world_size() == 1:
        return call()
    outcome: list[Result | ValueError | OSError | None] = [None, None]
    if rank() == 0:
        try:
            outcome[0] = call()
        except (ValueError, OSError) as error:
            outcome[1] = error
    dist.broadcast_object_list(outcome, src=0)
    result, error = outcome
    if isinstance(error, Exception):
        raise error
    return cast(Result, result)


def wait_for_all() -> None:
    """Waits until every process has called it."""
    if world_size() > 1:
        dist.barrier()


def refuse_different(what: str, fingerprint: str) -> None:
    """Raises ValueError in all processes when their inputs differ.

    Args:
        what: name of the inputs for the error, in the plural.
        fingerprint: a hash of the inputs of this process.
    """
    if len(set(gathered(fingerprint))) > 1:
        raise ValueError(
            f"the {world_size()} processes were given different {what}; start them all with the same command, on files "
            "that are the same everywhere."
        )


def _connected() -> bool:
    return dist.is_available() and dist.is_initialized()


@contextmanager
def _losses_reported() -> Iterator[None]:
    """Turns torch's report of a broken connection into a LostProcessError of one sentence."""
    try:
        yield
    except dist.DistError as error:
        raise _lost() from error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in ("Connection closed by peer", "Connection reset", "[gloo", "/gloo/")):
            raise
        raise _lost() from error


@contextmanager
def _printed_once(store: Store) -> Iterator[None]:
    """Marks an error that needs no printing here: the first process prints the same, or the error reports its loss."""
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        with suppress(dist.DistError, RuntimeError):  # the store ends with the first process, which printed no error
            if rank() == 0:
                store.set("error", str(error))
                if not isinstance(error, LostProcessError):  # this process may hold the store, which ends with it
                    store.wait([f"received by {other}" for other in range(1, world_size())], LONGEST_SILENCE)
            else:
                store.wait(["error"], LONGEST_SILENCE)
                error.is_printed = store.get("error").decode() == str(error) or isinstance(error, LostProcessError)  # pyright: ignore[reportAttributeAccessIssue]
                store.set(f"received by {rank()}", "")
        raise


def _stopped(*_: object) -> None:
    raise _lost("another program ended the run, or ")


def _lost(before: str = "") -> LostProcessError:
    return LostProcessError(
        f"{before}another of the {world_size()} processes has ended, and this one can't continue without it; read the "
        "error of that process, then run the same command again to continue from its last saved state."
    )
