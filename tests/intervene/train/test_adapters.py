"""Fine-tuning by LoRA adapters, with and without a hold, from the options to the merged checkpoint."""

from functools import partial

import pytest
import torch
from transformers import AutoModelForCausalLM

from holdfast.artifacts import load_mask, save_mask
from holdfast.cli import call
from holdfast.intervene.hold.lora import MASK_FILE, load_protected
from holdfast.intervene.options import AdaptOptions, LoraOptions
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.adapters import adapters
from holdfast.pipeline import tuning
from holdfast.pipeline.saving import save_checkpoint
from tests.intervene.given import (
    HARMLESS,
    as_booleans,
    bits,
    equal_bits,
    load_tiny,
    random_mask,
)
from tests.tiny import make_llama

LORA = AdaptOptions(iterations=6, batch_size=4, learning_rate=1e-2, weight_decay=0.1, lora=LoraOptions(rank=3))
Q_PROJ = "model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_adapt_by_lora_holds_every_protected_bit_and_leaves_the_model_plain(tmp_path, dtype):
    loaded = load_tiny(dtype)
    mask, start, kinds = random_mask(loaded.model), bits(loaded.model), [type(m) for m in loaded.model.modules()]
    result = adapt(loaded, mask, HARMLESS, LORA, adapter_dir=tmp_path)
    after = bits(loaded.model)
    for name in mask.indices:
        held = as_booleans(mask, name, after[name].shape)
        assert torch.equal(after[name][held], start[name][held])
        assert bool((after[name] != start[name])[~held].float().mean() > 0.5)
    assert {name for name in after if not torch.equal(after[name], start[name])} == set(mask.indices)
    assert result.protected_identical is True
    assert [type(module) for module in loaded.model.modules()] == kinds
    assert all(weight.requires_grad for weight in loaded.model.parameters())
    assert not hasattr(loaded.model, "peft_config")
    reloaded = load_protected(load_tiny(dtype).model, tmp_path)
    tokens = torch.arange(12)[None]
    # the merged model was cast to the checkpoint's dtype, of 8 or 11 bits, in each of two layers
    torch.testing.assert_close(reloaded(tokens).logits, loaded.model(tokens).logits, rtol=0.05, atol=0.02)


def test_plain_lora_moves_the_same_entries():
    loaded = load_tiny()
    mask, start = random_mask(loaded.model), bits(loaded.model)
    result = adapt(loaded, None, HARMLESS, LORA)
    held = as_booleans(mask, Q_PROJ, start[Q_PROJ].shape)
    assert bool((bits(loaded.model)[Q_PROJ] != start[Q_PROJ])[held].float().mean() > 0.5)
    assert result.protected_identical is None


@pytest.mark.parametrize("protected", [False, True])
def test_a_resumed_lora_run_gives_the_weights_of_an_uninterrupted_one(tmp_path, protected):
    through, broken, resumed = (load_tiny() for _ in range(3))
    mask = random_mask(through.model) if protected else None
    options = LORA.model_copy(update={"checkpoint_every": 2})
    run = partial(adapt, mask=mask, exchanges=HARMLESS, output_dir=tmp_path / "run")
    whole = adapt(through, mask, HARMLESS, LORA)
    steps = []

    def stop(label, done, total):
        if done == 5:
            raise KeyboardInterrupt

    untouched = bits(broken.model)
    with pytest.raises(KeyboardInterrupt):
        run(broken, options=options, progress=stop)
    assert equal_bits(untouched, bits(broken.model)), "without its adapters the model is what it was"
    result = run(resumed, options=options, progress=lambda label, done, total: steps.append((label, done)))
    assert next(done for label, done in steps if label == "adapting") == 4, "resumed after step 4"
    assert result.losses == pytest.approx(whole.losses), "those of the first steps were kept"
    assert equal_bits(bits(through.model), bits(resumed.model))


def test_the_command_writes_a_merged_checkpoint_and_the_adapter(tmp_path):
    base = tmp_path / "base"
    loaded = load_tiny()
    save_checkpoint(base, loaded)
    task = tmp_path / "task.jsonl"
    task.write_text("".join(f'{{"prompt": "{e.prompt}", "response": "{e.response}"}}\n' for e in HARMLESS))
    mask = random_mask(loaded.model)
    save_mask(tmp_path / "mask.safetensors", mask)
    tuning.adapt_model(str(base), tmp_path / "mask.safetensors", str(task), tmp_path / "out", options=LORA)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "model")
    start = AutoModelForCausalLM.from_pretrained(base)
    assert merged.dtype == start.dtype == torch.float16
    for name in mask.indices:
        held = as_booleans(mask, name, mask.shapes[name])
        assert torch.equal(merged.get_parameter(name)[held], start.get_parameter(name)[held])
        assert not torch.equal(merged.get_parameter(name), start.get_parameter(name))
    assert load_mask(tmp_path / "out" / "adapter" / MASK_FILE).equals(mask)


def test_targets_choose_components_and_an_unknown_one_is_refused():
    model = make_llama()
    with adapters(model, LoraOptions(targets=("v_proj",)), 0) as peft_model:
        trained = {name for name, weight in peft_model.named_parameters() if weight.requires_grad}
        assert len(trained) == 4
        assert all(".v_proj.lora_" in name for name in trained)
    with (
        pytest.raises(ValueError, match=r"has no linear layer 'c_attn'; it has down_proj"),
        adapters(model, LoraOptions(targets=("c_attn",)), 0),
    ):
        pass


def test_freeze_has_no_effect_with_lora_and_is_refused():
    with pytest.raises(ValueError, match="freeze has no effect with lora"):
        AdaptOptions(lora=LoraOptions(), freeze=("embedding",))


def test_on_the_command_line_that_error_names_the_options_as_they_were_typed(capsys):
    assert call(["adapt", "m", "--task", "t", "--out", "o", "--freeze", "embedding", "--lora.alpha", "8"]) == 2
    assert "so --freeze has no effect with --lora.alpha; leave one of them out" in capsys.readouterr().err
