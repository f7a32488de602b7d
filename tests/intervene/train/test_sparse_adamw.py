import pytest
import torch
from transformers import get_cosine_schedule_with_warmup

from holdfast.intervene.train.sampled_gradient import LARGEST_DENSITY
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked
from holdfast.models.load import fingerprint
from holdfast.values import Mask
from tests.intervene.given import as_booleans, bits, equal_bits, loss_of, random_mask, twin
from tests.tiny import make_llama

MICRO_BATCHES = 2
MAX_NORM = 3e-3
FEW = LARGEST_DENSITY / 2
"""Share of selected weights whose gradients are sampled."""
RATES = {"lr": 1e-2, "betas": (0.9, 0.99), "eps": 1e-6}


def masked_dense_steps(model, mask, weight_decay, steps):
    """A dense float32 AdamW whose gradients, norm and update are masked: what SparseAdamW must equal."""
    chosen = {name: as_booleans(mask, name, weight.shape) for name, weight in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=weight_decay, foreach=False, fused=False, **RATES)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 5, steps)
    for step in range(steps):
        for micro_batch in range(MICRO_BATCHES):
            (loss_of(model, MICRO_BATCHES * step + micro_batch) / MICRO_BATCHES).backward()
        for name, weight in model.named_parameters():
            weight.grad = weight.grad * chosen[name]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        assert norm > MAX_NORM, "clipping bites"
        before = bits(model)
        optimizer.step()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(torch.where(chosen[name], weight, before[name]))
        scheduler.step()
        optimizer.zero_grad()


def sparse_steps(model, mask, weight_decay, steps):
    with (
        freeze_unmasked(model, mask),
        SparseAdamW(model, mask, weight_decay=weight_decay, max_grad_norm=MAX_NORM, **RATES) as optimizer,
    ):
        scheduler = get_cosine_schedule_with_warmup(optimizer, 5, steps)
        for step in range(steps):
            for micro_batch in range(MICRO_BATCHES):
                (loss_of(model, MICRO_BATCHES * step + micro_batch) / MICRO_BATCHES).backward()
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_fifty_steps_equal_dense_adamw_with_a_masked_update(weight_decay):
    dense, sparse = make_llama(), make_llama()
    mask = random_mask(dense)
    start = bits(dense)
    masked_dense_steps(dense, mask, weight_decay, 50)
    sparse_steps(sparse, mask, weight_decay, 50)
    wanted, got = bits(dense), bits(sparse)
    assert max(float((wanted[name] - start[name]).abs().max()) for name in mask.indices) > 0.05
    for name, weight in wanted.items():
        # The same float32 arithmetic in another order: 50 steps of rounding at weights below 1.
        torch.testing.assert_close(got[name], weight, rtol=0, atol=1e-6)


def test_unmasked_entries_keep_every_bit():
    model = make_llama()
    mask = random_mask(model)
    start = bits(model)
    sparse_steps(model, mask, 0.1, 5)
    for name, weight in bits(model).items():
        same = (weight == start[name]) | as_booleans(mask, name, weight.shape)
        assert bool(same.all()), name
    moved = torch.cat([(bits(model)[name] != start[name]).view(-1)[mask[name]] for name in mask.indices])
    assert float(moved.float().mean()) > 0.99


def test_dense_gradients_are_freed_during_backward():
    model = make_llama()
    mask = random_mask(model)
    with freeze_unmasked(model, mask), SparseAdamW(model, mask) as optimizer:
        loss_of(model, 0).backward()
        assert all(weight.grad is None for weight in model.parameters())
        assert sum(tensor.numel() for tensor in optimizer.state[optimizer.param_groups[0]["params"][0]].values()) == (
            3 * len(mask) + 1
        )


def test_small_steps_on_bfloat16_weights_are_not_lost():
    model = torch.nn.Linear(4, 1, bias=False).to(torch.bfloat16)
    with torch.no_grad():
        model.weight.fill_(0.02)
    mask = Mask({"weight": torch.arange(4)}, {"weight": (1, 4)}, fingerprint(model), 4)
    naive = torch.optim.SGD(twin(model).parameters(), lr=3e-5)
    with SparseAdamW(model, mask, lr=3e-5) as optimizer:
        for _ in range(100):
            model(torch.ones(1, 4, dtype=torch.bfloat16)).sum().backward()
            optimizer.step()
    moved = 0.02 - model.weight.detach().float()
    # 100 equal gradients give 100 steps of lr each; one bf16 ulp at 0.02 is 2**-13.
    torch.testing.assert_close(moved, torch.full((1, 4), 0.003), rtol=0, atol=2**-13)
    weight = naive.param_groups[0]["params"][0]
    for _ in range(100):
        weight.grad = torch.ones_like(weight)
        naive.step()
    assert bool((weight == torch.tensor(0.02, dtype=torch.bfloat16)).all())


@pytest.mark.parametrize(("dtype", "density"), [(torch.bfloat16, 0.05), (torch.float32, FEW)])
def test_a_resumed_run_equals_an_uninterrupted_one(dtype, density):
    through, halfway = (make_llama().to(dtype) for _ in range(2))
    mask = random_mask(through, density)

    def steps(model, optimizer, which):
        for step in which:
            loss_of(model, step).backward()
            optimizer.step()

    with freeze_unmasked(through, mask), SparseAdamW(through, mask, lr=1e-3) as optimizer:
        steps(through, optimizer, range(6))
    with freeze_unmasked(halfway, mask):
        with SparseAdamW(halfway, mask, lr=1e-3) as optimizer:
            steps(halfway, optimizer, range(3))
            saved = twin(optimizer.state_dict())
        with SparseAdamW(halfway, mask, lr=1e-3, check_base=False) as optimizer:  # it is no longer the base
            optimizer.load_state_dict(saved)
            steps(halfway, optimizer, range(3, 6))
    assert equal_bits(bits(through), bits(halfway))


