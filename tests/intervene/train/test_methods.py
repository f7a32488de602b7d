from typing import get_args

import pytest
import torch

from holdfast.arms import ARMS, Stage
from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.intervene.train import afterwards, methods
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.enhance import enhance
from holdfast.intervene.train.holds import MASK
from holdfast.intervene.train.methods import METHODS, Method, method_for
from holdfast.intervene.train.parts import Parts
from tests.intervene.given import HARMLESS, REFUSALS, bits, load_tiny, random_mask


def toy(**parts):
    """A method of one row with these parts."""
    return Method("toy", "a toy", Parts(**parts), needs_mask="hold" in parts)


OPTIONS = AdaptOptions(iterations=4, batch_size=4, learning_rate=1e-2)


def pull_to_start(tuning):
    """A toy loss: a thousand times the squared distance of the weights to the start."""
    start = bits(tuning.model)

    def loss(model, inputs, micro_batch):
        weights = dict(model.named_parameters())
        return 1000 * sum((weights[name] - start[name]).square().sum() for name in start)

    return loss


def last_alone(options):
    """A toy combination: the gradient of the last loss is kept."""
    return lambda gram: torch.tensor([0.0] * (len(gram) - 1) + [1.0])


def put_back(tuning):
    """A toy ending: the weights of the start return."""
    start = bits(tuning.model)
    finish = afterwards.nothing(tuning)

    def return_to_start():
        with torch.no_grad():
            for name, weight in tuning.model.named_parameters():
                weight.copy_(start[name])
        return finish()

    return return_to_start


def moved(method, monkeypatch, mask=None, **changes):
    """How far a toy method moves the weights from the start, and its result."""
    monkeypatch.setitem(METHODS, method.name, method)
    loaded = load_tiny(torch.float32)
    start = bits(loaded.model)
    options = OPTIONS.model_copy(update=changes)
    mask = random_mask(loaded.model) if mask else None
    result = adapt(loaded, mask, HARMLESS, options, method=method.name)
    distance = sum(float((weight - start[name]).square().sum()) for name, weight in bits(loaded.model).items())
    return distance, result


def test_every_arm_that_tunes_has_a_method():
    assert {part for arm in ARMS if arm.stage != "verify" for part in arm.method.split("+")} <= set(METHODS)
    assert set(methods.USUAL) == set(get_args(Stage)) - {"verify"}


def test_a_method_with_another_loss_trains_by_both_losses(monkeypatch):
    plain, _ = moved(toy(), monkeypatch)
    pulled, result = moved(toy(losses=(pull_to_start,)), monkeypatch)
    assert 0 < pulled < plain / 2
    assert result.protected_identical is None


@pytest.mark.parametrize("losses", [(), (pull_to_start,)], ids=["own loss", "two losses"])
def test_losses_do_not_depend_on_how_a_batch_is_accumulated(monkeypatch, losses):
    whole, result = moved(toy(losses=losses), monkeypatch)
    parts, of_parts = moved(toy(losses=losses), monkeypatch, micro_batch_size=2)
    assert parts == pytest.approx(whole, rel=1e-3)  # float32 sums in another order
    assert of_parts.losses == pytest.approx(result.losses, rel=1e-3)


def test_a_method_that_combines_gradients_in_another_way_trains_by_it(monkeypatch):
    distance, _ = moved(toy(losses=(pull_to_start,), combine=last_alone), monkeypatch)
    assert distance == 0, "at the start the squared distance has no gradient"


def test_a_method_does_what_it_does_afterwards(monkeypatch):
    distance, result = moved(toy(afterwards=put_back), monkeypatch)
    assert distance == 0
    assert result.tuned.base == load_tiny(torch.float32).base


@pytest.mark.parametrize("lora", [None, LoraOptions(rank=2)], ids=["weights", "lora"])
def test_a_loss_trains_beside_a_hold_and_adapters(monkeypatch, lora):
    row = toy(losses=(pull_to_start,), hold=MASK, afterwards=afterwards.compare_held)
    if lora:
        row = toy(hold=MASK, afterwards=afterwards.compare_held)
    distance, result = moved(row, monkeypatch, mask=True, lora=lora)
    assert distance > 0
    assert result.protected_identical is True
    assert result.entries_protected > 0


def test_checkpoints_of_one_method_are_no_start_for_another(monkeypatch, tmp_path):
    monkeypatch.setitem(METHODS, "toy", toy(losses=(pull_to_start,)))
    options = OPTIONS.model_copy(update={"checkpoint_every": 2})
    adapt(load_tiny(), None, HARMLESS, options, output_dir=tmp_path)
    with pytest.raises(ValueError, match="another"):
        adapt(load_tiny(), None, HARMLESS, options, output_dir=tmp_path, method="toy")


@pytest.mark.parametrize(
    "tune", [adapt, lambda loaded, mask, data, **how: enhance(loaded, mask, refusals=REFUSALS, harmless=data, **how)]
)
def test_an_unknown_method_and_a_missing_mask_are_refused(tune):
    with pytest.raises(ValueError, match="unknown method 'spar'"):
        tune(load_tiny(), None, HARMLESS, method="spar")
    for name in ("spa", "set"):
        with pytest.raises(ValueError, match=f"method {name} needs a mask and got none"):
            tune(load_tiny(), None, HARMLESS, method=name)


def test_set_may_be_asked_for_plain_tuning_beside_a_mask():
    loaded = load_tiny()
    options = EnhanceOptions(iterations=2, batch_size=4)
    result = enhance(
        loaded, random_mask(loaded.model), refusals=REFUSALS, harmless=HARMLESS, options=options, method="plain"
    )
    assert (result.patch, result.untouched_identical, result.share_trained) == (None, None, 1.0)


def test_rows_are_named_by_their_key():
    assert [method.name for method in METHODS.values()] == list(METHODS)
    assert method_for("plain", None) is METHODS["plain"]
