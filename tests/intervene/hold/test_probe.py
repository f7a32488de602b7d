"""A safety probe in a trainer, with scripted measures: what it logs, when it stops, what it gives back."""

import pytest
import torch
from transformers import TrainerCallback

from holdfast.intervene.hold.callback import ProtectCallback
from holdfast.intervene.hold.probe import SafetyProbe
from holdfast.outcomes import Rate
from tests.intervene.given import bits, equal_bits, random_mask, users_trainer
from tests.tiny import make_llama


class Scripted:
    """Rates in order; the weights that each was asked of are kept."""

    def __init__(self, *rates):
        self.rates, self.seen = list(rates), []

    def __call__(self, model):
        assert not model.training
        self.seen.append(bits(model))
        return self.rates[len(self.seen) - 1]


class Reporter(TrainerCallback):
    """What wandb and tensorboard are told."""

    def __init__(self):
        self.told = []

    def on_log(self, args, state, control, logs=None, **_):
        self.told.append((state.global_step, dict(logs)))


def probed(model, folder, measure, callbacks=(), settings=(), **how):
    trainer = users_trainer(model, folder, callbacks, **dict(settings))
    trainer.add_callback(SafetyProbe(trainer, measure, **{"every": 2, **how}))
    trainer.train()
    return trainer


def logged(trainer, key):
    return [(record["step"], record[key]) for record in trainer.state.log_history if key in record]


def test_the_rate_is_measured_at_the_start_every_so_many_steps_and_at_the_end(tmp_path):
    measure = Scripted(0.0, 0.01, 0.02, 0.03)
    trainer = probed(make_llama(), tmp_path, measure, every=4, settings={"max_steps": 6})
    assert logged(trainer, "asr") == [(0, 0.0), (4, 0.01), (6, 0.02)]


def test_reporters_are_told_and_the_loss_is_still_logged(tmp_path, capsys):
    reporter = Reporter()
    trainer = probed(make_llama(), tmp_path, Scripted(*[0.0] * 4), [reporter])
    assert [step for step, logs in reporter.told if "asr" in logs] == [0, 2, 4, 6]
    assert [step for step, _ in logged(trainer, "loss")] == [1, 2, 3, 4, 5, 6]
    assert capsys.readouterr().out == ""


def test_a_rate_is_logged_with_its_interval_and_counts(tmp_path):
    rate = Rate(0.02, 0.01, 0.04, 200, 3)
    trainer = probed(make_llama(), tmp_path, Scripted(rate, rate), every=9)
    first = next(record for record in trainer.state.log_history if "asr" in record)
    expected = {"asr": 0.02, "asr_low": 0.01, "asr_high": 0.04, "asr_n": 200, "asr_unscored": 3, "step": 0}
    assert expected.items() <= first.items()


def test_a_probe_that_finds_nothing_changes_no_bit_of_training(tmp_path):
    alone, watched = make_llama(), make_llama()
    users_trainer(alone, tmp_path).train()
    probed(watched, tmp_path, Scripted(*[0.05] * 4), on_breach="roll_back")
    assert equal_bits(bits(alone), bits(watched))


@pytest.mark.parametrize("on_breach", ["stop", "roll_back"])
def test_a_breach_stops_the_run_with_the_weights_as_they_are_or_as_they_last_were_good(on_breach, tmp_path):
    model, measure = make_llama(), Scripted(0.0, 0.05, 0.051)
    trainer = probed(model, tmp_path, measure, on_breach=on_breach, settings={"max_steps": 20})
    assert trainer.state.global_step == 4
    assert not equal_bits(measure.seen[1], measure.seen[2])
    assert equal_bits(bits(model), measure.seen[2 if on_breach == "stop" else 1])
    assert logged(trainer, "rolled_back_to") == ([] if on_breach == "stop" else [(4, 2)])


def test_a_breach_at_the_last_step_is_rolled_back_and_the_checkpoint_holds_good_weights(tmp_path):
    model, measure = make_llama(), Scripted(0.0, 0.0, 0.0, 1.0)
    saving = {"save_strategy": "steps", "save_steps": 6}
    probed(model, tmp_path, measure, on_breach="roll_back", settings=saving)
    saved = type(model).from_pretrained(tmp_path / "checkpoint-6", dtype=torch.float32)
    assert equal_bits(bits(saved), measure.seen[2])


@pytest.mark.parametrize("missing", [Rate(None, None, None, 0, 8), float("nan")])
def test_a_failed_measurement_is_missing_neither_good_nor_a_breach(missing, tmp_path, caplog):
    model, measure = make_llama(), Scripted(0.0, missing, 0.9)
    trainer = probed(model, tmp_path, measure, on_breach="roll_back")
    assert logged(trainer, "asr") == [(0, 0.0), (4, 0.9)]
    assert "step 2: asr could not be measured" in caplog.text
    assert logged(trainer, "rolled_back_to") == [(4, 0)]
    assert equal_bits(bits(model), measure.seen[0])


