"""The effective weight, in every way it is used, against W + s B A with the mask's entries left out, made densely."""

import warnings
from contextlib import suppress
from copy import deepcopy
from functools import partial

import pytest
import torch
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from holdfast.artifacts import load_mask
from holdfast.errors import InvariantError
from holdfast.intervene.hold.lora import MASK_FILE, load_protected, merge_protected, protect_lora, save_protected
from holdfast.intervene.hold.protect import protect
from holdfast.intervene.train.enhance import enhance
from holdfast.intervene.train.sparse_adamw import SparseAdamW
from holdfast.models.load import LoadedModel, fingerprint
from tests.intervene.given import (
    HARMLESS,
    REFUSALS,
    as_booleans,
    bits,
    load_tiny,
    loss_of,
    random_mask,
)
from tests.tiny import make_llama, make_moe

ROUNDING = {"rtol": 1e-4, "atol": 1e-6}
"""Sums of 12 to 340 float32 products in another order differ by a few of 2^-24 each."""
Q_PROJ = "model.layers.0.self_attn.q_proj.weight"


def adapted(model, moved=True, **settings):
    """A model with adapters whose B is not zero, as after some training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        peft_model = get_peft_model(model, LoraConfig(**{"r": 3, "target_modules": "all-linear", **settings}))
    if moved:
        for name, weight in peft_model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, std=0.1)
    return peft_model


def layer_of(model, name):
    return model.get_base_model().get_submodule(name.removesuffix(".weight"))


def masked_weight(layer, mask, name):
    """W + s B A without the mask's entries of s B A, differentiable in A and B."""
    base = layer.get_base_layer().weight
    update = layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    update = update.t() if layer.fan_in_fan_out else update
    return base + update * ~as_booleans(mask, name, base.shape)


def reference(layer, mask, name, x):
    weight, base = masked_weight(layer, mask, name), layer.get_base_layer()
    y = x @ (weight if layer.fan_in_fan_out else weight.t())
    return y if base.bias is None else y + base.bias


def gradients(y, layer, x):
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(5)).to(y.dtype)
    factors = (x, layer.lora_A["default"].weight, layer.lora_B["default"].weight)
    return torch.autograd.grad((y * cotangent).sum(), factors)


def train(model, steps=3):
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-2, weight_decay=0.1)
    for step in range(steps):
        loss_of(model, step).backward()
        optimizer.step()
        optimizer.zero_grad()


def effective_weight(layer):
    """What the layer multiplies with, read off by feeding it the unit vectors."""
    with torch.no_grad():
        return layer(torch.eye(layer.in_features)).t()


def make_gpt2():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=340, n_embd=16, n_layer=2, n_head=2, n_positions=64)).eval()


CASES = {
    "llama": (make_llama, {}, Q_PROJ),
    "conv1d": (make_gpt2, {"fan_in_fan_out": True}, "transformer.h.0.attn.c_attn.weight"),
    "square conv1d": (make_gpt2, {"fan_in_fan_out": True}, "transformer.h.0.attn.c_proj.weight"),
    "scaled": (make_llama, {"use_rslora": True, "lora_alpha": 7}, "model.layers.1.mlp.down_proj.weight"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_held_layer_and_its_gradients_are_those_of_the_dense_masked_weight(case, dropout):
    make, settings, name = CASES[case]
    model = adapted(make(), lora_dropout=dropout, **settings).eval()
    mask, layer = random_mask(make(), density=0.2), layer_of(model, name)
    x = torch.randn(2, 3, 5, layer.in_features, requires_grad=True)
    expected = reference(layer, mask, name, x)
    with protect_lora(model, mask):
        y = layer(x)
    torch.testing.assert_close(y, expected, **ROUNDING)
    for ours, theirs in zip(gradients(y, layer, x), gradients(expected, layer, x), strict=True):
        torch.testing.assert_close(ours, theirs, **ROUNDING)


def test_gradients_agree_with_finite_differences():
    model = adapted(make_llama()).double()
    mask, layer = random_mask(make_llama(), density=0.2), layer_of(model, Q_PROJ)
    x = torch.randn(4, layer.in_features, dtype=torch.float64, requires_grad=True)
    factors = (layer.lora_A["default"].weight, layer.lora_B["default"].weight)
    with protect_lora(model, mask):
        assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, *factors))


