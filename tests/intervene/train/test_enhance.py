import math
from dataclasses import replace

import pytest
import torch

from holdfast.errors import InvariantError
from holdfast.intervene.options import EnhanceOptions
from holdfast.intervene.patch.patch import apply_patch, revert_patch
from holdfast.intervene.train.enhance import enhance, mix
from holdfast.intervene.train.sparse_adamw import SparseAdamW
from holdfast.models.load import fingerprint
from holdfast.models.sites import list_sites
from holdfast.records import Exchange
from tests.intervene.given import HARMLESS, REFUSALS, as_booleans, bits, equal_bits, load_tiny, random_mask
from tests.tiny import make_llama, make_moe

OPTIONS = EnhanceOptions(iterations=4, batch_size=4, learning_rate=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_enhance_trains_the_mask_and_no_other_bit(dtype):
    loaded = load_tiny(dtype)
    mask, start = random_mask(loaded.model), bits(loaded.model)
    result = enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    for name, weight in bits(loaded.model).items():
        chosen = as_booleans(mask, name, weight.shape)
        assert torch.equal(weight[~chosen], start[name][~chosen]), name
        assert bool((weight[chosen] != start[name][chosen]).float().mean() > 0.5) or name not in mask
        assert torch.equal(weight.to(dtype).float(), weight), "the tuned model is what a checkpoint can hold"
    assert result.untouched_identical is True
    assert result.entries_trained == len(mask)
    assert result.tuned.base == fingerprint(loaded.model) != loaded.base
    assert len(result.losses) == 4


def test_enhance_notices_when_something_else_writes_to_the_model(monkeypatch):
    loaded = load_tiny()
    step = SparseAdamW.step

    def meddling_step(optimizer, closure=None):
        with torch.no_grad():
            loaded.model.get_input_embeddings().weight[0, 0] += 1
        return step(optimizer, closure)

    monkeypatch.setattr(SparseAdamW, "step", meddling_step)
    with pytest.raises(InvariantError, match="outside the mask"):
        enhance(loaded, random_mask(loaded.model), refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)


def test_a_model_that_is_only_said_to_be_just_loaded_is_found_out_in_the_end():
    loaded = load_tiny()
    mask = random_mask(loaded.model)
    with torch.no_grad():
        loaded.model.model.norm.weight[0] += 1
    with pytest.raises(InvariantError, match="outside the mask"):
        enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS, just_loaded=True)


def test_the_patch_of_a_run_applies_to_the_base_and_comes_off_again():
    loaded, base = load_tiny(), load_tiny()
    start = bits(base.model)
    result = enhance(loaded, random_mask(loaded.model), refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    assert result.patch is not None
    apply_patch(base.model, result.patch)
    assert equal_bits(bits(base.model), bits(loaded.model))
    with pytest.raises(ValueError, match="the patch is already applied to this model; `revert_patch` takes it off"):
        apply_patch(base.model, result.patch)
    revert_patch(base.model, result.patch)
    assert equal_bits(bits(base.model), start)


def test_enhance_learns_refusals():
    model = make_llama()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(20)  # tied to the head: logits that inner weights can move
    loaded = load_tiny(model=model)
    mask = random_mask(model, density=0.5)
    options = OPTIONS.model_copy(update={"iterations": 20, "learning_rate": 3e-2})
    losses = enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=options).losses
    assert losses[-1] < 0.7 * losses[0]


def test_fused_experts_can_be_enhanced_and_routers_stay():
    loaded = load_tiny(torch.bfloat16, make_moe())
    mask, start = random_mask(loaded.model), bits(loaded.model)
    result = enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    after = bits(loaded.model)
    moved = {name for name in after if not torch.equal(after[name], start[name])}
    assert moved == set(mask.indices)
    assert any("experts" in name for name in moved)
    assert 0 <= result.routing_drift < 1


def test_tuning_all_of_a_mixture_leaves_its_routers():
    loaded = load_tiny(model=make_moe())
    result = enhance(loaded, None, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    routers = sum(site.num_entries for site in list_sites(loaded.model) if site.role == "router")
    assert routers > 0
    assert result.entries_trained == loaded.model.num_parameters() - routers


def test_without_a_mask_the_whole_model_is_tuned_on_the_same_batches():
    masked, whole = load_tiny(), load_tiny()
    start = bits(whole.model)
    first = enhance(masked, random_mask(masked.model), refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    second = enhance(whole, None, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    assert second.losses[0] == pytest.approx(first.losses[0], rel=1e-6)
    assert second.losses[1:] != first.losses[1:]
    after = bits(whole.model)
    assert all(not torch.equal(after[name], start[name]) for name in after)
    assert (second.patch, second.untouched_identical, second.share_trained) == (None, None, 1.0)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_harmless_exchanges_are_spread_evenly_at_their_share(share):
    options = EnhanceOptions(iterations=50, batch_size=8, harmless_share=share)
    order = mix(len(REFUSALS), len(HARMLESS), options)
    is_harmless = [place >= len(REFUSALS) for place in order]
    assert len(order) == 400
    for start in range(0, 400, 40):
        assert sum(is_harmless[start : start + 40]) == round(40 * share)
    counts = [order.count(place) for place in range(len(REFUSALS))]
    assert max(counts) - min(counts) <= 1


def test_harmless_exchanges_without_a_share_are_told_of_and_not_recorded(caplog):
    loaded = load_tiny()
    alone = OPTIONS.model_copy(update={"harmless_share": 0.0})
    given = enhance(loaded, random_mask(loaded.model), refusals=REFUSALS, harmless=HARMLESS, options=alone)
    assert "harmless_share is 0, so the model learns nothing from the harmless exchanges" in caplog.text
    assert given.patch.made_by["harmless"] is None


@pytest.mark.parametrize("has_mask", [True, False])
def test_a_small_model_at_the_default_rate_is_warned_of_where_a_mask_is_trained(has_mask, caplog):
    loaded = load_tiny()
    mask = random_mask(loaded.model) if has_mask else None
    enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=EnhanceOptions(iterations=1, batch_size=4))
    assert ("No learning rate was given, so SET trains at 3e-05" in caplog.text) is has_mask


def test_a_mask_of_another_model_is_refused():
    loaded = load_tiny()
    mask = random_mask(make_moe())
    with pytest.raises(ValueError, match="made for another model"):
        enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)


def test_a_model_that_was_tuned_already_is_refused():
    loaded = load_tiny()
    mask = random_mask(loaded.model)
    enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    with pytest.raises(ValueError, match="load the model again"):
        enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)


