"""SPA in a user's own trainer: every protected bit, whatever the trainer does; each promise is seen to break."""

import shutil

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from transformers import AutoModelForCausalLM, TrainerCallback

from holdfast.artifacts import load_mask, save_mask
from holdfast.errors import InvariantError
from holdfast.intervene.entries import Entries
from holdfast.intervene.hold.callback import ProtectCallback
from holdfast.intervene.hold.protect import Protection, innermost
from holdfast.intervene.train.train_only import train_only
from holdfast.shares import share_words
from tests.intervene.given import as_booleans, bits, equal_bits, random_mask, twin, users_trainer
from tests.tiny import make_llama

OPTIMIZERS = {
    "adamw": {"optim": "adamw_torch"},
    "sgd with momentum": {"optim": "sgd", "optim_args": "momentum=0.9", "learning_rate": 0.1},
    "adafactor": {"optim": "adafactor"},
}


def moved(model, start, mask):
    """Shares of protected and of free entries of the masked parameters that have changed."""
    after = bits(model)
    chosen = {name: as_booleans(mask, name, after[name].shape) for name in mask.indices}
    held = torch.cat([(after[name] != start[name])[chosen[name]] for name in mask.indices])
    free = torch.cat([(after[name] != start[name])[~chosen[name]] for name in mask.indices])
    return float(held.float().mean()), float(free.float().mean())


class StopAfter(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **_):
        control.should_training_stop |= state.global_step == self.step


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_protected_entries_keep_every_bit_under_decay_momentum_clipping_and_accumulation(name, tmp_path):
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    users_trainer(model, tmp_path, [ProtectCallback(mask)], **OPTIMIZERS[name]).train()
    held, free = moved(model, start, mask)
    assert held == 0.0
    assert free > 0.9


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_the_write_back_the_callback_stops_the_run_at_the_next_save(name, tmp_path, monkeypatch):
    monkeypatch.setattr(Protection, "_write_back", lambda *_: None)
    model = make_llama()
    saving = {"save_strategy": "steps", "save_steps": 2}
    trainer = users_trainer(model, tmp_path, [ProtectCallback(random_mask(model))], **OPTIMIZERS[name], **saving)
    with pytest.raises(InvariantError, match="held weights"):
        trainer.train()
    assert trainer.state.global_step == 2


@pytest.mark.parametrize("broken", [False, True])
def test_moments_and_clipping_see_protected_gradients_only_where_zeroing_is_broken(broken, tmp_path, monkeypatch):
    if broken:
        monkeypatch.setattr(Entries, "blank", lambda *_: None)
    model = make_llama()
    mask = random_mask(model, density=0.5)
    trainer = users_trainer(model, tmp_path, [ProtectCallback(mask)])
    trainer.train()
    moments = innermost(trainer.optimizer).state
    seen = [moments[model.get_parameter(name)]["exp_avg"].view(-1)[mask[name]].any() for name in mask.indices]
    assert any(map(bool, seen)) is broken


def test_clipping_scales_by_the_free_gradients_alone(tmp_path):
    norms = {}
    for density in (0.0, 0.9):
        model = make_llama()
        callbacks = [ProtectCallback(random_mask(model, density))] if density else []
        trainer = users_trainer(model, tmp_path, callbacks, max_steps=1)
        trainer.train()
        norms[density] = trainer.state.log_history[0]["grad_norm"]
    assert norms[0.9] < norms[0.0]


def test_a_run_resumed_from_a_checkpoint_has_the_bits_of_an_uninterrupted_one(tmp_path):
    through, broken = make_llama(), make_llama()
    mask, start = random_mask(through), bits(through)
    saving = {"save_strategy": "steps", "save_steps": 2}
    users_trainer(through, tmp_path / "through", [ProtectCallback(mask)]).train()
    users_trainer(broken, tmp_path / "run", [ProtectCallback(mask), StopAfter(4)], **saving).train()
    resumed = make_llama(seed=1)  # other weights: those of the checkpoint count
    trainer = users_trainer(resumed, tmp_path / "run", [ProtectCallback(mask)], **saving)
    trainer.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    assert moved(resumed, start, mask)[0] == 0.0
    assert equal_bits(bits(resumed), bits(through))


