import pytest
import torch

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.preserve.ema import EmaCallback
from tests.intervene.given import HARMLESS, bits, equal_bits, load_tiny, users_trainer
from tests.intervene.train.preserve.toys import OPTIONS, tuned
from tests.tiny import make_llama

DECAY = {"ema_decay": 0.75}


def test_the_result_is_the_average_of_the_weights_along_the_training():
    # the weights after each step are those of a shorter training at a constant rate
    constant = {"scheduler": "constant_with_warmup", "warmup_share": 0.0}
    averaged, _ = tuned("ema", method_options=DECAY, iterations=3, **constant)
    path = [bits(load_tiny(torch.float32).model)]
    path += [bits(tuned("plain", iterations=count, **constant)[0].model) for count in (1, 2, 3)]
    for name, average in bits(averaged.model).items():
        expected = path[0][name]
        for weights in path[1:]:
            expected = 0.75 * expected + 0.25 * weights[name]
        assert torch.allclose(average, expected, atol=1e-6)


def test_a_decay_of_zero_is_plain_fine_tuning():
    assert equal_bits(bits(tuned("ema", method_options={"ema_decay": 0})[0].model), bits(tuned("plain")[0].model))


def test_a_resumed_average_has_the_bits_of_an_uninterrupted_one(tmp_path):
    options = OPTIONS.model_copy(update={"iterations": 4, "checkpoint_every": 2})
    how = {"method": "ema", "method_options": MethodOptions(**DECAY)}
    whole = load_tiny()
    adapt(whole, None, HARMLESS, options, output_dir=tmp_path / "whole", **how)

    def stop(label, done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapt(load_tiny(), None, HARMLESS, options, stop, output_dir=tmp_path / "broken", **how)
    resumed = load_tiny()
    adapt(resumed, None, HARMLESS, options, output_dir=tmp_path / "broken", **how)
    assert equal_bits(bits(resumed.model), bits(whole.model))
    other, _ = tuned("plain")
    assert not equal_bits(bits(other.model), bits(whole.model))


def test_an_average_is_taken_in_a_users_own_trainer(tmp_path):
    averaged, plain = make_llama(), make_llama()
    start = bits(averaged)
    users_trainer(averaged, tmp_path, [EmaCallback(0.9)], max_steps=3).train()
    users_trainer(plain, tmp_path, max_steps=3).train()
    far, near = (
        sum(float((weight - start[name]).square().sum()) for name, weight in bits(model).items())
        for model in (plain, averaged)
    )
    assert 0 < near < 0.2 * far


def test_an_entry_that_stays_keeps_its_sign_of_zero(tmp_path):
    model = make_llama()
    with torch.no_grad():
        model.model.norm.weight[0] = -0.0
    model.model.norm.weight.register_hook(torch.zeros_like)
    users_trainer(model, tmp_path, [EmaCallback(0.9)], max_steps=3, weight_decay=0.0).train()
    assert model.model.norm.weight[0].signbit()
