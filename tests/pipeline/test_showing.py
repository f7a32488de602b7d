"""What `holdfast show` reads of files: counts by layer and component, of masks from the header alone."""

import json
import random

import pytest
import torch
from safetensors.torch import save_file

from holdfast.artifacts import save_mask, save_patch, save_scores
from holdfast.pipeline.counting import count_largest
from holdfast.pipeline.scoring_files import files_of, halves_stability
from holdfast.pipeline.showing import read_map
from holdfast.report.layer_grid import layer_grid
from holdfast.select import TopOptions, select_top
from holdfast.tensor_files import StoredTensor
from holdfast.values import Mask, Patch, Scores

NAMES = [f"model.layers.{layer}.{part}.weight" for layer in range(3) for part in ("self_attn.v_proj", "mlp.up_proj")]


def make_scores(seed=0):
    generator = torch.Generator().manual_seed(seed)
    entries = {name: torch.rand(200, 100, generator=generator) * (1 + place) for place, name in enumerate(NAMES)}
    return Scores(entries, "nats", "base", 200_000, {"method": "esi"})


def test_a_mask_is_counted_without_its_tensors(tmp_path, monkeypatch):
    mask = select_top(make_scores(), TopOptions(fraction=0.05))
    path = tmp_path / "mask.safetensors"
    save_mask(path, mask)
    # Indices that no mask may have: whoever read them would refuse them.
    content = bytearray(path.read_bytes())
    first = 8 + int.from_bytes(content[:8], "little")
    content[first:] = random.Random(0).randbytes(len(content) - first)
    path.write_bytes(content)
    monkeypatch.setattr(StoredTensor, "read", lambda *_: pytest.fail("a tensor was read"))
    found = read_map(path, "mask")
    counts = {(part.layer, part.component): part.chosen for part in found.by_layer.parts}
    assert counts[2, "self_attn.v_proj"] == len(mask[NAMES[4]]) > 0
    assert found.by_layer.whole.chosen == len(mask)
    assert found.title == f"{len(mask):,} weights selected: 5.00% of the scored, 3.00% of all"


def test_the_largest_scores_are_those_that_select_takes_but_for_ties_of_the_upper_bits(tmp_path):
    scores = make_scores()
    path = tmp_path / "scores.safetensors"
    save_scores(path, scores)
    largest = count_largest(path)
    found, least = largest.by_layer, largest.least
    top = select_top(scores, TopOptions(fraction=0.01))
    assert len(top) <= found.whole.chosen <= 1.1 * len(top)
    for part in found.parts:
        name = f"model.layers.{part.layer}.{part.component}.weight"
        assert part.chosen == int((scores.entries[name] >= least).sum())
        assert part.total == pytest.approx(float(scores.entries[name].double().sum()), rel=1e-12)


def test_a_count_that_is_larger_than_a_masks_says_why(tmp_path):
    path, exact = tmp_path / "scores.safetensors", "holdfast select selects exactly"
    save_scores(path, make_scores())
    found = read_map(path, "scores")
    assert found.by_layer.whole.chosen > len(select_top(make_scores(), TopOptions(fraction=0.01)))
    assert found.title.endswith("or more (nats)")
    assert ("count", f"about the largest 1%: this count uses the upper bits of scores, and {exact}") in found.rows()
    save_scores(path, Scores({NAMES[0]: torch.arange(100.0).view(10, 10)}, "nats", "base", 100))
    assert not read_map(path, "scores").note, "one of 100 is what select takes, too"


@pytest.mark.parametrize("fraction", [0.05, 0.3])
def test_the_share_that_is_given_is_counted(fraction, tmp_path):
    scores = make_scores()
    path = tmp_path / "scores.safetensors"
    save_scores(path, scores)
    found = read_map(path, "scores", fraction=fraction)
    top = len(select_top(scores, TopOptions(fraction=fraction)))
    assert top <= found.by_layer.whole.chosen <= 1.1 * top
    assert found.by_layer.chosen == f"largest {100 * fraction:g}%"
    assert found.note.startswith(f"about the largest {100 * fraction:g}%") or found.by_layer.whole.chosen == top


def test_memory_of_scores_is_one_run(tmp_path, monkeypatch):
    path = tmp_path / "scores.safetensors"
    save_scores(path, make_scores())
    whole, counts, read = count_largest(path), [], StoredTensor.read
    monkeypatch.setattr("holdfast.tensor_files.RUN", 64)
    monkeypatch.setattr(StoredTensor, "read", lambda *given: counts.append(given[2]) or read(*given))
    again = count_largest(path)
    assert max(counts) == 64
    assert (again.least, again.by_layer.whole.chosen) == (whole.least, whole.by_layer.whole.chosen)


def test_zeros_are_never_among_the_largest(tmp_path):
    path = tmp_path / "scores.safetensors"
    for values in (torch.zeros(1000), torch.cat((torch.tensor([-0.0, 2.0]), torch.zeros(998)))):
        save_scores(path, Scores({"layers.0.a": values}, "nats", "base", 1000))
        found = read_map(path, "scores")
        assert found.by_layer.whole.chosen == int((values > 0).sum())
    save_scores(path, Scores({"layers.0.a": torch.zeros(1000)}, "nats", "base", 1000))
    assert read_map(path, "scores").title == "All 1,000 scores are 0 (nats)"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_scores_without_a_rank_are_refused(value, tmp_path):
    path = tmp_path / "scores.safetensors"
    save_scores(path, Scores({"layers.0.a": torch.tensor([1.0, value])}, "nats", "base", 2))
    with pytest.raises(ValueError, match=r"has scores of layers\.0\.a that are NaN, infinite or negative"):
        read_map(path, "scores")