def test_a_state_of_another_mask_is_refused():
    model = make_llama()
    mask, other = random_mask(model), random_mask(model, density=0.1)
    with freeze_unmasked(model, mask):
        with SparseAdamW(model, other) as optimizer:
            saved = optimizer.state_dict()
        with SparseAdamW(model, mask) as optimizer, pytest.raises(ValueError, match="resume with the mask"):
            optimizer.load_state_dict(saved)


def test_a_name_that_matches_nothing_is_refused():
    model = make_llama()
    mask = Mask({"model.layers.9.weight": torch.tensor([0])}, {"model.layers.9.weight": (2, 2)}, "", 4)
    with pytest.raises(
        ValueError,
        match=r"has a parameter 'model\.layers\.9\.weight' of shape \(2, 2\), and this LlamaForCausalLM has none",
    ):
        SparseAdamW(model, mask)


def test_an_empty_mask_is_refused():
    model = make_llama()
    with pytest.raises(ValueError, match="selects no entry"):
        SparseAdamW(model, random_mask(model, density=0.0))


def test_a_trained_parameter_without_a_mask_is_refused():
    model = make_llama()
    with pytest.raises(ValueError, match="selects nothing in it"):
        SparseAdamW(model, random_mask(model))


def test_a_masked_parameter_without_a_gradient_is_refused():
    model = make_llama().requires_grad_(False)
    with pytest.raises(ValueError, match="needs no gradient"):
        SparseAdamW(model, random_mask(model))


def test_a_second_optimizer_on_the_same_parameters_is_refused():
    model = make_llama()
    mask = random_mask(model)
    loss = loss_of(model, 0)
    with (
        freeze_unmasked(model, mask),
        SparseAdamW(model, mask),
        SparseAdamW(model, mask),
        pytest.raises(RuntimeError, match="close its other SparseAdamW"),
    ):
        loss.backward()


def test_close_leaves_no_hook_and_refuses_to_step():
    model = make_llama()
    mask = random_mask(model)
    with freeze_unmasked(model, mask):
        with SparseAdamW(model, mask) as optimizer:
            pass
        loss_of(model, 0).backward()
        assert all(model.get_parameter(name).grad is not None for name in mask.indices)
        with pytest.raises(ValueError, match="closed"):
            optimizer.step()


def test_freezing_gives_back_what_needed_gradients():
    model = make_llama()
    model.get_input_embeddings().weight.requires_grad_(False)
    before = {name: weight.requires_grad for name, weight in model.named_parameters()}
    mask = random_mask(model)
    with freeze_unmasked(model, mask):
        assert {name for name, weight in model.named_parameters() if weight.requires_grad} == set(mask.indices)
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == before
    with pytest.raises(RuntimeError, match="stop"), freeze_unmasked(model, mask):
        raise RuntimeError("stop")
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == before


def scaled_steps(model, mask, losses, scaler=None):
    with freeze_unmasked(model, mask), SparseAdamW(model, mask, max_grad_norm=MAX_NORM, **RATES) as optimizer:
        for loss in losses:
            if scaler is None:
                loss(model).backward()
                optimizer.step()
            else:
                scaler.scale(loss(model)).backward()
                scaler.step(optimizer)
                scaler.update()


def test_a_gradient_scaler_changes_nothing_but_the_range():
    plain, scaled = make_llama(), make_llama()
    mask = random_mask(plain)
    losses = [lambda model, step=step: loss_of(model, step) for step in range(4)]
    scaled_steps(plain, mask, losses)
    scaled_steps(scaled, mask, losses, torch.amp.GradScaler("cpu", init_scale=1024.0))
    for name, weight in bits(plain).items():
        # Scaling by a power of two is exact; the sums behind it round once more.
        torch.testing.assert_close(bits(scaled)[name], weight, rtol=0, atol=1e-6)


def test_a_step_that_overflowed_changes_nothing_and_leaves_nothing_behind():
    plain, scaled = make_llama(), make_llama()
    mask = random_mask(plain)
    start = bits(scaled)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    overflow = [lambda model: loss_of(model, 9) * float("inf")]
    scaled_steps(scaled, mask, overflow, scaler)
    assert equal_bits(bits(scaled), start)
    assert scaler.get_scale() == 512.0
    losses = [lambda model: loss_of(model, 0)]
    scaled_steps(plain, mask, losses)
    scaled_steps(scaled, mask, [*overflow, *losses], torch.amp.GradScaler("cpu", init_scale=1024.0))
    for name, weight in bits(plain).items():
        torch.testing.assert_close(bits(scaled)[name], weight, rtol=0, atol=1e-6)


@pytest.mark.parametrize("density", [0.05, FEW])
def test_gradient_checkpointing_gives_the_same_steps(density):
    plain, checkpointed = make_llama(), make_llama()
    mask = random_mask(plain, density)
    checkpointed.activation_checkpointing_enable()
    checkpointed.train()
    losses = [lambda model, step=step: loss_of(model, step) for step in range(3)]
    scaled_steps(plain, mask, losses)
    scaled_steps(checkpointed, mask, losses)
    for name, weight in bits(plain).items():
        torch.testing.assert_close(bits(checkpointed)[name], weight, rtol=0, atol=1e-6)
