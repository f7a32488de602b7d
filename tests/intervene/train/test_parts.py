import pytest
import torch

from holdfast.intervene.train.methods import METHODS, method_for, method_named
from tests.intervene.given import REFUSALS, bits, equal_bits, load_tiny, random_mask
from tests.intervene.train.preserve.toys import tuned

HOLDING = ("plain", "spa", "set", "refresh", "mgda", "gapo", "p_gapo")
BESIDE = [name for name in METHODS if name not in HOLDING]


@pytest.mark.parametrize("other", [*BESIDE, "replay+gapo", "mixed+ema+layers"])
def test_spa_beside_any_other_method_holds_every_bit(other):
    safety = REFUSALS if method_named(other).safety else ()
    loaded, result = tuned(f"spa+{other}", held=True, safety=safety, iterations=2, weight_decay=0.1)
    assert result.protected_identical is True
    start = load_tiny(torch.float32).model
    for name, index in random_mask(start).indices.items():
        held, before = (bits(model)[name].view(-1)[index] for model in (loaded.model, start))
        assert equal_bits({"held": held}, {"held": before})
    assert result.entries_changed > 0


def test_several_names_are_one_method_in_the_order_of_the_table():
    method = method_named("replay+spa")
    assert (method.name, method.safety, method.is_mixed, method.needs_mask) == ("spa+replay", "own", True, True)
    assert method.options == ("safety_share", "answer_tokens")
    assert method.parts.hold is method_named("spa").parts.hold


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("spa+set", "methods spa and set can't be joined, because both hold entries"),
        ("gapo+mgda", "methods mgda and gapo can't be joined, because both combine the gradients"),
        ("mixed+replay", "methods mixed and replay can't be joined: one learns from given responses"),
        ("kl+gapo", "the loss of kl has no gradient at the start, so gapo would take noise"),
        ("der+mgda", "the loss of der has no gradient at the start"),
        ("set+ema", "method set\\+ema trains a mask's entries alone, and ema needs all"),
        ("kl+kl", "method kl\\+kl names a method twice"),
        ("spa+replya", "unknown method 'replya'; did you mean 'replay'"),
    ],
)
def test_methods_that_contradict_each_other_are_refused(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        _ = method_named(name).parts


def test_a_mask_that_a_method_does_not_read_is_refused():
    with pytest.raises(ValueError, match=r"method kl reads no mask and got one; choose spa\+kl"):
        method_for("kl", "mask.safetensors")


def test_a_combination_of_one_loss_is_refused():
    with pytest.raises(ValueError, match="there is one loss, and gradients of several are to be combined"):
        tuned("gapo")


@pytest.mark.parametrize(
    ("method", "options", "sentence"),
    [
        ("ema", {"safety_share": 0.2}, "safety_share is an option of method mixed or replay, and the method is ema"),
        ("spa+replay", {"ema_decay": 0.9}, "ema_decay is an option of method ema, and the method is spa.replay"),
        ("plain", {"gapo_power": 2.0}, "gapo_power is an option of method gapo, and the method is plain"),
    ],
)
def test_an_option_of_another_method_is_refused(method, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        tuned(method, held="spa" in method, method_options=options, safety=REFUSALS if "replay" in method else ())
