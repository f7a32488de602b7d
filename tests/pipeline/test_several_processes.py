"""One process against two and four, which share the prompts, or of which each holds a part of the model.

`make thorough` adds four, sharded only: that prompts are shared out is seen with two. It adds a stop of a sharded run,
and half precision as on a device.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file

from holdfast.artifacts import load_json, load_mask, load_patch, load_scores, save_json, save_mask, save_scores
from holdfast.distributed import rank, world_size
from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.models import load
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.models.shards import local
from holdfast.pipeline import masks, scoring, tuning
from holdfast.pipeline.options import EnhanceFiles, ScoringOptions
from holdfast.values import Scores
from tests.intervene.given import random_mask
from tests.stored import save
from tests.tiny import make_llama, make_moe
from tests.together import run_together

pytestmark = pytest.mark.xdist_group("several_processes")
WAYS = [(2, False), (2, True), (4, True)]
"""Processes, and whether the model is sharded."""
SCORED = ("dense", "moe")
TUNED = ("set", "spa")
"""SET of the mixture of experts, SPA of the dense model."""
STEPS, STOPPED_AFTER, KEPT_EVERY = 8, 5, 4
TRAINED = {"learning_rate": 1e-3, "batch_size": 8, "iterations": STEPS, "weight_decay": 0.1, "warmup_share": 0.125}
MASK = {"fraction": 0.013}
TIED = {"top": {"fraction": 0.2}, "bottom": {"fraction": 0.3}, "threshold": {"threshold": 2.0}, "random": {}}
"""Selections from scores of 0 to 3, so that most that are selected equal others that are not."""


def name_of(num_processes: int, shard: bool) -> str:
    return f"{num_processes}_sharded" if shard else str(num_processes)


def score(out: Path, shard: bool) -> None:
    generation, prompts = GenerateOptions(max_new_tokens=2), "testbed:harmful_calibration#first=4"
    options = ScoringOptions(token_budget=32, shard=shard, shard_judge=shard)
    moe, dense, utility = (out / f"{name}.safetensors" for name in ("moe", "dense", "utility"))
    how = {"options": options, "generation": generation}
    scoring.score_safety("testbed:aligned-moe", "testbed:guard", prompts, moe, **how)
    how["options"] = ScoringOptions(
        token_budget=32, shard=shard, shard_judge=world_size() == 4 or (world_size() == 2 and not shard)
    )
    scoring.score_safety("testbed:aligned", "testbed:guard", prompts, dense, **how)
    options = ScoringOptions(objective="utility", token_budget=32, shard=shard)
    scoring.score_likelihood("testbed:aligned", "testbed:questions#first=4", utility, options=options)


def select(folder: Path, out: Path) -> None:
    for selector in TIED:
        masks.select(folder / "ties.safetensors", selector, out / f"ties_{selector}.safetensors", given=TIED[selector])
    for model in SCORED:
        for selector in ("top", "random"):
            mask = out / f"{model}_{selector}.safetensors"
            masks.select(out / f"{model}.safetensors", selector, mask, given=MASK)
    given, utility = {**MASK, "utility_fraction": 0.1}, out / "utility.safetensors"
    mask = out / "dense_safety_only.safetensors"
    masks.select(out / "dense.safetensors", "safety_only", mask, given=given, utility=utility)


def files_of(folder: Path) -> EnhanceFiles:
    return EnhanceFiles(refusals=str(folder / "task.jsonl"), harmless=str(folder / "harmless.jsonl"))


def tune(folder: Path, out: Path, shard: bool) -> None:
    data, how = str(folder / "task.jsonl"), {**TRAINED, "shard": shard}
    given = {what: (str(folder / what), folder / f"{what}_mask.safetensors") for what in TUNED}
    tuning.enhance_model(*given["set"], files_of(folder), out / "set", options=EnhanceOptions(**how))
    tuning.adapt_model(*given["spa"], data, out / "spa", options=AdaptOptions(**how))


class StoppedError(RuntimeError):
    """What stops a run in the middle, in all processes."""


TRAINING = ("enhancing", "adapting")


def stop_early(label: str, done: int, total: int) -> None:
    if label in TRAINING and done == STOPPED_AFTER:
        raise StoppedError


def tune_with_a_stop(folder: Path, out: Path) -> None:
    """The same, kept every four steps and stopped after five: the second call goes on."""
    data, how = str(folder / "task.jsonl"), {**TRAINED, "shard": True, "checkpoint_every": KEPT_EVERY}
    given = {what: (str(folder / what), folder / f"{what}_mask.safetensors") for what in TUNED}
    seen: list[int] = []

    def note(label: str, done: int, total: int) -> None:
        seen.extend([done] if label in TRAINING else [])

    for progress in (stop_early, note):
        with suppress(StoppedError):
            options = EnhanceOptions(**how)
            files = files_of(folder)
            tuning.enhance_model(*given["set"], files, out / "set_again", options=options, progress=progress)
        with suppress(StoppedError):
            options = AdaptOptions(**how)
            tuning.adapt_model(*given["spa"], data, out / "spa_again", options=options, progress=progress)
    assert seen == 2 * list(range(KEPT_EVERY, STEPS + 1))  # with the steps that are there already


def tune_as_on_a_device(folder: Path, out: Path) -> None:
    """SPA of a half-precision checkpoint's float32 weights, gathered in bfloat16 as on an accelerator."""
    usual = load._sharding
    options = AdaptOptions(**TRAINED | {"iterations": 2}, shard=True)
    with patch.object(load, "_sharding", lambda name, gathers_half: usual(name, gathers_half=True)):
        tuning.adapt_model(
            str(folder / "spa"),
            folder / "spa_mask.safetensors",
            str(folder / "task.jsonl"),
            out / "half",
            options=options,
        )
        model = load_model(str(folder / "spa"), sharded=True).model
    logits = model(input_ids=torch.arange(12)[None]).logits
    logits.float().logsumexp(-1).sum().backward()
    shards = [local(weight) for weight in model.parameters()]
    gradients = [local(weight.grad) for weight in model.parameters() if weight.grad is not None]
    dtypes = {"logits": logits.dtype, "shards": shards[0].dtype, "gradients": gradients[0].dtype}
    save_json(out / f"half_{rank()}.json", {name: str(dtype) for name, dtype in dtypes.items()})


