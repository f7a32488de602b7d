"""The change that a LoRA adapter's files make, against PEFT's own merge."""

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model

from holdfast.adapter_folder import MASK_FILE
from holdfast.intervene.patch.low_rank import is_adapter, open_adapter
from holdfast.models.stored import open_stored
from tests.stored import save
from tests.tiny import make_llama

TARGETS = ["q_proj", "down_proj"]


def save_adapter(folder, base, **settings):
    """An adapter on the saved model whose factors are all random, in a folder, and PEFT's merge of the two."""
    torch.manual_seed(1)
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=3, target_modules=TARGETS, **settings))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape))
    model.save_pretrained(folder)
    return model.merge_and_unload()


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"alpha_pattern": {"down_proj": 7}}])
def test_base_and_change_add_up_to_what_peft_merges(settings, tmp_path):
    base = save(tmp_path / "base", make_llama())
    merged = save_adapter(tmp_path / "adapter", make_llama(), **settings)
    stored = open_stored(str(base))
    changes = open_adapter(str(tmp_path / "adapter"), stored)
    assert len(changes) == 4
    weights = dict(merged.named_parameters())
    for name, parameter in stored.parameters.items():
        values = parameter.read(0, parameter.num_entries)
        values += changes[name].read(0, parameter.num_entries) if name in changes else 0
        # Two float32 products of rank 2 and one sum, in another order than PEFT's.
        torch.testing.assert_close(values, weights[name].detach().flatten(), rtol=1e-5, atol=1e-5)


def test_any_run_of_entries_equals_its_part_of_the_whole(tmp_path):
    save_adapter(tmp_path / "adapter", make_llama())
    stored = open_stored(str(save(tmp_path / "base", make_llama())))
    change = open_adapter(str(tmp_path / "adapter"), stored)["model.layers.1.mlp.down_proj.weight"]
    whole = change.scale * (change.b @ change.a)
    assert tuple(whole.shape) == change.shape == (16, 32)
    for start, count in [(0, 1), (31, 2), (40, 100), (500, 12)]:
        torch.testing.assert_close(change.read(start, count), whole.flatten()[start : start + count])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"use_dora": True}, "sets use_dora, and only plain LoRA is read"),
        ({"modules_to_save": ["lm_head"]}, "sets modules_to_save, and only plain LoRA is read"),
        ({"bias": "all"}, "sets bias, and only plain LoRA is read"),
        ({"init_lora_weights": "pissa"}, "sets init_lora_weights, and only plain LoRA is read"),
        ({"peft_type": "IA3"}, "is of type IA3, and only plain LoRA is read"),
        ({"target_parameters": ["experts"]}, "sets target_parameters, and only plain LoRA is read"),
    ],
)
def test_other_adapters_are_refused_with_the_way_to_merge_them(settings, sentence, tmp_path):
    save_adapter(tmp_path / "adapter", make_llama())
    stored = open_stored(str(save(tmp_path / "base", make_llama())))
    config = tmp_path / "adapter/adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))
    with pytest.raises(ValueError, match=f"{sentence}.*merge_and_unload"):
        open_adapter(str(tmp_path / "adapter"), stored)


def test_adapters_of_another_base_held_ones_and_broken_ones_are_refused(tmp_path):
    save_adapter(tmp_path / "adapter", make_llama())
    wide = open_stored(str(save(tmp_path / "wide", make_llama(width=32))))
    with pytest.raises(ValueError, match=r"as \(16, 32\), and .* has it as \(32, 64\)"):
        open_adapter(str(tmp_path / "adapter"), wide)
    (tmp_path / "adapter" / MASK_FILE).touch()
    with pytest.raises(ValueError, match=r"does not work alone: its weights are held .*load_protected"):
        open_adapter(str(tmp_path / "adapter"), wide)
    (tmp_path / "adapter" / MASK_FILE).unlink()
    (tmp_path / "adapter/adapter_model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"has no adapter_model\.safetensors; save it again"):
        open_adapter(str(tmp_path / "adapter"), wide)


def test_a_folder_with_a_model_is_no_adapter(tmp_path):
    save_adapter(tmp_path / "adapter", make_llama())
    assert is_adapter(str(tmp_path / "adapter"))
    (tmp_path / "adapter/config.json").touch()
    assert not is_adapter(str(tmp_path / "adapter"))
    assert not is_adapter("testbed:aligned")
