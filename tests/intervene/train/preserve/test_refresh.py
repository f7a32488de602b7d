"""The mask that is selected anew while training: what it holds, from when, and what is refused."""

import pytest
import torch

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import LoraOptions
from holdfast.intervene.train.adapt import adapt
from tests.intervene.given import HARMLESS, REFUSALS, bits, equal_bits, load_tiny, random_mask
from tests.intervene.train.preserve.toys import OPTIONS, tuned

EVERY_2 = MethodOptions(refresh_every=2)


class Refresh:
    """Gives one mask after the other, and keeps the weights of the moment."""

    def __init__(self, *masks):
        self.masks, self.seen = list(masks), []

    def __call__(self, model):
        self.seen.append(bits(model))
        return self.masks.pop(0)


def train(loaded, mask, refresh, options=OPTIONS, **given):
    how = {"method": "refresh", "method_options": EVERY_2, "safety": REFUSALS, "refresh": refresh}
    return adapt(loaded, mask, HARMLESS, options, **how | given)


def test_each_mask_is_held_from_its_refresh_to_the_next():
    loaded = load_tiny(torch.float32)
    masks = [random_mask(loaded.model, seed=seed) for seed in range(2)]
    refresh, start = Refresh(*masks[1:]), bits(loaded.model)
    result = train(loaded, masks[0], refresh)
    assert len(refresh.seen) == 1  # after step 2 of 4, and no more at the end
    halfway, end = refresh.seen[0], bits(loaded.model)
    for name in masks[0].indices:
        first, second = masks[0][name], masks[1][name]
        at = [weights[name].flatten() for weights in (start, halfway, end)]
        assert torch.equal(at[0][first], at[1][first])
        assert torch.equal(at[1][second], at[2][second])
    only_first = {name: torch.isin(masks[0][name], masks[1][name], invert=True) for name in masks[0].indices}
    moved = [(start[n] != end[n]).flatten()[masks[0][n][chosen]].any() for n, chosen in only_first.items()]
    assert any(moved)  # what the second mask left out was trained again
    assert (result.entries_protected, result.protected_identical) == (len(masks[0]), None)


def test_a_refresh_that_finds_the_same_mask_is_spa():
    held, _ = tuned("spa", held=True)
    loaded = load_tiny(torch.float32)
    mask = random_mask(loaded.model)
    train(loaded, mask, Refresh(mask))
    assert equal_bits(bits(loaded.model), bits(held.model))


def test_a_resumed_run_goes_on_with_the_mask_of_its_checkpoint(tmp_path):
    options = OPTIONS.model_copy(update={"iterations": 6, "checkpoint_every": 3})
    masks = [random_mask(load_tiny().model, seed=seed) for seed in range(3)]
    whole = load_tiny()
    train(whole, masks[0], Refresh(*masks[1:]), options=options, output_dir=tmp_path / "whole")

    def stop(label, done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(load_tiny(), masks[0], Refresh(*masks[1:]), options=options, output_dir=tmp_path / "cut", progress=stop)
    resumed = load_tiny()
    train(resumed, masks[0], Refresh(*masks[2:]), options=options, output_dir=tmp_path / "cut")
    assert equal_bits(bits(resumed.model), bits(whole.model))


def test_what_it_lacks_or_cannot_hold_is_refused():
    loaded = load_tiny(torch.float32)
    mask = random_mask(loaded.model)
    with pytest.raises(ValueError, match=r"needs a function that makes a new mask and got none; give refresh=holdfast"):
        train(loaded, mask, None)
    with pytest.raises(ValueError, match="method refresh holds no adapters"):
        train(loaded, mask, Refresh(), options=OPTIONS.model_copy(update={"lora": LoraOptions(rank=2)}))
    with pytest.raises(ValueError, match="methods spa and refresh can't be joined, because both hold entries"):
        train(loaded, mask, Refresh(), method="spa+refresh")
    with pytest.raises(ValueError, match="methods ema and refresh can't be joined"):
        train(loaded, mask, Refresh(), method="ema+refresh")
    with pytest.raises(ValueError, match="method refresh needs a mask"):
        train(loaded, None, Refresh())
    with pytest.raises(ValueError, match="method refresh needs harmful prompts with refusals"):
        train(loaded, mask, Refresh(), safety=())


def test_the_held_weights_are_counted_in_words():
    loaded = load_tiny(torch.float32)
    mask = random_mask(loaded.model)
    assert f"{len(mask):,} weights held" in repr(train(loaded, mask, Refresh(mask)))
