"""Records for vLLM: in the coordinates of the files, applied by vLLM's own loader where its package is there.

The loader is one file of vLLM that needs torch alone, so it runs without a GPU. Without vLLM a stand-in follows its
documentation: NaN marks unchanged entries of a tensor of the checkpoint's shape.
"""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from holdfast.intervene.entries import same_bits
from holdfast.intervene.patch.vllm_patch import vllm_patches
from holdfast.pipeline.patching import diff_to_file
from tests.models.families import FAMILIES, make_family
from tests.stored import save, save_pair
from tests.tiny import make_llama

LOADER = "model_executor/model_loader/checkpoint_weight_patch.py"


def load_by_documentation(model, patches):
    """Builds a tensor of the checkpoint's shape from each record, NaN where nothing changes, and loads all at once."""
    weights = []
    for patch in patches:
        assert (patch.values.ndim, patch.indices.ndim, len(patch.values)) == (1, 1, len(patch.indices))
        flat = torch.full((torch.Size(patch.shape).numel(),), float("nan"), dtype=patch.dtype)
        flat[patch.indices.long()] = patch.values
        weights.append((patch.name, flat.view(patch.shape)))
    for name, given in weights:
        held = model.stored[name]
        held.copy_(torch.where(given.isnan(), held, given))


def load_by_vllm():
    """vLLM's own function, from the one file of the installed package that holds it. None without the package."""
    found = find_spec("vllm")
    path = Path(next(iter(found.submodule_search_locations))) / LOADER if found else None
    if not path or not path.is_file():
        return None
    spec = spec_from_file_location("vllm_checkpoint_weight_patch", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load_checkpoint_weight_patches


@pytest.fixture(params=["documentation", "vllm"])
def load(request):
    found = load_by_documentation if request.param == "documentation" else load_by_vllm()
    return found or pytest.skip("vLLM 0.33 or later is not installed")


class Served(nn.Module):
    """Tensors by their names in the checkpoint's files, loaded as vLLM's default loader does."""

    def __init__(self, folder):
        super().__init__()
        self.stored = load_file(folder / "model.safetensors")

    def load_weights(self, weights):
        loaded = set()
        for name, weight in weights:
            self.stored[name].copy_(weight)
            loaded.add(name)
        return loaded


def same(served, folder):
    files = load_file(folder / "model.safetensors")
    return all(same_bits(served.stored[name], tensor) for name, tensor in files.items())


def test_a_served_base_becomes_the_tuned_model_bit_for_bit_and_the_base_again(tmp_path, load):
    base, tuned = save_pair(tmp_path)
    diff_to_file(str(base), str(tuned), tmp_path / "patch", keep_old=False)
    served = Served(base)
    assert not same(served, tuned)
    load(served, vllm_patches(base, tmp_path / "patch"))
    assert same(served, tuned)
    load(served, vllm_patches(base, tmp_path / "patch", revert=True))
    assert same(served, base)


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe"])
def test_fused_experts_are_named_as_in_the_files(tmp_path, name, load):
    family = next((family for family in FAMILIES if family.name == name), None)
    if family is None:
        pytest.skip(f"there is no family {name}")
    model = make_family(family)
    base = save(tmp_path / "base", model)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.view(-1)[::7] += 1
    tuned = save(tmp_path / "tuned", model)
    diff_to_file(str(base), str(tuned), tmp_path / "patch")
    records = vllm_patches(base, tmp_path / "patch")
    assert {record.name for record in records} <= load_file(base / "model.safetensors").keys()
    assert any(".experts.1." in record.name for record in records)
    served = Served(base)
    load(served, records)
    assert same(served, tuned)


def test_indices_increase_and_are_int32_where_they_fit(tmp_path):
    base, tuned = save_pair(tmp_path)
    diff_to_file(str(base), str(tuned), tmp_path / "patch")
    for record in vllm_patches(base, tmp_path / "patch"):
        assert record.indices.dtype == torch.int32
        assert bool((record.indices[1:] > record.indices[:-1]).all())
        assert record.values.dtype == record.dtype
        assert 0 <= record.indices[0] <= record.indices[-1] < torch.Size(record.shape).numel()


def test_another_base_and_values_that_are_no_number_are_refused(tmp_path):
    base, tuned = save_pair(tmp_path)
    diff_to_file(str(base), str(tuned), tmp_path / "patch")
    with pytest.raises(ValueError, match="is not the base of patch"):
        vllm_patches(tuned, tmp_path / "patch")
    broken = make_llama().bfloat16()
    plain = save(tmp_path / "plain", broken)
    with torch.no_grad():
        broken.model.norm.weight[3] = float("nan")
    diff_to_file(str(plain), str(save(tmp_path / "broken", broken)), tmp_path / "nan")
    with pytest.raises(ValueError, match=r"model\.norm\.weight to a value that is not a number, which vLLM reads"):
        vllm_patches(plain, tmp_path / "nan")
