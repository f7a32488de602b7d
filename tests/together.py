"""Runs a function in several processes on the CPU, as torchrun would start them."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.multiprocessing.spawn import start_processes

from holdfast.distributed import joined


def run_together(num_processes: int, work: Callable[..., None], *arguments: Any) -> None:
    """Returns when all have ended; what one raises is raised."""
    given = (num_processes, free_port(), work, arguments)
    multiprocessing.set_forkserver_preload([work.__module__])  # one process imports everything, and the others are its
    start_processes(_enter, given, nprocs=num_processes, start_method="forkserver")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start_together(rank: int, num_processes: int, port: int) -> AbstractContextManager[None]:
    """What a process of that rank runs in."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(num_processes)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    return joined()


def _enter(rank: int, num_processes: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    with start_together(rank, num_processes, port):
        work(*arguments)