def test_with_no_good_weights_a_breach_only_stops(tmp_path):
    model, measure = make_llama(), Scripted(float("nan"), 0.9)
    trainer = probed(model, tmp_path, measure, on_breach="roll_back")
    assert trainer.state.global_step == 2
    assert logged(trainer, "rolled_back_to") == []
    assert equal_bits(bits(model), measure.seen[1])


def test_weights_that_are_not_trained_are_not_copied(tmp_path):
    model = make_llama()
    model.get_input_embeddings().weight.requires_grad_(False)
    trainer = users_trainer(model, tmp_path)
    probe = SafetyProbe(trainer, Scripted(0.0, 0.0), every=9, on_breach="roll_back")
    trainer.add_callback(probe)
    trainer.train()
    assert set(probe._good._values) == {name for name, weight in model.named_parameters() if weight.requires_grad}


def test_a_resumed_run_is_rolled_back_to_where_it_was_resumed_at_most(tmp_path):
    model = make_llama()
    saving = {"save_strategy": "steps", "save_steps": 2}
    probed(model, tmp_path, Scripted(0.0, 0.0), settings={**saving, "max_steps": 2})
    resumed, measure = make_llama(seed=1), Scripted(0.0, 0.9)
    trainer = users_trainer(resumed, tmp_path)
    trainer.add_callback(SafetyProbe(trainer, measure, every=2, on_breach="roll_back"))
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert logged(trainer, "rolled_back_to") == [(4, 2)]
    assert equal_bits(bits(resumed), bits(model))


def test_a_roll_back_under_protection_passes_its_check(tmp_path):
    model = make_llama()
    measure, held = Scripted(0.0, 0.9), ProtectCallback(random_mask(model))
    probed(model, tmp_path, measure, [held], on_breach="roll_back")
    assert equal_bits(bits(model), measure.seen[0])


@pytest.mark.parametrize("refreshed_first", [True, False])
def test_a_roll_back_to_before_a_refresh_leaves_nothing_to_check(refreshed_first, tmp_path):
    model = make_llama()
    first, second, measure = random_mask(model), random_mask(model, seed=1), Scripted(0.0, 0.0, 0.9)
    every = 4 if refreshed_first else 3
    probed(
        model, tmp_path, measure, [ProtectCallback(first, refresh=lambda _: second, every=every)], on_breach="roll_back"
    )
    assert equal_bits(bits(model), measure.seen[1])


def test_a_run_that_goes_on_after_a_roll_back_is_checked_again(tmp_path):
    model = make_llama()
    saving = {"save_strategy": "steps", "save_steps": 4}
    refresh = {"refresh": lambda _: random_mask(model, seed=1), "every": 3}
    mask = random_mask(model)
    probed(model, tmp_path, Scripted(0.0, 0.0, 0.9), [ProtectCallback(mask, **refresh)], saving, on_breach="roll_back")
    resumed = make_llama()
    trainer = users_trainer(resumed, tmp_path, [ProtectCallback(mask, **refresh), Meddle(resumed)])
    with pytest.raises(Exception, match="have changed"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))


class Meddle(TrainerCallback):
    def __init__(self, model):
        self.model = model

    def on_step_end(self, *_, **__):
        with torch.no_grad():
            for weight in self.model.parameters():
                weight += 1.0


def test_a_start_that_is_unsafe_already_is_refused_before_the_first_step(tmp_path):
    model = make_llama()
    start = bits(model)
    with pytest.raises(ValueError, match=r"asr is 0\.2 before step 1, already above stop_above=0\.05; raise"):
        probed(model, tmp_path, Scripted(0.2))
    assert equal_bits(bits(model), start)


def test_a_measure_that_fails_leaves_the_model_in_training(tmp_path):
    model = make_llama().train()

    def fail(_):
        raise RuntimeError("the judge is gone")

    with pytest.raises(RuntimeError, match="the judge is gone"):
        probed(model, tmp_path, fail)
    assert model.training


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"every": 0}, "every=0 is not a number of steps"),
        ({"on_breach": "pray"}, "on_breach is 'pray'; known: stop, roll_back"),
        ({"stop_above": 10}, r"^stop_above=10 is not a rate from 0 to 1; write 5% as 0\.05\.$"),
        ({"stop_above": -0.1}, r"^stop_above=-0\.1 is not a rate from 0 to 1; give a number such as 0\.05\.$"),
        ({"stop_above": float("nan")}, "^stop_above=nan is not a rate"),
        ({"stop_above": True}, "^stop_above=True is not a rate"),
    ],
)
def test_wrong_settings_are_refused(how, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        probed(make_llama(), tmp_path, Scripted(), **how)


def test_a_roll_back_that_the_best_checkpoint_would_undo_is_refused(tmp_path):
    best = {"load_best_model_at_end": True, "eval_strategy": "steps", "save_strategy": "steps"}
    with pytest.raises(ValueError, match="load_best_model_at_end would undo a roll back"):
        probed(make_llama(), tmp_path, Scripted(), on_breach="roll_back", settings=best)