@pytest.mark.parametrize(("refusals", "harmless", "what"), [([], HARMLESS, "refusal"), (REFUSALS, [], "harmless")])
def test_an_empty_set_of_exchanges_is_refused(refusals, harmless, what):
    loaded = load_tiny()
    with pytest.raises(ValueError, match=f"no {what}"):
        enhance(loaded, random_mask(loaded.model), refusals=refusals, harmless=harmless, options=OPTIONS)


@pytest.mark.parametrize(
    ("refusals", "harmless", "sentence"),
    [
        (
            HARMLESS,
            REFUSALS,
            r"6 of 6 responses of harmless are refusals \(100%\), .*swapped\?\), or pass check_sets=F",
        ),
        (
            HARMLESS,
            HARMLESS[:0],
            r"0 of 6 responses of refusals are refusals \(0%\), .*swapped\?\), or pass check_sets",
        ),
        (REFUSALS, [Exchange(REFUSALS[0].prompt, "wind it .")], "1 prompt is among the refusals and among the harm"),
    ],
)
def test_sets_that_are_swapped_or_contrary_are_refused_before_training(refusals, harmless, sentence):
    loaded = load_tiny()
    start, options = bits(loaded.model), OPTIONS.model_copy(update={"harmless_share": 0.5 if harmless else 0.0})
    with pytest.raises(ValueError, match=sentence):
        enhance(loaded, None, refusals=refusals, harmless=harmless, options=options)
    assert equal_bits(bits(loaded.model), start)


def test_sets_that_the_rules_would_refuse_are_learned_from_where_the_check_is_left_out():
    loaded = load_tiny()
    result = enhance(
        loaded, random_mask(loaded.model), refusals=HARMLESS, harmless=REFUSALS, options=OPTIONS, check_sets=False
    )
    assert result.entries_changed > 0


def test_a_loss_that_is_not_finite_stops_before_the_step():
    loaded = load_tiny()
    with torch.no_grad():
        loaded.model.get_parameter("model.norm.weight").fill_(math.nan)
    loaded = replace(loaded, base=fingerprint(loaded.model))
    mask, start = random_mask(loaded.model), bits(loaded.model)
    with pytest.raises(ValueError, match="the loss became nan at step 1 of 4"):
        enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=OPTIONS)
    assert equal_bits(bits(loaded.model), start)


def test_a_prompt_that_fills_max_length_is_refused():
    loaded = load_tiny()
    long = [Exchange("how do i mend the old clock ? " * 20, "sorry , i can not help with that .")]
    with pytest.raises(ValueError, match="leaves no response within max_length=16"):
        enhance(loaded, None, refusals=long, harmless=HARMLESS, options=OPTIONS.model_copy(update={"max_length": 16}))


@pytest.mark.parametrize("name", ["set+gapo", "set+mgda", "set+p_gapo"])
def test_set_combines_the_gradients_of_refusals_and_harmless_exchanges(name):
    loaded = load_tiny(torch.float32)
    mask, start = random_mask(loaded.model), bits(loaded.model)
    options = EnhanceOptions(iterations=6, batch_size=4, learning_rate=1e-1)
    result = enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=options, method=name)
    assert result.untouched_identical is True
    assert len(result.patch) > 0
    assert len(result.losses) == 6
    assert result.losses[-1] < result.losses[0]
    mixture = load_tiny(torch.float32)
    enhance(mixture, mask, refusals=REFUSALS, harmless=HARMLESS, options=options)
    assert not equal_bits(bits(mixture.model), bits(loaded.model))
    assert not equal_bits(bits(loaded.model), start)


@pytest.mark.parametrize(
    ("method", "change", "sentence"),
    [
        ("set+gapo", {"objective": "dpo"}, "objective dpo has one loss of preferences"),
        ("set+gapo", {"harmless_share": 0.0}, "give a harmless_share above 0"),
        ("set+gapo", {"batch_size": 1}, "batch_size=1 leaves no refusal in a step"),
        ("replay", {}, "enhance teaches safety; use it with adapt"),
    ],
)
def test_methods_that_do_not_fit_set_are_refused(method, change, sentence):
    loaded = load_tiny(torch.float32)
    mask = random_mask(loaded.model) if "set" in method else None
    with pytest.raises(ValueError, match=sentence):
        enhance(loaded, mask, refusals=REFUSALS, harmless=HARMLESS, options=EnhanceOptions(**change), method=method)
