"""Freed memory is kept by the process: seen in the pages that the system has to hand out again."""

import subprocess
import sys

import pytest

PAGES = """
import resource, sys
from holdfast import allocator
if sys.argv[1] == "kept":
    allocator.keep_freed_memory()

def step():
    return [bytearray(10 * 2**20) for _ in range(10)]

step(); step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
EACH = 5 * 100 * 2**20 // 4096
"""Pages of five steps."""


def pages(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PAGES, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_what_was_freed_is_not_asked_for_again():
    assert pages("given back") > EACH / 2
    assert pages("kept") < EACH / 20


BETWEEN = """
from pathlib import Path
from holdfast import allocator

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

allocator.keep_freed_memory()
held = [bytearray(b"x" * 2**20) for _ in range(200)]
held = held[::2]
before = resident()
allocator.give_back_freed_memory()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_what_is_free_between_what_is_in_use_is_given_back_when_asked():
    done = subprocess.run([sys.executable, "-c", BETWEEN], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 80 * 2**20  # of 100 that were freed


def test_without_glibc_nothing_happens(monkeypatch):
    from holdfast import allocator

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    allocator.keep_freed_memory()
    allocator.give_back_freed_memory()
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    allocator.keep_freed_memory()
    allocator.give_back_freed_memory()
