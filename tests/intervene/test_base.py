"""Whatever takes a model and a mask, or a patch, refuses those of another model of the same shapes, or is told to."""

import importlib
import inspect
import pkgutil
import warnings
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

import holdfast.intervene
from holdfast.intervene.base import require_base
from holdfast.intervene.edit.perturb import perturbed
from holdfast.intervene.hold.callback import ProtectCallback
from holdfast.intervene.hold.lora import load_protected, merge_protected, protect_lora, save_protected
from holdfast.intervene.hold.protect import protect
from holdfast.intervene.options import AdaptOptions, EnhanceOptions
from holdfast.intervene.patch.patch import apply_patch, make_patch, selected_values
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.enhance import enhance
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked
from holdfast.intervene.train.train_only import train_only
from holdfast.made_by import model_entry
from holdfast.models.load import fingerprint, load_model
from tests.intervene.given import HARMLESS, REFUSALS, bits, equal_bits, load_tiny, random_mask, users_trainer
from tests.tiny import make_llama

STEPS = {"iterations": 1, "batch_size": 2, "learning_rate": 1e-3}


def mask_of(model):
    return replace(random_mask(model), base=fingerprint(model))


def wrapped(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_peft_model(model, LoraConfig(r=2, target_modules="all-linear"))


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


def loaded_again(model, mask, folder, **how):
    save_protected(wrapped(make_llama()), random_mask(make_llama()), folder)
    load_protected(model, folder, **how)


def test_a_built_in_model_has_its_own_name_in_the_error():
    loaded = load_model("testbed:unaligned")
    other = replace(random_mask(loaded.model), base="another", made_by=model_made("testbed:aligned"))
    with pytest.raises(ValueError, match=r"for 'testbed:aligned', and 'testbed:unaligned' was given"):
        require_base("the mask", other, loaded.model)


def model_made(name):
    return {"model": model_entry(name, "another")}


def noise(model, mask, folder, **how):
    with perturbed(model, mask, 0.0, torch.Generator(), **how):
        pass


def set_in_a_trainer(model, mask, folder, **how):
    with train_only(model, mask, **how):
        pass


def sparse(model, mask, folder, **how):
    with freeze_unmasked(model, mask):
        SparseAdamW(model, mask, **how).close()


def callback(model, mask, folder, **how):
    users_trainer(model, folder, [ProtectCallback(mask, **how)], max_steps=1).train()


def patched(model, mask, folder, **how):
    base = make_llama()
    apply_patch(model, make_patch(selected_values(base, mask, torch.float32), base, mask), **how)


TAKERS = {
    "perturbed": noise,
    "protect": lambda model, mask, folder, **how: protect(sgd(model), mask, model, **how),
    "ProtectCallback": callback,
    "ProtectCallback with adapters": lambda model, mask, folder, **how: callback(wrapped(model), mask, folder, **how),
    "train_only": set_in_a_trainer,
    "SparseAdamW": sparse,
    "selected_values": lambda model, mask, folder, **how: selected_values(model, mask, torch.float32, **how),
    "apply_patch": patched,
    "protect_lora": lambda model, mask, folder, **how: protect_lora(wrapped(model), mask, **how),
    "merge_protected": lambda model, mask, folder, **how: merge_protected(wrapped(model), mask, **how),
    "save_protected": lambda model, mask, folder, **how: save_protected(wrapped(model), mask, folder, **how),
    "load_protected": loaded_again,
    "adapt": lambda model, mask, folder, **how: adapt(
        load_tiny(torch.float32, model), mask, HARMLESS, AdaptOptions(**STEPS), **how
    ),
    "enhance": lambda model, mask, folder, **how: enhance(
        load_tiny(torch.float32, model),
        mask,
        refusals=REFUSALS,
        harmless=HARMLESS,
        options=EnhanceOptions(**STEPS),
        **how,
    ),
}


@pytest.mark.parametrize("name", TAKERS)
def test_a_mask_or_patch_of_another_model_of_the_same_shapes_is_refused_and_nothing_is_written(name, tmp_path):
    other = make_llama(seed=1)
    start = bits(other)
    with pytest.raises(ValueError, match=r"was made for another model: for one with fingerprint"):
        TAKERS[name](other, random_mask(make_llama()), tmp_path)
    assert equal_bits(start, {name.replace(".base_layer", ""): weight for name, weight in bits(other).items()})


@pytest.mark.parametrize("name", TAKERS)
def test_it_is_taken_where_the_check_is_left_out(name, tmp_path):
    TAKERS[name](make_llama(seed=1), random_mask(make_llama()), tmp_path, check_base=False)


def test_no_function_that_takes_a_model_and_a_mask_or_patch_is_without_the_choice():
    """Those that check nothing look entries up, read or write them for others, or are given both models."""
    within = {"freeze_unmasked", "masked_entries", "make_patch", "Protection", "LoraProtection", "refuse_wrong_start"}
    within |= {"layers_to_hold", "require_trainable"}
    lacking = []
    for module in pkgutil.iter_modules(holdfast.intervene.__path__):
        found = vars(importlib.import_module(f"holdfast.intervene.{module.name}"))
        for name, taker in found.items():
            own = inspect.isfunction(taker) or (inspect.isclass(taker) and "__init__" in vars(taker))
            if name.startswith("_") or name in within or not own or not taker.__module__.startswith("holdfast."):
                continue
            given = inspect.signature(taker).parameters
            kinds = " ".join(str(one.annotation) for one in given.values())
            if any(word in kinds for word in ("Mask", "values.Patch")) and {"model", "loaded", "base"} & given.keys():
                lacking += [name] if "check_base" not in given else []
    assert not lacking


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_same_values_in_a_wider_dtype_are_the_same_base(dtype):
    model = make_llama().to(dtype)
    mask = mask_of(model)
    for wider in (model, model.float()):
        require_base("the mask", mask, wider)


def test_a_narrower_dtype_is_another_base_and_is_named():
    with pytest.raises(ValueError, match=r"was given in torch.bfloat16; .* in the dtype of its files or a wider one"):
        require_base("the mask", mask_of(make_llama()), make_llama().bfloat16())


@pytest.fixture
def from_files(tmp_path):
    """A model that was loaded from a folder, and a mask that was made for it."""
    folder = tmp_path / "base"
    make_llama().save_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype="float32")
    made_by = {"model": model_entry("org/base", fingerprint(model))}
    return folder, model, replace(mask_of(model), made_by=made_by)