def make_patch(old=True):
    indices = {NAMES[0]: torch.tensor([1, 5]), NAMES[1]: torch.tensor([0])}
    values = {NAMES[0]: torch.tensor([1.0, 2.0]), NAMES[1]: torch.tensor([float("inf")])}
    olds = {name: torch.zeros_like(of) for name, of in values.items()}
    return Patch(indices, values, dict.fromkeys(indices, (2, 5)), "base", olds if old else None)


def test_a_patch_tells_how_many_entries_change_and_how_far(tmp_path):
    path = tmp_path / "patch.safetensors"
    save_patch(path, make_patch())
    found = read_map(path, "patch")
    parts = {part.component: part for part in found.by_layer.parts}
    assert found.title == "3 entries in the patch: 15.0% of the 20 in the tensors changed"
    assert found.by_layer.mean_of(parts["self_attn.v_proj"]) == 1.5
    assert found.by_layer.mean_of(parts["mlp.up_proj"]) == 0  # what is infinite is left out
    save_patch(path, make_patch(old=False))
    assert read_map(path, "patch").by_layer.mean is None


HEADER = {"shapes": {"layers.0.a": [2, 2]}, "base": "b", "num_parameters": 4, "made_by": {}}


@pytest.mark.parametrize(
    ("tensors", "header", "sentence"),
    [
        ({"layers.0.a": torch.zeros(5)}, HEADER, "selects more than there is"),
        ({"layers.0.z": torch.zeros(1)}, HEADER, "selects entries of 'layers.0.z', which has no shape"),
        ({"layers.0.a": torch.tensor(1)}, HEADER, "is not as holdfast writes it"),
        ({}, HEADER | {"shapes": {"layers.0.a": "ab"}}, "is not as holdfast writes it"),
        ({}, HEADER | {"num_parameters": "4"}, "is not as holdfast writes it"),
        ({}, [], "is not as holdfast writes it"),
        ({}, {"shapes": {}}, "lacks 'num_parameters'"),
        ({}, HEADER | {"shapes": {}}, "contains no weight"),
    ],
)
def test_a_mask_that_is_not_as_it_was_written_is_refused_in_one_sentence(tensors, header, sentence, tmp_path):
    path = tmp_path / "mask.safetensors"
    save_file(tensors, path, {"holdfast": "mask", "header": json.dumps(header)})
    with pytest.raises(ValueError, match=sentence) as refused:
        read_map(path, "mask")
    assert str(refused.value).startswith(f"mask file '{path}' ")


def test_json_has_every_part_and_the_numbers_of_the_whole(tmp_path):
    path = tmp_path / "mask.safetensors"
    save_mask(path, Mask({NAMES[0]: torch.tensor([1, 5])}, {NAMES[0]: (2, 5)}, "base", 40))
    told = read_map(path, "mask").as_json()
    assert (told["selected"], told["entries"], told["density"], told["num_parameters"]) == (2, 10, 0.2, 40)
    assert [record["component"] for record in told["by_component"]] == ["self_attn.v_proj"]
    assert json.loads(json.dumps(told)) == told


def test_the_agreement_of_halves_is_that_of_the_files_beside_the_scores(tmp_path):
    out = tmp_path / "scores.safetensors"
    for path, seed in zip(files_of(out), (0, 1, 1), strict=True):
        save_scores(path, make_scores(seed))
    assert halves_stability(out).iou == 1
    save_scores(files_of(out)[1], make_scores(2))
    assert halves_stability(out).iou < 0.5


def test_what_a_script_recorded_of_its_own_mask_is_shown(tmp_path):
    path = tmp_path / "mask.safetensors"
    mine = {"note": "drawn by hand", "round": 2, "nested": {"a": 1}}
    save_mask(path, Mask({NAMES[0]: torch.tensor([1, 5])}, {NAMES[0]: (2, 5)}, "base", 40, mine))
    assert read_map(path, "mask").rows()[2:] == [("note", "drawn by hand"), ("round", "2")]


def test_tables_of_neurons_count_neurons(tmp_path):
    name = "model.layers.0.mlp.down_proj@input"
    save_scores(tmp_path / "scores", Scores({name: torch.arange(8.0)}, "probability", "model", 100, {}, "neuron"))
    save_mask(tmp_path / "mask", Mask({name: torch.tensor([7])}, {name: (8,)}, "model", 100, {}, "neuron"))
    maps = [read_map(tmp_path / kind, kind) for kind in ("scores", "mask")]
    assert [found.by_layer.units for found in maps] == ["neurons", "neurons"]
    assert maps[1].title.startswith("1 neurons selected")
    save_mask(tmp_path / "weights", Mask({"w": torch.tensor([7])}, {"w": (8,)}, "model", 100))
    assert read_map(tmp_path / "weights", "mask").by_layer.units == "weights"


def test_scores_of_neurons_list_the_largest_and_have_no_column_twice(tmp_path):
    path = tmp_path / "neurons.safetensors"
    entries = {f"model.layers.{layer}.mlp.down_proj@input": torch.zeros(20) for layer in range(2)}
    entries["model.layers.1.mlp.down_proj@input"][7] = 3.0
    entries["model.layers.0.mlp.down_proj@input"][[2, 4]] = torch.tensor([1.0, 2.0])
    save_scores(path, Scores(entries, "nats", "base", 200_000, {}, granularity="neuron"))
    found = read_map(path, "scores")
    assert found.largest == ((1, 7, 3.0), (0, 4, 2.0), (0, 2, 1.0))
    assert found.as_json()["largest_neurons"][0] == {"layer": 1, "neuron": 7, "score": 3.0}
    header = layer_grid(found.by_layer).header
    assert len(header) == len(set(header)) == 5
    assert "all" not in header
