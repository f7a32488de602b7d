import pytest
import torch

from holdfast.cli import call
from holdfast.models.locate import explained
from holdfast.option_groups import RARE_NAMES
from holdfast.out_of_memory import LESS, is_out_of_memory

ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried to allocate"),
]


@pytest.mark.parametrize("error", ERRORS, ids=["python", "cuda", "cpu", "windows"])
def test_memory_that_runs_out_is_one_sentence_with_a_setting_that_helps(error, monkeypatch, capsys, tmp_path):
    def run_out(*_, **__):
        raise error

    monkeypatch.setattr("holdfast.pipeline.tuning.enhance_model", run_out)
    given = ["--refusals", "testbed:refusals", "--harmless", "testbed:harmless_exchanges", "--out", str(tmp_path / "x")]
    assert call(["enhance", "testbed:unaligned", *given]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("holdfast: memory ran out; lower --micro-batch-size")


def test_what_the_allocator_really_raises_is_known():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("memory")])
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


def test_a_model_is_not_called_unreadable_when_it_does_not_fit(tmp_path):
    with pytest.raises(MemoryError), explained("model", str(tmp_path)):
        raise MemoryError


@pytest.mark.parametrize("command", ["score", "enhance", "adapt", "evaluate", "verify"])
def test_the_options_that_a_sentence_names_exist(command, capsys):
    assert RARE_NAMES
    assert call([command, "--help-all"]) == 0
    page = capsys.readouterr().out
    named = [word.strip("(),;.") for word in LESS[command].split() if word.strip("(").startswith("--")]
    assert named
    assert [name for name in named if name not in page] == []