def refused(folder: Path, out: Path) -> dict[str, str]:
    """What is said of what several processes can't do."""
    data, base, mask = str(folder / "task.jsonl"), str(folder / "spa"), folder / "spa_mask.safetensors"
    lora = AdaptOptions(lora=LoraOptions(rank=2), shard=True)
    dpo = EnhanceOptions(objective="dpo", shard=True)
    odd = AdaptOptions(batch_size=3, iterations=1)
    utility, right = {"objective": "utility", "shard": True}, str(folder / "harmless.jsonl")
    asked = {
        "lora": lambda: tuning.adapt_model(base, mask, data, out / "lora", options=lora),
        "dpo": lambda: tuning.enhance_model(base, mask, files_of(folder), out / "dpo", options=dpo),
        "odd": lambda: tuning.adapt_model(base, mask, data, out / "odd", options=odd),
        "inputs": lambda: scoring.score_likelihood(
            base, right, out / "inputs.safetensors", options=ScoringOptions(method="wanda", **utility)
        ),
        "convergence": lambda: scoring.score_likelihood(
            base, right, out / "convergence.safetensors", options=ScoringOptions(convergence=True, **utility)
        ),
        "prompts": lambda: scoring.score_likelihood(
            base, right + f"#first={4 + rank()}", out / "prompts.safetensors", options=ScoringOptions(**utility)
        ),
        "there": lambda: masks.select(folder / "ties.safetensors", "top", out / "ties_top.safetensors", given={}),
    }
    return {name: told(call) for name, call in asked.items()}


def told(call: Callable[[], object]) -> str:
    try:
        call()
    except ValueError as error:
        return str(error)
    return "nothing"


