"""An edit scales what neurons write and nothing else, comes off again with every bit, and weakens no safety."""

import hashlib
from pathlib import Path

import pytest
import torch

from holdfast.artifacts import save_mask
from holdfast.errors import InvariantError
from holdfast.models.activation_sites import neuron_sites
from holdfast.models.activations import changing
from holdfast.models.load import load_model
from holdfast.pipeline.checking import check_hold, check_only_mask_moved
from holdfast.pipeline.editing import edit_model, safety_objective
from holdfast.pipeline.patching import revert_to_folder
from holdfast.values import Mask
from tests.models.families import FAMILIES, make_family
from tests.tiny import make_llama, make_moe, make_tokenizer

TOKEN_IDS = torch.tensor([[5, 9, 20, 11]])


def make_gpt2():
    return make_family(next(family for family in FAMILIES if family.name == "gpt2"))


def saved(folder: Path, make=make_llama, dtype: torch.dtype = torch.float32) -> str:
    """A checkpoint on disk."""
    make().to(dtype).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


def mask_file(path: Path, model: str, made_by: dict[str, object] | None = None) -> Path:
    """Every fifth neuron of each layer."""
    loaded = load_model(model)
    sites = neuron_sites(loaded.model)
    sizes = {site.name: torch.zeros(site.shape).numel() for site in sites}
    indices = {name: torch.arange(0, size, 5) for name, size in sizes.items()}
    shapes = {site.name: site.shape for site in sites}
    save_mask(path, Mask(indices, shapes, loaded.base, sum(sizes.values()), made_by or {}, "neuron"))
    return path


def sha256(folder: Path | str) -> str:
    return hashlib.sha256((Path(folder) / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("scale", "make"),
    [
        *((3, make) for make in (make_llama, make_moe, make_gpt2)),
        (0, make_llama),
        *(pytest.param(0, make, marks=pytest.mark.slow) for make in (make_moe, make_gpt2)),
    ],
)
def test_scaling_equals_scaling_the_activations_and_comes_off(make, scale, tmp_path):
    """Dense, with fused experts, and with Conv1D."""
    model = saved(tmp_path / "base", make)
    mask = mask_file(tmp_path / "mask.safetensors", model)
    edit_model(model, mask, scale, tmp_path / "edited")
    start, edited = load_model(model).model, load_model(str(tmp_path / "edited" / "model")).model
    changes = []
    for site in neuron_sites(start):
        factors = torch.ones(site.shape).flatten()
        factors[::5] = scale
        changes.append(changing(start, site, lambda neurons, factors=factors.view(site.shape): neurons * factors))
    with torch.no_grad():
        plain = start(TOKEN_IDS).logits
        with changes[0], changes[1]:
            expected = start(TOKEN_IDS).logits
        torch.testing.assert_close(edited(TOKEN_IDS).logits, expected)
    assert not torch.allclose(plain, expected, atol=1e-6)
    assert sha256(tmp_path / "edited" / "model") != sha256(model)
    revert_to_folder(str(tmp_path / "edited" / "model"), tmp_path / "edited" / "patch.safetensors", tmp_path / "back")
    assert sha256(tmp_path / "back") == sha256(model)


def test_half_precision_comes_off_too_and_only_the_mask_moved(tmp_path):
    model = saved(tmp_path / "base", dtype=torch.bfloat16)
    mask = mask_file(tmp_path / "mask.safetensors", model)
    made = edit_model(model, mask, 0, tmp_path / "edited")
    assert made.made_by["method"] == "edit"
    assert len(made) == 2 * 7 * 16  # 2 layers, 7 neurons of 32, d_model 16
    edited = str(tmp_path / "edited" / "model")
    check_only_mask_moved(edited, model, mask).refuse_moved()
    with pytest.raises(InvariantError):
        check_hold(edited, model, mask).refuse_moved()
    revert_to_folder(edited, tmp_path / "edited" / "patch.safetensors", tmp_path / "back")
    assert sha256(tmp_path / "back") == sha256(model)


SAFETY = {"selector": "top", "scores": {"objective": "refusal_likelihood", "method": "integrated_gradients"}}
UTILITY = {"selector": "votes", "scores": {"objective": "utility"}}


def contrasted(prompts, against):
    """Provenance of a mask of neurons whose activations differ between two prompt sets."""
    return {"scores": {"method": "contrast", "prompts": {"name": prompts}, "against": {"name": against}}}


def test_safety_critical_neurons_are_not_weakened(tmp_path):
    model = saved(tmp_path / "base")
    mask = mask_file(tmp_path / "mask.safetensors", model, SAFETY)
    for scale in (0, 0.5):
        with pytest.raises(ValueError, match=r"selected for safety \(objective refusal_likelihood\), and a scale of"):
            edit_model(model, mask, scale, tmp_path / "edited")
        assert not (tmp_path / "edited").exists()
    edit_model(model, mask, 2, tmp_path / "edited")


@pytest.mark.parametrize(
    ("made_by", "objective"),
    [
        (SAFETY, "objective refusal_likelihood"),
        (UTILITY, None),
        ({}, None),
        ({"operation": "union", "masks": [UTILITY, SAFETY]}, "objective refusal_likelihood"),
        ({"neurons": SAFETY, "parts": ["down"]}, "objective refusal_likelihood"),
        (
            contrasted("testbed:harmful_seen", "testbed:harmless#first=9"),
            "contrast of harmful prompts against safe ones",
        ),
        (contrasted("testbed:harmless", "advbench"), "contrast of harmful prompts against safe ones"),
        (contrasted("testbed:questions", "testbed:harmless"), None),
        (contrasted("mine.txt", "testbed:harmless"), None),
        ({"-": [UTILITY, UTILITY]}, None),
        ({"selector": "random", "like": SAFETY}, None),
        ({"selector": "bottom", "scores": SAFETY["scores"]}, None),
        (
            {"selector": "safety_only", "scores": {"objective": "judge_gradient"}, "utility": {}},
            "objective judge_gradient",
        ),
    ],
)
def test_what_was_selected_for_safety_is_known_by_its_provenance(made_by, objective):
    assert safety_objective(made_by) == objective


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path):
    model = saved(tmp_path / "base")
    mask, out = mask_file(tmp_path / "mask.safetensors", model), tmp_path / "edited"
    with pytest.raises(ValueError, match="a scale of 1 changes nothing"):
        edit_model(model, mask, 1, out)
    other = saved(tmp_path / "other", lambda: make_llama(width=8))
    with pytest.raises(ValueError, match=r"that one has 32 neurons .* and this LlamaForCausalLM has 16"):
        edit_model(other, mask, 0, out)
    alike = saved(tmp_path / "alike", lambda: make_llama(seed=1))
    with pytest.raises(ValueError, match="was made for another model"):
        edit_model(alike, mask, 0, out)
    assert not out.exists()