def test_dropout_drops_the_same_inputs_as_in_plain_lora():
    model = adapted(make_llama(), lora_dropout=0.5).train()
    mask, layer = random_mask(make_llama(), density=0.2), layer_of(model, Q_PROJ)
    x = torch.randn(7, layer.in_features, requires_grad=True)
    with protect_lora(model, mask):
        torch.manual_seed(3)
        y = layer(x)
    torch.manual_seed(3)
    dropped = layer.lora_dropout["default"](x)
    base = layer.get_base_layer()
    expected = base(x) + dropped @ (masked_weight(layer, mask, Q_PROJ) - base.weight).t()
    torch.testing.assert_close(y, expected, **ROUNDING)
    for ours, theirs in zip(gradients(y, layer, x), gradients(expected, layer, x), strict=True):
        torch.testing.assert_close(ours, theirs, **ROUNDING)


@pytest.mark.parametrize("adapters_too", [False, True])
def test_in_bfloat16_the_held_layer_is_as_near_as_its_rounding_lets_it(adapters_too):
    model = adapted(make_llama()).to(torch.bfloat16)
    if not adapters_too:
        for name, weight in model.named_parameters():
            weight.data = weight.data.float() if "lora_" in name else weight.data
    mask, layer = random_mask(make_llama().to(torch.bfloat16), density=0.2), layer_of(model, Q_PROJ)
    x = torch.randn(2, 5, layer.in_features).bfloat16().requires_grad_()
    with protect_lora(model, mask):
        y = layer(x)
    wide = deepcopy(layer).float()
    wide_x = x.detach().float().requires_grad_()
    expected = reference(wide, mask, Q_PROJ, wide_x)
    assert y.dtype == torch.bfloat16
    ours, theirs = gradients(y, layer, x), gradients(expected, wide, wide_x)
    for left, right in zip((y, *ours), (expected, *theirs), strict=True):
        # bfloat16 keeps 8 bits: 2^-8 of the largest term, for each of the three roundings on the way
        assert bool((left.float() - right).abs().max() <= 3 * 2**-8 * right.abs().max())


def test_protected_entries_of_the_effective_weight_keep_every_bit_in_training():
    start = make_llama()
    mask, model = random_mask(start), adapted(make_llama(), moved=False).train()
    with protect_lora(model, mask) as protection:
        train(model)
        protection.verify()
        for name in mask.indices:
            ours = effective_weight(layer_of(model, name))
            held = as_booleans(mask, name, ours.shape)
            assert torch.equal(ours[held], start.get_parameter(name)[held])
            assert bool((ours != start.get_parameter(name))[~held].float().mean() > 0.9)