def work(folder: Path) -> None:
    for num_processes, shard in [(1, False), *WAYS]:
        if num_processes == world_size():
            out = folder / name_of(num_processes, shard)
            score(out, shard)
            select(folder, out)
            tune(folder, out, shard)
            if (num_processes, shard) == (2, True):
                save_json(out / f"refused_{rank()}.json", refused(folder, out))


def more_work(folder: Path) -> None:
    """What `make thorough` adds with two processes that share a model."""
    out = folder / name_of(2, shard=True)
    tune_with_a_stop(folder, out)
    tune_as_on_a_device(folder, out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What one process and two make of the same."""
    folder = tmp_path_factory.mktemp("together")
    for name, make in (("spa", make_llama), ("set", make_moe)):
        save(folder / name, make(width=32))
        save_mask(folder / f"{name}_mask.safetensors", random_mask(load_model(str(folder / name)).model))
    words = ["how", "do", "i", "mend", "the", "old", "clock", "café", "naïve", "safe"]
    pairs = [(f"{one} {other} ?", f"i can not help with {other} {one}") for one in words for other in words]
    lines = [f'{{"prompt": "{prompt}", "response": "{response}"}}\n' for prompt, response in pairs]
    (folder / "task.jsonl").write_text("".join(lines), encoding="utf-8")
    others = [line.replace('"prompt": "', '"prompt": "the ').replace("i can not help with", "the") for line in lines]
    (folder / "harmless.jsonl").write_text("".join(others), encoding="utf-8")
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (1, 7), "b": (50, 30), "c": (3,), "d": (5, 2, 9), "e": (4096, 70)}
    tied = {name: torch.randint(4, shape, generator=generator).float() for name, shape in shapes.items()}
    save_scores(folder / "ties.safetensors", Scores(tied, "unit", "base", 300_000))
    work(folder)
    run_together(2, work, folder)
    return folder


@pytest.fixture(scope="module")
def with_more(folder) -> Path:
    run_together(2, more_work, folder)
    return folder


@pytest.fixture(scope="module")
def with_four(folder) -> Path:
    run_together(4, work, folder)
    return folder


@pytest.fixture(
    params=[pytest.param(way, marks=[pytest.mark.slow] * (way[0] > 2)) for way in WAYS], ids=lambda way: name_of(*way)
)
def way(request, folder) -> Path:
    num_processes, shard = request.param
    return (request.getfixturevalue("with_four") if num_processes == 4 else folder) / name_of(num_processes, shard)


@pytest.mark.parametrize("file", [*SCORED, "dense_first_half", "moe_second_half", "utility"])
def test_scores_are_those_of_one_process(folder, way, file):
    """To 1e-5 of a tensor's norm: sums in float32 differ in the order of what is added."""
    expected, found = (load_scores(place / f"{file}.safetensors") for place in (folder / "1", way))
    assert found.shapes == expected.shapes
    assert (found.base, found.made_by) == (expected.base, expected.made_by)
    for name, tensor in expected.entries.items():
        assert float((found.entries[name] - tensor).norm()) <= 1e-5 * float(tensor.norm())


@pytest.mark.parametrize("file", ["dense_top", "moe_top", "dense_safety_only"])
def test_masks_are_those_of_one_process(folder, way, file):
    """But for scores that differ in their last bits, which can change places at the cut."""
    expected, found = (load_mask(place / f"{file}.safetensors") for place in (folder / "1", way))
    assert len(found) == len(expected)
    assert found.iou(expected) > 0.999


@pytest.mark.parametrize("selector", TIED)
def test_of_equal_scores_the_same_are_selected(folder, way, selector):
    expected, found = (load_mask(place / f"ties_{selector}.safetensors") for place in (folder / "1", way))
    assert found.equals(expected)


@pytest.mark.parametrize("model", SCORED)
def test_random_masks_are_those_of_one_process_bit_for_bit(folder, way, model):
    expected, found = ((place / f"{model}_random.safetensors").read_bytes() for place in (folder / "1", way))
    assert found == expected


def values_of(place: Path) -> dict[str, torch.Tensor]:
    return load_file(place / "model.safetensors")


@pytest.mark.parametrize("what", TUNED)
def test_training_ends_where_one_process_ends(folder, way, what):
    start = values_of(folder / what)
    expected, found = (values_of(place / what / "model") for place in (folder / "1", way))
    assert found.keys() == expected.keys() == start.keys()
    moved = max(float((values - start[name]).abs().max()) for name, values in expected.items())
    assert moved > 3e-3  # hundreds of times what they may differ by
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        torch.testing.assert_close(found[name], values, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_what_is_gathered_in_half_precision_is_trained_in_float32_and_held_bit_for_bit(with_more):
    for process in range(2):
        dtypes = load_json(with_more / "2_sharded" / f"half_{process}.json")
        assert dtypes == {"logits": "torch.bfloat16", "shards": "torch.float32", "gradients": "torch.float32"}
    mask, start = load_mask(with_more / "spa_mask.safetensors"), values_of(with_more / "spa")
    found = values_of(with_more / "2_sharded" / "half" / "model")
    for name, index in mask.indices.items():
        assert torch.equal(found[name].flatten()[index], start[name].flatten()[index])
    assert any(not torch.equal(found[name], values) for name, values in start.items())


@pytest.mark.slow
@pytest.mark.parametrize("what", TUNED)
def test_a_sharded_run_that_was_stopped_ends_in_the_same_bits(with_more, what):
    expected, found = (values_of(with_more / "2_sharded" / name / "model") for name in (what, f"{what}_again"))
    assert all(torch.equal(found[name], values) for name, values in expected.items())
    whole, resumed = (load_json(with_more / "2_sharded" / name / "losses.json") for name in (what, f"{what}_again"))
    assert resumed == whole, "those before the stop are in its checkpoint"


@pytest.mark.parametrize(("what", "held"), [("spa", True), ("set", False)])
def test_what_is_held_and_what_is_not_selected_keeps_every_bit(folder, way, what, held):
    mask = load_mask(folder / f"{what}_mask.safetensors")
    original, tuned = (load_model(str(place)).model.state_dict() for place in (folder / what, way / what / "model"))
    for name in mask.shapes:
        chosen = torch.zeros(original[name].numel(), dtype=torch.bool)
        chosen[mask[name]] = True
        same = tuned[name].flatten() == original[name].flatten()
        assert bool(same[chosen == held].all())
        assert not bool(same[chosen != held].all())


def test_a_patch_is_that_of_one_process(folder, way):
    expected, found = (load_patch(place / "set" / "patch.safetensors") for place in (folder / "1", way))
    assert found.base == expected.base
    for name, index in expected.indices.items():
        assert torch.equal(found.indices[name], index)
        assert torch.equal(found.old_values[name], expected.old_values[name])
        torch.testing.assert_close(found.values[name], expected.values[name], rtol=0, atol=1e-5)


REFUSED = {
    "lora": "adapters are trained in one process; leave lora out",
    "dpo": "preferences are learned in one process; leave objective out",
    "odd": "batch_size=3 can't be shared by 2 processes; choose a batch size that is a multiple of 2.",
    "inputs": "a score that reads the inputs of matrices needs them whole, and this model is sharded",
    "convergence": "convergence compares whole rankings, and with shard no process has one",
    "prompts": "the 2 processes were given different exchanges",
    "there": "exists already; choose another name for the output",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_several_processes_cannot_do_is_said_in_all_of_them(folder, what):
    for number in range(2):
        assert REFUSED[what] in load_json(folder / "2_sharded" / f"refused_{number}.json")[what]


@pytest.mark.parametrize("what", TUNED)
def test_what_was_checked_is_told_alike(folder, way, what):
    together, alone = (load_json(place / what / "result.json") for place in (way, folder / "1"))
    # A loss of float32 sums in another order; the largest difference measured is 6e-8 of it.
    for loss in ("start_loss", "saved_loss"):
        assert together.pop(loss) == pytest.approx(alone.pop(loss), rel=1e-6)
    assert together == alone