def test_a_resumed_run_is_held_too(tmp_path, monkeypatch):
    model = make_llama()
    mask = random_mask(model)
    saving = {"save_strategy": "steps", "save_steps": 2}
    users_trainer(model, tmp_path, [ProtectCallback(mask), StopAfter(2)], **saving).train()
    monkeypatch.setattr(Protection, "_write_back", lambda *_: None)
    trainer = users_trainer(make_llama(), tmp_path, [ProtectCallback(mask)])
    with pytest.raises(InvariantError):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))


def test_what_else_writes_to_a_protected_entry_is_found_at_the_end(tmp_path):
    model = make_llama()
    mask = random_mask(model)
    name = next(iter(mask.indices))

    class Meddle(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            with torch.no_grad():
                model.get_parameter(name).view(-1)[mask[name][0]] += 1.0

    with pytest.raises(InvariantError, match=name.replace(".", r"\.")):
        users_trainer(model, tmp_path, [ProtectCallback(mask), Meddle()], max_steps=1).train()


def test_after_training_no_hook_is_left_and_all_entries_train_again(tmp_path):
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    trainer = users_trainer(model, tmp_path, [ProtectCallback(mask)])
    trainer.train()
    assert not any(weight._post_accumulate_grad_hooks for weight in model.parameters())
    trainer.pop_callback(ProtectCallback)
    trainer.train()
    assert moved(model, start, mask)[0] > 0.9


def test_the_other_entries_learn_as_they_do_by_hand(tmp_path):
    """The callback's hold is `protect`'s: the same bits as a trainer that is handed a protected optimizer."""
    model, other = make_llama(), make_llama()
    mask = random_mask(model)
    users_trainer(model, tmp_path, [ProtectCallback(mask)], optim="sgd").train()
    optimizer = torch.optim.SGD(other.parameters(), lr=1e-2, weight_decay=0.1)
    optimizer.param_groups[0]["params"] = [weight for weight in other.parameters() if weight.dim() > 1]
    optimizer.add_param_group(
        {"params": [weight for weight in other.parameters() if weight.dim() <= 1], "weight_decay": 0}
    )
    with Protection(optimizer, mask, other):
        users_trainer(other, tmp_path, optimizers=(optimizer, None)).train()
    assert equal_bits(bits(model), bits(other))


class Refresh:
    """Masks in a given order, noting the weights that each was made from."""

    def __init__(self, *masks):
        self.masks, self.seen = list(masks), []

    def __call__(self, model):
        assert not any(weight._post_accumulate_grad_hooks for weight in model.parameters()), "gradients are blanked"
        self.seen.append(bits(model))
        return self.masks[len(self.seen) - 1]


def test_a_refresh_frees_what_leaves_the_mask_and_holds_the_rest_at_its_present_values(tmp_path):
    model = make_llama()
    first, second, start = random_mask(model), random_mask(model, seed=1), bits(model)
    refresh = Refresh(second)
    callback = ProtectCallback(first, refresh=refresh, every=4)
    users_trainer(model, tmp_path, [callback]).train()
    assert callback.mask is second
    assert moved(model, refresh.seen[0], second)[0] == 0.0
    assert moved(model, start, second - first)[0] > 0.9, "they trained for four steps"
    assert moved(model, refresh.seen[0], first - second)[0] > 0.9, "they are free"
    assert moved(model, start, first & second)[0] == 0.0


def test_a_refresh_is_made_every_so_many_steps_but_not_after_the_last(tmp_path):
    model = make_llama()
    refresh = Refresh(random_mask(model, seed=1), random_mask(model, seed=2))
    users_trainer(model, tmp_path, [ProtectCallback(random_mask(model), refresh=refresh, every=2)]).train()
    assert len(refresh.seen) == 2


def test_a_resumed_run_goes_on_with_the_refreshed_mask(tmp_path):
    through, broken, resumed = (make_llama() for _ in range(3))
    first, second = random_mask(through), random_mask(through, seed=1)
    saving = {"save_strategy": "steps", "save_steps": 4}
    users_trainer(through, tmp_path / "through", [ProtectCallback(first, refresh=Refresh(second), every=3)]).train()
    callbacks = [ProtectCallback(first, refresh=Refresh(second), every=3), StopAfter(4)]
    users_trainer(broken, tmp_path / "run", callbacks, **saving).train()
    assert load_mask(tmp_path / "run" / "checkpoint-4" / "mask.safetensors").equals(second)
    trainer = users_trainer(resumed, tmp_path / "run", [ProtectCallback(first, refresh=Refresh(), every=3)], **saving)
    trainer.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    assert equal_bits(bits(resumed), bits(through))


def test_a_checkpoint_elsewhere_is_gone_on_from_with_the_given_mask_and_a_warning(tmp_path, caplog):
    model = make_llama()
    mask = random_mask(model)
    saving = {"save_strategy": "steps", "save_steps": 2}
    users_trainer(model, tmp_path / "run", [ProtectCallback(mask), StopAfter(2)], **saving).train()
    shutil.move(tmp_path / "run" / "checkpoint-2", tmp_path / "elsewhere")
    callback = ProtectCallback(mask, refresh=Refresh(mask), every=4)
    trainer = users_trainer(twin(model), tmp_path / "run", [callback])
    trainer.train(resume_from_checkpoint=str(tmp_path / "elsewhere"))
    assert "from step 2 on the first mask is held" in caplog.text


@pytest.mark.parametrize(
    ("given", "named", "sentence"),
    [
        (
            (10,),
            {},
            r"^ProtectCallback takes 1 \(mask\) without a name, got 2; give the others by name: refresh, every",
        ),
        (
            (),
            {"every": 10},
            r"^every=10 counts the steps between refreshes of the mask, and there is no refresh; give ",
        ),
        ((), {"refresh": len}, r"^refresh needs the number of steps between refreshes; give every=100 as well\.$"),
        ((), {"refresh": Refresh(), "every": 0}, "^refresh needs the number of steps"),
        ((), {"refresh": 10, "every": 5}, r"^refresh is int, and not a function that makes a new mask from the model"),
    ],
)
def test_a_refresh_is_a_function_and_a_number_of_steps_both_by_name(given, named, sentence):
    with pytest.raises(ValueError, match=sentence):
        ProtectCallback(random_mask(make_llama()), *given, **named)


def test_a_refresh_that_the_best_checkpoint_would_undo_is_refused(tmp_path):
    model = make_llama()
    mask = random_mask(model)
    best = {"load_best_model_at_end": True, "eval_strategy": "steps", "save_strategy": "steps"}
    with pytest.raises(ValueError, match="load_best_model_at_end could undo a refresh"):
        users_trainer(model, tmp_path, [ProtectCallback(mask, refresh=Refresh(mask), every=2)], **best)


def test_a_mask_of_other_shapes_is_refused_when_the_trainer_is_made(tmp_path):
    with pytest.raises(ValueError, match="made for another model"):
        users_trainer(make_llama(), tmp_path, [ProtectCallback(random_mask(make_llama(width=32)))])


def test_a_mask_of_other_values_is_refused_before_the_first_step(tmp_path):
    model = make_llama()
    start = bits(model)
    trainer = users_trainer(model, tmp_path, [ProtectCallback(random_mask(make_llama(seed=1)))])
    with pytest.raises(ValueError, match="made for another model"):
        trainer.train()
    assert trainer.state.global_step == 0
    assert equal_bits(bits(model), start)


SAVING = {"save_strategy": "steps", "save_steps": 2}


def resume(folder, mask, at="run/checkpoint-2", seed=1, **how):
    """Goes on from a checkpoint, in a new trainer with a model of other weights."""
    model = make_llama(seed=seed)
    trainer = users_trainer(model, folder / "run", [ProtectCallback(mask, **how)], **SAVING)
    trainer.train(resume_from_checkpoint=str(folder / at))
    return model


def test_a_checkpoint_that_was_moved_is_gone_on_from(tmp_path):
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    users_trainer(model, tmp_path / "run", [ProtectCallback(mask), StopAfter(2)], **SAVING).train()
    shutil.move(tmp_path / "run" / "checkpoint-2", tmp_path / "elsewhere")
    assert moved(resume(tmp_path, mask, "elsewhere"), start, mask)[0] == 0.0


def test_a_checkpoint_of_another_hold_is_refused_also_when_it_only_holds_others_values(tmp_path):
    base, other = make_llama(), make_llama(seed=1)
    mask, wider = random_mask(base), random_mask(base, density=0.1)
    users_trainer(base, tmp_path / "run", [ProtectCallback(mask), StopAfter(2)], **SAVING).train()
    with pytest.raises(ValueError, match="checkpoint of step 2 was not made under this hold"):
        resume(tmp_path, wider)
    shutil.rmtree(tmp_path / "run")
    others = random_mask(other)
    users_trainer(other, tmp_path / "run", [ProtectCallback(others), StopAfter(2)], **SAVING).train()
    assert others.indices.keys() == mask.indices.keys()
    with pytest.raises(ValueError, match="begin with the base, or pass check_base=False"):
        resume(tmp_path, mask)


def test_a_checkpoint_whose_held_entries_were_changed_is_refused(tmp_path):
    model = make_llama()
    mask = random_mask(model)
    users_trainer(model, tmp_path / "run", [ProtectCallback(mask), StopAfter(2)], **SAVING).train()
    checkpoint = tmp_path / "run" / "checkpoint-2"
    saved = AutoModelForCausalLM.from_pretrained(checkpoint)
    name = next(iter(mask.indices))
    with torch.no_grad():
        saved.get_parameter(name).view(-1)[mask[name][0]] += 1
    saved.save_pretrained(checkpoint)
    with pytest.raises(ValueError, match="was not made under this hold"):
        resume(tmp_path, mask)


def test_a_plain_run_is_gone_on_from_under_a_hold_only_where_the_check_is_left_out(tmp_path):
    model = make_llama()
    mask = random_mask(model)
    users_trainer(model, tmp_path / "run", [StopAfter(2)], **SAVING).train()
    start = bits(model)
    with pytest.raises(ValueError, match="its entries may differ from the base's"):
        resume(tmp_path, mask)
    assert moved(resume(tmp_path, mask, check_base=False), start, mask)[0] == 0.0


def test_a_model_that_has_trained_under_the_hold_trains_on_in_the_same_callback_and_in_no_new_one(tmp_path):
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    trainer = users_trainer(model, tmp_path, [ProtectCallback(mask)], max_steps=1)
    trainer.train()
    trainer.train()
    held, free = moved(model, start, mask)
    assert held == 0.0
    assert free > 0.9
    with pytest.raises(ValueError, match="made for another model"):
        users_trainer(model, tmp_path, [ProtectCallback(mask)], max_steps=1).train()


def test_adapters_that_were_put_into_the_model_itself_are_refused_in_a_sentence(tmp_path):
    model = make_llama()
    mask = random_mask(model)
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["q_proj"]), model)
    with pytest.raises(ValueError, match=r"add them with peft.get_peft_model, and this callback holds"):
        users_trainer(model, tmp_path, [ProtectCallback(mask)]).train()


