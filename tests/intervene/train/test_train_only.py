"""SET in a user's own trainer: what the trainer does around SparseAdamW works, or is refused in a sentence."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import TrainerCallback

from holdfast.errors import InvariantError
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked
from holdfast.intervene.train.train_only import train_only
from tests.intervene.given import as_booleans, bits, equal_bits, random_mask, users_trainer
from tests.tiny import make_llama


def tune(model, mask, folder, **settings):
    with train_only(model, mask, lr=1e-2, weight_decay=0.1) as only:
        trainer = users_trainer(model, folder, [only], only.optimizers, **settings)
        trainer.train(resume_from_checkpoint=settings.get("resume_from_checkpoint"))
    return trainer


def test_only_selected_entries_train_under_decay_clipping_and_accumulation(tmp_path):
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    trainer = tune(model, mask, tmp_path)
    for name, weight in bits(model).items():
        chosen = as_booleans(mask, name, weight.shape)
        assert torch.equal(weight[~chosen], start[name][~chosen])
        assert bool((weight[chosen] != start[name][chosen]).all())
    losses = [record["loss"] for record in trainer.state.log_history if "loss" in record]
    assert len(losses) == 6
    assert all(weight.requires_grad and not weight._post_accumulate_grad_hooks for weight in model.parameters())


def test_the_trainers_clipping_is_done_on_the_selected_entries(tmp_path):
    """The trainer's max_grad_norm gives the bits of a SparseAdamW that clips by itself, and not those of none."""
    masks, models = [], {name: make_llama() for name in ("trainer's", "own", "none")}
    for name, model in models.items():
        mask = random_mask(model)
        masks.append(mask)
        if name == "own":
            with (
                freeze_unmasked(model, mask),
                SparseAdamW(model, mask, lr=1e-2, weight_decay=0.1, max_grad_norm=1e-8) as optimizer,
            ):
                users_trainer(model, tmp_path, optimizers=(optimizer, None), max_grad_norm=0.0).train()
        else:
            tune(model, mask, tmp_path, max_grad_norm=1e-8 if name == "trainer's" else 0.0)
    assert equal_bits(bits(models["trainer's"]), bits(models["own"]))
    assert not equal_bits(bits(models["trainer's"]), bits(models["none"]))


class Norms(TrainerCallback):
    """Records the norm of the selected entries' gradient before each step, and what the trainer prints."""

    def __init__(self):
        self.before_steps, self.printed = [], []

    def on_pre_optimizer_step(self, args, state, control, optimizer, **kwargs):
        grads = [master.grad for group in optimizer.param_groups for master in group["params"]]
        self.before_steps.append(float(torch.cat(grads).double().square().sum().sqrt()))

    def on_log(self, args, state, control, logs, **kwargs):
        self.printed += [logs["grad_norm"]] if "grad_norm" in logs else []


def test_the_log_has_the_norm_of_the_selected_entries_gradient_before_clipping(tmp_path):
    model, norms = make_llama(), Norms()
    with train_only(model, random_mask(model), lr=1e-2) as only:
        trainer = users_trainer(model, tmp_path, [only, norms], only.optimizers, max_grad_norm=1e-8)
        trainer.train()
    logged = [record["grad_norm"] for record in trainer.state.log_history if "grad_norm" in record]
    assert len(logged) == 6
    assert logged == norms.printed == pytest.approx(norms.before_steps, rel=1e-5)  # float32 sums
    assert min(logged) > 0


def test_micro_batches_add_up(tmp_path):
    whole, parts = make_llama(), make_llama()
    mask = random_mask(whole)
    tune(whole, mask, tmp_path, per_device_train_batch_size=4, gradient_accumulation_steps=1)
    tune(parts, mask, tmp_path, per_device_train_batch_size=1, gradient_accumulation_steps=4)
    # Adam divides by the root of a moment, which magnifies float32 rounding of tiny gradients: 6 steps of 1e-2.
    for name, weight in bits(parts).items():
        torch.testing.assert_close(weight, bits(whole)[name], rtol=0, atol=1e-4)


