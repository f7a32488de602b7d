import pytest
import torch
from accelerate import Accelerator

from holdfast.errors import InvariantError
from holdfast.intervene.hold.protect import protect
from holdfast.values import Mask
from tests.intervene.given import as_booleans, bits, loss_of, random_mask
from tests.tiny import make_llama

OPTIMIZERS = {
    "adamw": lambda weights: torch.optim.AdamW(weights, lr=1e-2, weight_decay=0.1, fused=True),
    "adam with decay": lambda weights: torch.optim.Adam(weights, lr=1e-2, weight_decay=0.1),
    "sgd with momentum": lambda weights: torch.optim.SGD(weights, lr=1e-2, momentum=0.9, weight_decay=0.1),
    "adafactor": lambda weights: torch.optim.Adafactor(weights, lr=1e-2, weight_decay=0.1),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, lr=1e-3, momentum=0.9, weight_decay=0.1),
}


def train(model, optimizer, steps=4, max_norm=0.5):
    for step in range(steps):
        for micro_batch in range(2):
            loss_of(model, 2 * step + micro_batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        optimizer.zero_grad()


def changed_share(model, start, mask):
    chosen = {name: as_booleans(mask, name, weight.shape) for name, weight in model.named_parameters()}
    moved = {name: weight != start[name] for name, weight in bits(model).items()}
    held = torch.cat([moved[name][chosen[name]] for name in moved]).float().mean()
    free = torch.cat([moved[name][~chosen[name]] for name in mask.indices]).float().mean()
    return float(held), float(free)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_protected_entries_keep_every_bit_with_weight_decay_momentum_clipping_and_accumulation(name, dtype):
    model = make_llama().to(dtype)
    mask, start = random_mask(model), bits(model)
    optimizer = OPTIMIZERS[name](model.parameters())
    with protect(optimizer, mask, model) as protection:
        train(model, optimizer)
        protection.verify()
    held, free = changed_share(model, start, mask)
    assert held == 0.0
    assert free > 0.1  # bfloat16 swallows most of the small steps


def test_without_protection_weight_decay_moves_them():
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    train(model, OPTIMIZERS["adamw"](model.parameters()))
    assert changed_share(model, start, mask)[0] > 0.99


def test_one_entry_left_out_of_the_mask_moves():
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    name = next(iter(mask.indices))
    smaller = Mask({**mask.indices, name: mask[name][1:]}, mask.shapes, mask.base, mask.num_parameters)
    optimizer = OPTIMIZERS["adamw"](model.parameters())
    with protect(optimizer, smaller, model):
        train(model, optimizer)
    held, _ = changed_share(model, start, mask)
    assert held == pytest.approx(1 / len(mask), rel=1e-3)


def test_clipping_and_moments_never_see_the_protected_gradients():
    model = make_llama()
    mask = random_mask(model, density=0.5)
    optimizer = OPTIMIZERS["adamw"](model.parameters())
    with protect(optimizer, mask, model):
        for step in range(2):
            loss_of(model, step).backward()
        for name in mask.indices:
            gradient = model.get_parameter(name).grad
            assert not bool(gradient.view(-1)[mask[name]].any())
            assert bool(gradient.any())
        optimizer.step()
    for name in mask.indices:
        assert not bool(optimizer.state[model.get_parameter(name)]["exp_avg"].view(-1)[mask[name]].any())


def test_verify_finds_a_single_changed_bit():
    model = make_llama()
    mask = random_mask(model)
    name = next(iter(mask.indices))
    with protect(torch.optim.SGD(model.parameters(), lr=0.1), mask, model) as protection:
        protection.verify()
        with torch.no_grad():
            value = model.get_parameter(name).view(-1)[mask[name][3]]
            value.copy_(torch.nextafter(value, torch.tensor(9.0)))
        with pytest.raises(InvariantError, match=name.replace(".", r"\.")):
            protection.verify()


def test_the_hold_reaches_the_optimizer_inside_accelerates_wrapper():
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    accelerator = Accelerator(cpu=True)
    wrapped = accelerator.prepare_optimizer(OPTIMIZERS["adamw"](model.parameters()))
    with protect(wrapped, mask, model) as protection:
        train(model, wrapped)
        protection.verify()
    held, free = changed_share(model, start, mask)
    assert held == 0.0
    assert free > 0.9


def test_release_leaves_no_hook_behind():
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    optimizer = OPTIMIZERS["adamw"](model.parameters())
    with protect(optimizer, mask, model):
        pass
    train(model, optimizer)
    assert changed_share(model, start, mask)[0] > 0.99


def test_a_mask_for_a_wrapped_model_is_refused():
    model = make_llama()
    mask = random_mask(model)
    wrapper = torch.nn.ModuleDict({"base": model})
    with pytest.raises(ValueError, match="made for another model"):
        protect(torch.optim.SGD(wrapper.parameters(), lr=0.1), mask, wrapper)