def test_training_follows_the_dense_masked_weights_step_by_step():
    """Gradient checkpointing on one side, so that its second forward pass is held too."""
    mask = random_mask(make_llama(), density=0.3)
    ours, theirs = (adapted(make_llama(), moved=False).train() for _ in range(2))
    ours.enable_input_require_grads()
    ours.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for name in mask.indices:
        layer = layer_of(theirs, name)
        layer.forward = partial(reference, layer, mask, name)
    with protect_lora(ours, mask):
        train(ours)
    train(theirs)
    learned = {name: weight for name, weight in ours.named_parameters() if weight.requires_grad}
    for name, weight in theirs.named_parameters():
        if weight.requires_grad:
            # AdamW divides by the root of a squared gradient, so rounding counts where gradients are nearly zero
            torch.testing.assert_close(learned[name], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", [make_llama, make_gpt2])
def test_a_merged_checkpoint_keeps_every_protected_bit(make, dtype):
    start = make().to(dtype)
    mask, before = random_mask(start), bits(start)
    merged = merge_protected(adapted(make().to(dtype), fan_in_fan_out=make is make_gpt2), mask)
    after = bits(merged)
    assert set(after) == set(before)
    for name in mask.indices:
        held = as_booleans(mask, name, after[name].shape)
        assert torch.equal(after[name][held].view(torch.uint8), before[name][held].view(torch.uint8))
        assert bool((after[name] != before[name])[~held].float().mean() > 0.5)


def test_merging_without_it_moves_them():
    mask, start = random_mask(make_llama()), make_llama()
    merged = adapted(make_llama()).merge_and_unload()
    held = as_booleans(mask, Q_PROJ, start.get_parameter(Q_PROJ).shape)
    assert bool((merged.get_parameter(Q_PROJ) != start.get_parameter(Q_PROJ))[held].all())


def test_under_a_hold_pefts_own_merge_and_unmerge_keep_them_and_the_outputs():
    start = make_llama()
    mask, model = random_mask(start), adapted(make_llama())
    tokens = torch.arange(12)[None]
    with protect_lora(model, mask) as protection:
        unmerged = model(tokens).logits
        for change in (model.merge_adapter, model.unmerge_adapter):
            change()
            protection.verify()
            torch.testing.assert_close(model(tokens).logits, unmerged, **ROUNDING)
        with model.disable_adapter():
            torch.testing.assert_close(model(tokens).logits, start(tokens).logits, **ROUNDING)


def test_two_adapters_at_once_are_both_held():
    start = make_llama()
    mask, model = random_mask(start), adapted(make_llama())
    model.add_adapter("second", LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    model.base_model.set_adapter(["default", "second"])
    with protect_lora(model, mask):
        ours = effective_weight(layer_of(model, Q_PROJ))
    held = as_booleans(mask, Q_PROJ, ours.shape)
    # W and s B A are multiplied apart here; unit vectors pick single entries, so nothing is rounded
    assert torch.equal(ours[held], start.get_parameter(Q_PROJ)[held])
    assert bool((ours != start.get_parameter(Q_PROJ))[~held].all())


def test_an_adapter_saved_with_its_mask_is_held_again_after_loading(tmp_path):
    mask, model = random_mask(make_llama()), adapted(make_llama())
    tokens = torch.arange(12)[None]
    save_protected(model, mask, tmp_path)
    with protect_lora(model, mask):
        expected = model.eval()(tokens).logits
    assert torch.equal(load_protected(make_llama(), tmp_path)(tokens).logits, expected)
    plain = PeftModel.from_pretrained(make_llama(), str(tmp_path))
    assert not torch.allclose(plain(tokens).logits, expected, **ROUNDING), "plain PEFT loses the hold"
    assert load_mask(tmp_path / MASK_FILE).equals(mask)
    with pytest.raises(ValueError, match="another model"):
        load_protected(make_llama(seed=1), tmp_path)


def test_entries_that_no_adapter_reaches_are_counted_and_verified():
    mask = random_mask(make_llama())
    model = adapted(make_llama(), target_modules=["q_proj"])
    with protect_lora(model, mask) as protection:
        reached = sum(len(index) for name, index in mask.indices.items() if "q_proj" in name)
        assert (protection.entries_under_adapters, protection.entries_frozen) == (reached, len(mask) - reached)
        layer_of(model, "model.layers.0.mlp.up_proj.weight").weight.data.add_(1)
        with pytest.raises(InvariantError, match="up_proj"):
            protection.verify()


def test_verify_finds_an_adapter_that_was_added_later():
    model = adapted(make_llama(), target_modules=["q_proj"])
    with protect_lora(model, random_mask(make_llama())) as protection:
        model.add_adapter("late", LoraConfig(r=2, target_modules=["v_proj"]))
        with pytest.raises(InvariantError, match="added after"):
            protection.verify()


def test_release_gives_pefts_layers_back():
    model = adapted(make_llama())
    tokens, kinds = torch.arange(12)[None], [type(module) for module in model.modules()]
    plain, names = model(tokens).logits, set(model.state_dict())
    with suppress(KeyboardInterrupt), protect_lora(model, random_mask(make_llama())):
        assert not torch.allclose(model(tokens).logits, plain, **ROUNDING)
        assert set(model.state_dict()) == names
        raise KeyboardInterrupt
    assert [type(module) for module in model.modules()] == kinds
    assert not any("held" in vars(module) for module in model.modules())
    assert torch.equal(model(tokens).logits, plain)


def test_modules_that_are_trained_whole_beside_the_adapters_are_warned_of(caplog):
    model = adapted(make_llama(), moved=False, target_modules=["q_proj"], modules_to_save=["lm_head"])
    with protect_lora(model, random_mask(make_llama())):
        assert "modules_to_save trains all weights of lm_head, and the hold covers none of them" in caplog.text


@pytest.mark.parametrize(
    ("make", "settings", "words"),
    [
        (make_llama, {"use_dora": True}, "can't be held: DoraLinearVariant"),
        (make_llama, {"target_modules": ["q_proj"], "modules_to_save": ["up_proj"]}, "modules_to_save"),
        (make_llama, {"target_modules": ["embed_tokens"]}, "nothing to protect"),
        (make_llama, {"init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
        (make_moe, {"target_modules": [], "target_parameters": ["mlp.experts.down_proj"]}, "stored as one tensor"),
    ],
    ids=["dora", "modules to save", "no adapter", "pissa", "fused experts"],
)
def test_what_cannot_be_held_is_refused_in_a_sentence(make, settings, words):
    model = adapted(make(), moved=False, **settings)
    with pytest.raises(ValueError, match=words):
        protect_lora(model, random_mask(make()))


def test_other_tuners_trained_bases_second_holds_and_other_models_are_refused():
    mask = random_mask(make_llama())
    other = get_peft_model(make_llama(), IA3Config(target_modules=["q_proj"], feedforward_modules=[]))
    with pytest.raises(ValueError, match="is not LoRA on a linear layer"):
        protect_lora(other, mask)
    with pytest.raises(ValueError, match="made for another model"):
        protect_lora(adapted(make_llama(width=32)), mask)
    model = adapted(make_llama())
    with protect_lora(model, mask), pytest.raises(ValueError, match="held already"):
        protect_lora(model, mask)
    layer_of(model, Q_PROJ).get_base_layer().weight.requires_grad_(True)
    with pytest.raises(ValueError, match="is trained directly"):
        protect_lora(model, mask)


class Quantised(nn.Linear):
    """Stands for a quantised layer: int8 weights, rounded to one scale."""

    def __init__(self, dense):
        super().__init__(dense.in_features, dense.out_features, bias=False)
        self.scale = dense.weight.detach().abs().max() / 127
        self.weight = nn.Parameter((dense.weight.detach() / self.scale).round().to(torch.int8), requires_grad=False)

    def forward(self, x):
        return x @ (self.weight.float() * self.scale).t()


def four_bits(dense):
    """The real thing, where bitsandbytes is installed."""
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    layer = bitsandbytes.nn.Linear4bit(
        dense.in_features, dense.out_features, bias=False, compute_dtype=torch.float32, quant_type="nf4"
    )
    layer.weight = bitsandbytes.nn.Params4bit(dense.weight.data, requires_grad=False, quant_type="nf4")
    return layer.to("cpu")


@pytest.mark.parametrize("quantise", [Quantised, four_bits])
def test_over_a_quantised_base_the_update_is_held_and_merging_is_refused(quantise):
    mask, base = random_mask(make_llama(width=64), density=0.2), make_llama(width=64)
    attention, base.is_loaded_in_4bit = base.model.layers[0].self_attn, quantise is four_bits
    attention.q_proj, attention.k_proj = quantise(attention.q_proj), quantise(attention.k_proj)
    model = adapted(base, target_modules=["q_proj", "v_proj"])
    layer = layer_of(model, Q_PROJ)
    with protect_lora(model, mask) as protection:
        update = effective_weight(layer) - layer.base_layer(torch.eye(layer.in_features)).t()
        held = as_booleans(mask, Q_PROJ, update.shape)
        assert not bool(update[held].any())
        assert bool((update[~held] != 0).all())
        train(model)
        protection.verify()
        with pytest.raises(ValueError, match="is quantised"):
            model.merge_adapter()
    with pytest.raises(ValueError, match="is quantised"):
        merge_protected(model, mask)


def test_set_and_the_hold_on_weights_refuse_a_model_with_adapters():
    mask, model = random_mask(make_llama()), adapted(make_llama())
    with pytest.raises(ValueError, match="changes every entry of a matrix"):
        SparseAdamW(model, mask)
    with pytest.raises(ValueError, match="protect_lora"):
        protect(torch.optim.SGD(model.parameters(), lr=0.1), mask, model)
    tiny = load_tiny()
    carrying = adapted(tiny.model)
    loaded = LoadedModel(carrying, tiny.tokenizer, "tiny", fingerprint(carrying), torch.float16)
    with pytest.raises(ValueError, match="changes every entry of a matrix"):
        enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS)