def test_one_line_at_the_end_says_what_was_held_and_when_it_was_checked(tmp_path, capsys):
    model = make_llama()
    mask = random_mask(model)
    users_trainer(model, tmp_path, [ProtectCallback(mask)], **SAVING).train()
    held = f"held {len(mask):,} weights ({share_words(len(mask), mask.num_entries)})"
    assert capsys.readouterr().out.splitlines() == [f"{held}; every bit checked at steps 2, 4, 6 and the end"]


def test_the_line_can_be_silenced_and_is_logged_then(tmp_path, capsys, caplog):
    model = make_llama()
    with caplog.at_level("INFO", logger="holdfast"):
        users_trainer(model, tmp_path, [ProtectCallback(random_mask(model), quiet=True)]).train()
    assert capsys.readouterr().out == ""
    assert [record.message.partition(";")[2] for record in caplog.records] == [" every bit checked at the end"]


def test_another_process_than_the_first_says_nothing(tmp_path, capsys, monkeypatch):
    model = make_llama()
    trainer = users_trainer(model, tmp_path, [ProtectCallback(random_mask(model))], max_steps=1)
    monkeypatch.setattr(trainer, "is_world_process_zero", lambda: False)
    trainer.train()
    assert capsys.readouterr().out == ""


def test_a_run_that_broke_the_hold_says_nothing_of_having_held(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Protection, "_write_back", lambda *_: None)
    model = make_llama()
    with pytest.raises(InvariantError):
        users_trainer(model, tmp_path, [ProtectCallback(random_mask(model))]).train()
    assert "held" not in capsys.readouterr().out


