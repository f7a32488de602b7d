"""How long exact selection from a billion scores takes that lie in four processes, and what memory each needs.

Score i of all is the float whose bits are i times a constant, modulo their number: a permutation, so that the largest
1% are known without sorting. Every process makes its own quarter, selects together with the others, and compares each
of its own entries with what is known.

Bars: exact; beyond its scores a process needs no more than two histograms, its candidates (8 bytes each, twice while
they are put together) and a block. Runs on two cores; needs 6 GB.
"""

import argparse
import json
import os
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.multiprocessing.spawn import start_processes

from holdfast.distributed import gathered, joined, rank, share_of, wait_for_all
from holdfast.select.blocks import BLOCK, HALF_BITS
from holdfast.select.ranking import select_extreme
from holdfast.values import ScoresShard

FRACTION = 0.01
STRIDE = 382_682_683  # shares no factor with powers of ten: multiples of it modulo one are all different
TENSORS = 4
HISTOGRAM = 8 * 2**HALF_BITS
SLACK = 8 * 2**20
"""Bytes for blocks of a selection, their temporaries, and what the allocator rounds up."""


def bits_of(first: int, last: int, total: int) -> np.ndarray:
    """The bits of scores number `first` to `last`, in pieces that keep int64 products small beside the scores."""
    found = np.empty(last - first, dtype=np.uint32)
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        found[start - first : stop - first] = np.arange(start, stop, dtype=np.int64) * STRIDE % total
    return found


def make_shard(total: int) -> ScoresShard:
    """This process's part of the scores of a few equal tensors."""
    size = total // TENSORS
    part = share_of(size)
    parts = {
        f"layer_{tensor}": bits_of(tensor * size + part.start, tensor * size + part.stop, total)
        for tensor in range(TENSORS)
    }
    return ScoresShard(
        {name: torch.from_numpy(bits.view(np.float32)) for name, bits in parts.items()},
        "unit",
        "base",
        total,
        whole_shapes=dict.fromkeys(parts, (size,)),
        starts=dict.fromkeys(parts, part.start),
    )


def is_exact(shard: ScoresShard, mask, num_selected: int) -> bool:
    """Whether every entry here is selected that has to be, and no other."""
    for name, scores in shard.entries.items():
        bits = scores.numpy().view(np.uint32)
        chosen = mask[name].numpy() - shard.starts[name]
        lowest = shard.num_entries - num_selected
        if not (bits[chosen] >= lowest).all() or len(chosen) != int((bits >= lowest).sum()):
            return False
    return True


def peak_bytes() -> int:
    """Highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def work(number: int, num_processes: int, port: int, total: int, out: Path) -> None:
    """One of the processes; the first writes what all have measured."""
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": str(num_processes)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with joined():
        shard = make_shard(total)
        num_selected = round(FRACTION * total)
        wait_for_all()
        before, started = peak_bytes(), time.perf_counter()
        mask = select_extreme(shard, num_selected, largest=True, made_by={})
        wait_for_all()
        seconds, extra = time.perf_counter() - started, peak_bytes() - before
        allowed = 2 * HISTOGRAM + 2 * 8 * len(mask) + SLACK
        mine = {"extra": extra, "allowed": allowed, "selected": len(mask), "exact": is_exact(shard, mask, num_selected)}
        told = gathered(mine)
        if rank() == 0:
            out.write_text(json.dumps({"seconds": seconds, "processes": told}))


def main() -> int:
    """Prints one JSON object; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=10**9)
    parser.add_argument("--processes", type=int, default=4)
    given = parser.parse_args()
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        out = Path(folder) / "found.json"
        arguments = (given.processes, port, given.scores, out)
        start_processes(work, arguments, nprocs=given.processes, start_method="spawn")
        found = json.loads(out.read_text())
    told = found["processes"]
    figures = {
        "scores": given.scores,
        "processes": given.processes,
        "seconds": round(found["seconds"], 2),
        "selected": sum(one["selected"] for one in told),
        "exact": all(one["exact"] for one in told),
        "most_extra_mb": round(max(one["extra"] for one in told) / 2**20, 1),
        "allowed_mb": round(min(one["allowed"] for one in told) / 2**20, 1),
        "shard_mb": round(given.scores * 4 / given.processes / 2**20),
    }
    passed = figures["exact"] and all(one["extra"] <= one["allowed"] for one in told)
    passed = passed and figures["selected"] == round(FRACTION * given.scores)
    print(json.dumps({"name": "sharded_selection", "figures": figures, "bars": {"exact": True}, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
