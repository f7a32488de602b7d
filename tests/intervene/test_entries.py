"""A training that could change no weight is refused with a reason, before its first step."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from holdfast.intervene.hold.callback import ProtectCallback
from holdfast.intervene.hold.protect import protect
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.preserve.in_trainer import preserve
from tests.intervene.given import HARMLESS, load_tiny, random_mask, users_trainer
from tests.tiny import make_llama

FROZEN = r"^every weight of \w+ is frozen \(requires_grad is False\), so training would change nothing; leave some of "
HELD = r"^the mask holds every weight of LlamaForCausalLM that is not frozen, so training would change nothing; select"
STEPS = {"iterations": 1, "batch_size": 2}


def only_matrices(model):
    """Freezes what no mask covers, and returns a mask of all other weights."""
    mask = random_mask(model, 1.0)
    for name, weight in model.named_parameters():
        weight.requires_grad_(name in mask.indices)
    return mask


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_trainer_with_a_frozen_model_is_refused_under_a_hold(wrapped, tmp_path):
    model, mask = make_llama(), random_mask(make_llama())
    model = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"])) if wrapped else model
    model.requires_grad_(False)
    with pytest.raises(ValueError, match=FROZEN):
        users_trainer(model, tmp_path, [ProtectCallback(mask)]).train()


def test_a_method_in_a_trainer_with_a_frozen_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=FROZEN):
        preserve(users_trainer(make_llama().requires_grad_(False), tmp_path), "ema")


@pytest.mark.parametrize("held", [True, False])
def test_adapt_with_every_role_frozen_is_refused(held):
    loaded = load_tiny(torch.float32)
    options = AdaptOptions(freeze=("matrix", "norm", "embedding"), **STEPS)
    with pytest.raises(ValueError, match=FROZEN):
        adapt(loaded, random_mask(loaded.model) if held else None, HARMLESS, options)


def test_a_mask_of_all_that_is_not_frozen_is_refused(tmp_path):
    model = make_llama()
    mask = only_matrices(model)
    with pytest.raises(ValueError, match=HELD):
        users_trainer(model, tmp_path, [ProtectCallback(mask)]).train()
    with pytest.raises(ValueError, match=HELD):
        protect(torch.optim.SGD(model.parameters(), lr=0.1), mask, model)
    with pytest.raises(ValueError, match=HELD):
        adapt(load_tiny(torch.float32), mask, HARMLESS, AdaptOptions(freeze=("norm", "embedding"), **STEPS))
    model.get_parameter("model.norm.weight").requires_grad_(True)
    protect(torch.optim.SGD(model.parameters(), lr=0.1), mask, model).release()
