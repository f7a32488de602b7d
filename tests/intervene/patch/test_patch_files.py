import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from holdfast.artifacts import load_patch, save_patch
from holdfast.intervene.patch.patch_files import Chunk, PatchWriter, open_patch
from holdfast.tensor_files import RUN
from holdfast.values import Patch

SHAPES = {"layer.weight": (600, 500), "norm": (7,)}


def make_patch(dtype=torch.bfloat16, seed=0):
    """An odd number of entries in all, so that nothing lies at a round place by luck."""
    generator = torch.Generator().manual_seed(seed)
    indices = {"layer.weight": torch.randperm(300_000, generator=generator)[:290_000].sort().values}
    indices["norm"] = torch.tensor([1, 3, 6])
    new, old = ({name: torch.randn(len(index)).to(dtype) for name, index in indices.items()} for _ in "ab")
    return Patch(indices, new, SHAPES, "base", old, {"method": "test"})


def write(path, patch, keep_old=True):
    with PatchWriter(path.parent, patch.shapes) as writer:
        for name, index in patch.indices.items():
            for run in range(0, len(index), RUN):
                part = slice(run, run + RUN)
                chunk = Chunk(index[part], patch.values[name][part], patch.old_values[name][part])
                writer.add(name, chunk, keep_old=keep_old)
        writer.save(path, patch.base, patch.made_by)
    return path


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_what_is_written_in_chunks_is_what_the_live_patch_loads(dtype, tmp_path):
    patch = make_patch(dtype)
    again = load_patch(write(tmp_path / "patch.safetensors", patch))
    for name in SHAPES:
        assert torch.equal(again.indices[name], patch.indices[name])
        assert torch.equal(again.values[name], patch.values[name])
        assert torch.equal(again.old_values[name], patch.old_values[name])
    assert (again.base, again.made_by) == ("base", {"method": "test"})
    assert [path.name for path in tmp_path.iterdir()] == ["patch.safetensors"]


def test_both_writers_keep_one_hash_of_the_old_values_and_it_stays_when_they_are_left_out(tmp_path):
    patch = make_patch()
    save_patch(tmp_path / "live", patch)
    kept, left_out = write(tmp_path / "kept", patch), write(tmp_path / "left_out", patch, keep_old=False)
    hashes = {open_patch(path).old_hash for path in (tmp_path / "live", kept, left_out)}
    assert len(hashes) == 1
    assert None not in hashes
    assert [open_patch(path).reversible for path in (kept, left_out)] == [True, False]
    patch.old_values["norm"][0] += 1
    assert open_patch(write(tmp_path / "other", patch)).old_hash not in hashes


def test_an_entry_in_half_precision_costs_six_bytes_without_its_old_value(tmp_path):
    path, patch = tmp_path / "patch.safetensors", make_patch()
    write(path, patch, keep_old=False)
    with path.open("rb") as file:
        header = 8 + int.from_bytes(file.read(8), "little")
    assert path.stat().st_size == header + 6 * len(patch)
    assert header < 1000
    vectors = [tensor for parts in open_patch(path).parts.values() for tensor in parts.values()]
    assert all(tensor.position % tensor.dtype.itemsize == 0 for tensor in vectors)  # as readers that map files expect


def test_a_file_is_read_in_the_chunks_that_it_has(tmp_path):
    patch = make_patch()
    opened = open_patch(write(tmp_path / "patch.safetensors", patch))
    chunks = list(opened.chunks("layer.weight"))
    assert [len(chunk.index) for chunk in chunks] == [RUN, 290_000 - RUN]
    assert torch.equal(torch.cat([chunk.index for chunk in chunks]), patch.indices["layer.weight"])
    assert torch.equal(torch.cat([chunk.values for chunk in chunks]), patch.values["layer.weight"])


def rewrite(path, change_tensors=None, change_header=None):
    """The same patch file with something changed."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors, header = load_file(path), json.loads(metadata["header"])
    if change_tensors:
        change_tensors(tensors)
    if change_header:
        change_header(header)
    save_file(tensors, path, metadata | {"header": json.dumps(header)})


def set_index(place, value):
    return lambda tensors: tensors["norm:index"].__setitem__(place, value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (set_index(2, 7), r"indices of norm that are not increasing in \[0, 7\)"),
        (set_index(0, -1), "not increasing"),
        (set_index(1, 1), "not increasing"),
        (lambda tensors: tensors.pop("norm:value"), "lacks an index or a value of norm"),
        (lambda tensors: tensors.update({"norm:value": torch.ones(2).bfloat16()}), "lacks an index or a value of norm"),
        (lambda tensors: tensors.update({"norm:old": torch.ones(3)}), "lacks an index or a value of norm"),
        (lambda tensors: tensors.update({"norm:index": torch.ones(3)}), "lacks an index or a value of norm"),
        (lambda tensors: tensors.update({"ghost:index": torch.ones(3)}), "not as holdfast writes it"),
        (lambda tensors: tensors.update({"norm:other": torch.ones(3)}), "lacks an index or a value of norm"),
    ],
)
def test_a_patch_whose_parts_do_not_belong_together_is_refused(change, sentence, tmp_path):
    path = write(tmp_path / "patch.safetensors", make_patch())
    rewrite(path, change)
    with pytest.raises(ValueError, match=sentence):
        open_patch(path)


def test_an_index_out_of_range_is_refused_in_a_later_chunk_and_by_the_live_patch_too(tmp_path):
    path = write(tmp_path / "patch.safetensors", make_patch())
    rewrite(path, lambda tensors: tensors["layer.weight:index"].__setitem__(-1, 300_000))
    for read in (open_patch, load_patch):
        with pytest.raises(ValueError, match=r"indices of layer.weight .*increasing"):
            read(path)


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_patch_that_is_cut_off_is_one_sentence(kept, tmp_path):
    path = write(tmp_path / "patch.safetensors", make_patch())
    path.write_bytes(path.read_bytes()[:kept])
    ours = (
        "remove it" if kept == -1 else "give another file, or, if it was one of holdfast's, move it away"
    )  # its header
    what = "is no whole safetensors file: [^\n]+" if kept in (100, -1) else "is (an empty|a binary) file, not a patch"
    with pytest.raises(
        ValueError, match=rf"{what}; {ours} and run `holdfast enhance` or `holdfast patch diff` again\.$"
    ):
        open_patch(path)


def test_what_is_no_patch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        open_patch(tmp_path / "none")
    save_file({"a": torch.ones(1)}, tmp_path / "other")
    with pytest.raises(
        ValueError,
        match=r"that holdfast did not write.*, not a patch; give a file that was made with `holdfast enhance`",
    ):
        open_patch(tmp_path / "other")
    empty = replace(make_patch(), indices={}, values={}, old_values={}, shapes={})
    save_patch(tmp_path / "empty", empty)
    with pytest.raises(ValueError, match="changes no entry"):
        open_patch(tmp_path / "empty")
