"""Several processes: what they share, what all are told, and what happens when one is lost."""

import io
import json
import os
import time
from contextlib import redirect_stderr
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import ProcessExitedException
from torch.multiprocessing.spawn import start_processes

from holdfast.artifacts import save_scores
from holdfast.cli import call
from holdfast.distributed import (
    all_sum,
    first,
    gathered,
    joined,
    rank,
    refuse_different,
    share,
    share_of,
    world_size,
)
from holdfast.values import Scores
from tests.together import free_port, run_together, start_together

pytestmark = pytest.mark.xdist_group("several_processes")


def refuse() -> None:
    raise ValueError("no such file")


def told(call, *arguments) -> str:
    try:
        call(*arguments)
    except ValueError as error:
        return str(error)
    return "nothing"


def work(folder: Path) -> None:
    found = {
        "rank": rank(),
        "share": share(list(range(7))),
        "share_of": list(share_of(7)),
        "sum": all_sum(torch.tensor([1.0, rank()])).tolist(),
        "gathered": gathered(f"of {rank()}"),
        "first": first(lambda: f"from {rank()}"),
        "refused": told(first, refuse),
        "equal": told(refuse_different, "prompts", "same"),
        "different": told(refuse_different, "prompts", f"of {rank()}"),
    }
    torch.save(found, folder / f"{rank()}.pt")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    run_together(2, work, folder)
    return [torch.load(folder / f"{number}.pt") for number in range(2)]


def test_one_process_is_all_of_them():
    assert (world_size(), rank(), share([1, 2]), list(share_of(2)), gathered(1)) == (1, 0, [1, 2], [0, 1], [1])
    assert first(lambda: "mine") == "mine"
    refuse_different("prompts", "any")
    with joined():
        assert world_size() == 1


def test_a_list_is_shared_out_whole(found):
    assert sorted(found[0]["share"] + found[1]["share"]) == list(range(7))
    assert found[0]["share_of"] + found[1]["share_of"] == list(range(7))


def test_sums_are_over_all_and_what_is_gathered_is_in_order(found):
    for one in found:
        assert one["sum"] == [2.0, 1.0]
        assert one["gathered"] == ["of 0", "of 1"]
        assert one["first"] == "from 0"


def test_what_the_first_refuses_all_refuse(found):
    assert [one["refused"] for one in found] == ["no such file"] * 2


def test_processes_that_were_given_different_prompts_are_told_so(found):
    for one in found:
        assert one["equal"] == "nothing"
        assert one["different"].startswith("the 2 processes were given different prompts; start them all with the same")


MISTAKES = {
    "missing": (
        ["enhance", "testbed:unaligned", "--refusals", "testbed:refusals", "--out", "out"],
        "--harmless is missing",
    ),
    "twice": (["select", "scores.safetensors", "--out", "a", "--out", "b"], "Parameter --out specified multiple times"),
    "folder": (["select", "scores.safetensors", "--out", "/proc/nowhere/mask.safetensors"], "/proc/nowhere"),
    "uneven": (
        ["adapt", "testbed:aligned", "--task", "testbed:task_train", "--batch-size", "15", "--out", "out"],
        "batch_size=15 can't be shared by 2 processes; choose a batch size that is a multiple of 2.",
    ),
}


def mistake(number: int, ports: list[int], folder: Path) -> None:
    os.chdir(folder)
    for (name, (arguments, _)), port in zip(MISTAKES.items(), ports, strict=True):
        start_together(number, 2, port)  # its environment alone: the command connects by itself
        with redirect_stderr(io.StringIO()) as said:
            code = call(arguments)
        (folder / f"{name}_{number}.json").write_text(json.dumps([code, said.getvalue()]))


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes")
    save_scores(folder / "scores.safetensors", Scores({"weight": torch.rand(40, 5)}, "unit", "base", 200))
    ports = [free_port() for _ in MISTAKES]
    start_processes(mistake, (ports, folder), nprocs=2, start_method="forkserver")
    return folder


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_said_once_and_leaves_nothing(mistakes, name):
    told_by = [json.loads((mistakes / f"{name}_{number}.json").read_text()) for number in range(2)]
    (first_code, first_said), (other_code, other_said) = told_by
    assert (first_code, other_code, other_said) == (2, 2, "")
    assert MISTAKES[name][1] in first_said
    said = [line for line in first_said.splitlines() if not line.startswith("loading the library")]
    assert len(said) == 1, first_said
    assert not (mistakes / "out").exists()


def refuse_late(number: int, port: int, folder: Path) -> None:
    try:
        with start_together(number, 2, port):
            time.sleep(number)  # the first has refused, and would have ended by now
            raise ValueError("no such prompts")
    except ValueError as error:
        (folder / f"{number}.txt").write_text(str(getattr(error, "is_printed", False)))


def test_a_mistake_is_said_once_also_where_another_process_comes_to_it_later(tmp_path):
    start_processes(refuse_late, (free_port(), tmp_path), nprocs=2, start_method="forkserver")
    assert [(tmp_path / f"{number}.txt").read_text() for number in range(2)] == ["False", "True"]


def lose_one(number: int, port: int, folder: Path) -> None:
    start_together(number, 2, port)  # its environment alone
    if number == 1:
        with joined():
            os._exit(9)  # as when it is killed
    with redirect_stderr(io.StringIO()) as said:
        code = call(["select", str(folder / "scores.safetensors"), "--out", str(folder / "mask.safetensors")])
    (folder / "said.json").write_text(json.dumps([code, said.getvalue()]))


def test_the_others_say_in_a_sentence_that_one_was_lost_and_end_with_a_code_of_its_own(tmp_path):
    save_scores(tmp_path / "scores.safetensors", Scores({"weight": torch.rand(40, 5)}, "unit", "base", 200))
    processes = start_processes(lose_one, (free_port(), tmp_path), nprocs=2, join=False, start_method="forkserver")
    with pytest.raises(ProcessExitedException, match="exit code 9"):
        processes.join(grace_period=60)  # without it torch ends the other, perhaps in the middle of its sentence
    code, said = json.loads((tmp_path / "said.json").read_text())
    assert code == 75
    assert "another of the 2 processes has ended, and this one can't continue without it" in said