def test_after_a_refresh_the_line_speaks_of_the_mask_and_the_checks_since(tmp_path, capsys):
    model = make_llama()
    second = random_mask(model, density=0.1, seed=1)
    callback = ProtectCallback(random_mask(model), refresh=Refresh(second), every=4)
    users_trainer(model, tmp_path, [callback], **SAVING).train()
    said = (
        f"held {len(second):,} weights ({second.density:.1%}) since step 4; every bit checked at steps 4, 6 and the end"
    )
    assert capsys.readouterr().out.splitlines() == [said]


def test_a_mask_may_be_given_as_the_path_of_its_file(tmp_path):
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    save_mask(tmp_path / "mask.safetensors", mask)
    users_trainer(model, tmp_path, [ProtectCallback(str(tmp_path / "mask.safetensors"))]).train()
    assert moved(model, start, mask)[0] == 0.0


@pytest.mark.parametrize("given", ["none.safetensors", 0.01, None])
def test_what_is_no_mask_is_refused_when_the_callback_is_made(given):
    with pytest.raises(ValueError, match=r"does not exist|a mask was expected, got (float|NoneType)"):
        ProtectCallback(given)


def test_a_callback_that_is_added_twice_holds_once_and_says_so_once(tmp_path, capsys):
    model = make_llama()
    mask, start = random_mask(model), bits(model)
    callback = ProtectCallback(mask)
    users_trainer(model, tmp_path, [callback, callback]).train()
    assert moved(model, start, mask)[0] == 0.0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_two_callbacks_are_refused_in_a_sentence_that_says_how_to_join_their_masks(tmp_path):
    model = make_llama()
    callbacks = [ProtectCallback(random_mask(model)), ProtectCallback(random_mask(model, seed=1))]
    with pytest.raises(ValueError, match=r"union of the masks \(first \| second\)"):
        users_trainer(model, tmp_path, callbacks).train()


def test_a_callback_beside_train_only_is_refused_when_the_trainer_is_made(tmp_path):
    model = make_llama()
    mask = random_mask(model)
    with train_only(model, mask) as only, pytest.raises(ValueError, match="leave one of the two out"):
        users_trainer(model, tmp_path, [only, ProtectCallback(mask)], optimizers=only.optimizers)


def test_a_model_with_quantized_weights_is_refused_by_that_name(tmp_path):
    model = make_llama()
    mask = random_mask(model)
    name = next(iter(mask.indices))
    path, _, word = name.rpartition(".")
    packed = torch.zeros(8, 1, dtype=torch.uint8)
    setattr(model.get_submodule(path), word, torch.nn.Parameter(packed, requires_grad=False))
    with pytest.raises(ValueError, match=r"is quantized \(torch.uint8\).*train LoRA adapters"):
        users_trainer(model, tmp_path, [ProtectCallback(mask)])
