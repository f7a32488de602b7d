"""Runs a function in several processes on the CPU, as torchrun would start them."""

import os
import socket
from collections.abc import Callable
from typing import Any

import torch
from torch.multiprocessing import start_processes

from holdfast.distributed import joined


def run_together(num_processes: int, work: Callable[..., None], *arguments: Any) -> None:
    """Returns when all have ended; what one raises is raised."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start_processes(_enter, (num_processes, port, work, arguments), nprocs=num_processes, start_method="spawn")


def _enter(rank: int, num_processes: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(num_processes)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with joined():
        work(*arguments)