def test_a_resumed_run_gives_the_bits_of_an_uninterrupted_one(tmp_path):
    through, saved, resumed = (make_llama() for _ in range(3))
    mask = random_mask(through)
    tune(through, mask, tmp_path / "through")
    tune(saved, mask, tmp_path / "run", save_strategy="steps", save_steps=4)
    tune(resumed, mask, tmp_path / "run", resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    assert equal_bits(bits(through), bits(resumed))


def test_gradients_of_a_step_that_was_skipped_are_dropped(tmp_path):
    """As a gradient scaler skips one whose gradients are not finite: the trainer clears dense gradients alone."""

    class Skip(TrainerCallback):
        def on_train_begin(self, args, state, control, *, optimizer, **_):
            self.step = optimizer.step
            optimizer.step = lambda *_: None

        def on_step_end(self, args, state, control, *, optimizer, **_):
            optimizer.step = self.step

    model = make_llama()
    mask = random_mask(model)
    with train_only(model, mask, lr=1e-2) as only:
        trainer = users_trainer(model, tmp_path, [only, Skip()], only.optimizers, max_steps=1)
        trainer.train()
        (master,) = only.optimizers[0].param_groups[0]["params"]
        assert master.grad is None


def test_what_else_writes_outside_the_mask_is_found_at_the_end(tmp_path):
    model = make_llama()

    class Meddle(TrainerCallback):
        def on_step_end(self, *_, **__):
            with torch.no_grad():
                model.model.norm.weight[0] += 1.0

    with train_only(model, random_mask(model)) as only, pytest.raises(InvariantError, match="outside the mask"):
        users_trainer(model, tmp_path, [only, Meddle()], only.optimizers, max_steps=1).train()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": -1}, "lr=-1 can't be used; give a number above 0"),
        ({"lr": 0.0}, "lr=0.0 can't be used"),
        ({"lr": "1e-3"}, "lr='1e-3' can't be used"),
        ({"lr": float("nan")}, "lr=nan can't be used"),
        ({"weight_decay": -1}, "weight_decay=-1 can't be used; give a number 0 or more"),
        ({"max_grad_norm": True}, "max_grad_norm=True can't be used"),
    ],
)
def test_numbers_that_train_uphill_or_not_at_all_are_refused(settings, sentence):
    model = make_llama()
    with pytest.raises(ValueError, match=sentence):
        train_only(model, random_mask(model), **settings)
    with freeze_unmasked(model, random_mask(model)), pytest.raises(ValueError, match=sentence):
        SparseAdamW(model, random_mask(model), **settings)


def test_the_argument_for_clipping_comes_before_the_trainers(tmp_path):
    models = make_llama(), make_llama()
    mask = random_mask(models[0])
    tune(models[0], mask, tmp_path, max_grad_norm=1e-8)
    with train_only(models[1], mask, lr=1e-2, weight_decay=0.1, max_grad_norm=1e-8) as only:
        users_trainer(models[1], tmp_path, [only], only.optimizers, max_grad_norm=0.0).train()
    assert equal_bits(*map(bits, models))


def test_settings_of_the_trainer_that_have_no_effect_are_named_once(tmp_path, caplog):
    model = make_llama()
    with train_only(model, random_mask(model), lr=1e-3, max_grad_norm=1.0) as only:
        users_trainer(model, tmp_path, [only], only.optimizers, learning_rate=5e-5, max_steps=1).train()
    first, second = (record.message for record in caplog.records if "has no effect" in record.message)
    assert first.startswith("the trainer's weight_decay=0.1 has no effect, because `train_only` trains with weight_dec")
    assert second.startswith("the trainer's max_grad_norm=0.5 has no effect")
    caplog.clear()
    with train_only(model, random_mask(model), lr=1e-3, check_base=False) as only:
        users_trainer(model, tmp_path, [only], only.optimizers, learning_rate=1e-4, weight_decay=0.0).train()
    (only_one,) = (record.message for record in caplog.records if "has no effect" in record.message)
    assert "the trainer's learning_rate=0.0001 has no effect, because `train_only` trains with lr=0.001" in only_one


def test_a_trainer_without_the_callback_is_told_at_its_first_step(tmp_path, caplog):
    model = make_llama()
    with train_only(model, random_mask(model)) as only:
        users_trainer(model, tmp_path, [], only.optimizers, max_steps=3).train()
    (told,) = (record.message for record in caplog.records if "not its callback" in record.message)
    assert "give it `callbacks=[only]` as well" in told


def test_a_trainer_with_neither_trains_nothing_and_the_block_ends_in_an_error(tmp_path):
    model = make_llama()
    start = bits(model)
    with (  # noqa: SIM117
        pytest.raises(ValueError, match=r"nothing was trained: .* give the trainer `optimizers=only.optimizers, callb")
    ):
        with train_only(model, random_mask(model)):
            users_trainer(model, tmp_path, max_steps=1).train()
    assert equal_bits(start, bits(model))


def test_a_trainer_that_adds_adapters_is_refused_before_it_trains(tmp_path):
    model = make_llama()
    with train_only(model, random_mask(model)) as only:
        model = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
        with pytest.raises(ValueError, match=r"carries LoRA .* enhance the base model without adapters"):
            users_trainer(model, tmp_path, [only], only.optimizers)


def test_a_trainer_without_the_optimizer_is_refused(tmp_path):
    model = make_llama()
    with (
        train_only(model, random_mask(model)) as only,
        pytest.raises(ValueError, match="optimizer of its own; give it `optimizers="),
    ):
        users_trainer(model, tmp_path, [only]).train()


def test_several_processes_are_refused():
    model = make_llama()
    with (
        train_only(model, random_mask(model)) as only,
        pytest.raises(ValueError, match="2 processes add up gradients that SparseAdamW has freed"),
    ):
        only.on_train_begin(SimpleNamespace(world_size=2), None, None, model=model, optimizer=only.optimizers[0])


def test_a_model_that_the_trainer_moved_is_refused():
    model = make_llama()
    with train_only(model, random_mask(model)) as only:
        # As if the model had been on another device when the optimizer was made.
        only._entries = [replace(entry, index=entry.index.to("meta")) for entry in only._entries]
        with pytest.raises(ValueError, match="from meta to cpu; move the model there before `train_only`"):
            only.on_train_begin(SimpleNamespace(world_size=1), None, None, model=model, optimizer=only.optimizers[0])