def test_weights_that_were_trained_after_loading_are_told_apart_from_another_model(from_files):
    folder, model, mask = from_files
    with torch.no_grad():
        model.get_parameter("model.norm.weight")[0] += 1
    with pytest.raises(ValueError, match=r"^the mask was made for 'org/base', and the weights in memory") as refused:
        require_base("the mask", mask, model)
    assert str(refused.value) == (
        "the mask was made for 'org/base', and the weights in memory differ from its files: they were changed after "
        "loading, by training or an edit; load the model again, or pass check_base=False to use them as they are."
    )
    model.save_pretrained(folder)  # the files are no longer those that the mask was made for
    with pytest.raises(ValueError, match=r"was made for another model: for 'org/base', and '.*/base' was given"):
        require_base("the mask", mask, model)


def test_weights_that_loading_rounded_are_told_with_the_dtype_of_the_files(from_files):
    folder, _, mask = from_files
    rounded = LlamaForCausalLM.from_pretrained(folder, dtype="bfloat16")
    with pytest.raises(ValueError, match=r"as torch.bfloat16 rounded them; load the model again as float32,"):
        require_base("the mask", mask, rounded)


def test_a_wider_dtype_than_that_of_the_files_is_named_too(from_files):
    folder, model, _ = from_files
    model.half().save_pretrained(folder)
    mask = replace(mask_of(model), made_by={"model": model_entry(str(folder), "f" * 64)})
    rounded = LlamaForCausalLM.from_pretrained(folder, dtype="bfloat16")
    with pytest.raises(ValueError, match=r"load the model again as float16 or float32,"):
        require_base("the mask", mask, rounded)


def test_the_error_names_both_models_and_their_fingerprints_only_where_the_names_do_not_tell_them_apart():
    model = make_llama(seed=1)
    mask = replace(mask_of(make_llama()), made_by={"model": model_entry("org/base", "f" * 64)})
    model.config._name_or_path = "org/other"
    with pytest.raises(ValueError, match="for another model: for 'org/base', and 'org/other' was given in torch"):
        require_base("the mask", mask, model)
    model.config._name_or_path = "org/base"
    apart = (
        rf"for 'org/base' \(fingerprint {mask.base[:12]}\), and 'org/base' \(fingerprint {fingerprint(model)[:12]}\)"
    )
    with pytest.raises(ValueError, match=apart):
        require_base("the mask", mask, model)


def test_float16_is_the_base_of_bfloat16_files_as_long_as_it_rounds_no_value():
    model = make_llama().half().bfloat16()  # values that both can hold
    require_base("the mask", mask_of(model), model.half())
    with torch.no_grad():
        model.bfloat16().get_parameter("model.norm.weight")[0] = 1e-30
    mask = mask_of(model)
    with pytest.raises(ValueError, match=r"was given in torch.float16; .* in the dtype of its files or a wider one"):
        require_base("the mask", mask, model.half())


def test_a_model_with_quantised_weights_has_no_bits_to_compare():
    model = make_llama()
    q_proj = model.model.layers[0].self_attn.q_proj
    q_proj.weight = torch.nn.Parameter(q_proj.weight.to(torch.int8), requires_grad=False)
    require_base("the mask", replace(mask_of(make_llama()), base="of another"), model)
