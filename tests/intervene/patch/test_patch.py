from dataclasses import replace

import pytest
import torch

from holdfast.artifacts import load_patch, save_patch
from holdfast.errors import InvariantError
from holdfast.intervene.patch.patch import apply_patch, make_patch, revert_patch, selected_values
from tests.intervene.given import bits, equal_bits, load_tiny, random_mask


@pytest.fixture
def tuned():
    """A model after a change within the mask, its base, and the patch between them."""
    base, tuned = load_tiny(), load_tiny()
    mask = random_mask(base.model)
    old = selected_values(tuned.model, mask, torch.float16)
    with torch.no_grad():
        for name in mask.indices:
            weight = tuned.model.get_parameter(name).view(-1)
            weight[mask[name]] = (weight[mask[name]] + 0.01).half().float()
    return base.model, tuned.model, make_patch(old, tuned.model, mask)


def test_a_patch_applies_and_reverts_bit_for_bit(tuned):
    base, wanted, patch = tuned
    start = bits(base)
    apply_patch(base, patch)
    assert equal_bits(bits(base), bits(wanted))
    revert_patch(base, patch)
    assert equal_bits(bits(base), start)


def test_a_patch_survives_its_file(tuned, tmp_path):
    base, wanted, patch = tuned
    save_patch(tmp_path / "patch.safetensors", patch)
    apply_patch(base, load_patch(tmp_path / "patch.safetensors"))
    assert equal_bits(bits(base), bits(wanted))


def test_a_patch_applies_to_the_checkpoint_in_its_own_dtype(tuned):
    base, wanted, patch = tuned
    apply_patch(base.half(), patch)
    assert equal_bits(bits(base.float()), bits(wanted))


def test_values_are_absolute_and_in_the_checkpoints_dtype(tuned):
    _, wanted, patch = tuned
    name, index = next(iter(patch.indices.items()))
    assert patch.values[name].dtype == torch.float16
    assert torch.equal(patch.values[name].float(), wanted.get_parameter(name).detach().view(-1)[index])


def test_a_patch_on_another_model_is_refused(tuned):
    base, _, patch = tuned
    with torch.no_grad():
        base.get_input_embeddings().weight[0, 0] += 1
    start = bits(base)
    with pytest.raises(ValueError, match="the patch was made for another model"):
        apply_patch(base, patch)
    assert equal_bits(bits(base), start)


def test_a_patch_that_is_not_applied_does_not_come_off(tuned):
    base, _, patch = tuned
    with pytest.raises(ValueError, match="not applied"):
        revert_patch(base, patch)


def test_a_patch_without_old_values_says_that_it_cannot_come_off(tuned):
    _, wanted, patch = tuned
    with pytest.raises(ValueError, match="without old values"):
        revert_patch(wanted, replace(patch, old_values=None))


def test_what_differs_outside_the_patch_is_found_when_it_comes_off_and_left_where_that_is_wanted(tuned):
    base, wanted, patch = tuned
    with torch.no_grad():
        for model in (base, wanted):
            model.get_input_embeddings().weight[0, 0] += 1
    tuned_further = bits(wanted)
    with pytest.raises(InvariantError, match="it was changed outside the patch"):
        revert_patch(wanted, patch)
    with torch.no_grad():
        for name, weight in wanted.named_parameters():
            weight.copy_(tuned_further[name])
    revert_patch(wanted, patch, check_base=False)
    assert equal_bits(bits(wanted), bits(base))


def test_a_patch_holds_each_parameter_in_the_dtype_of_its_file():
    loaded = load_tiny(torch.float32)
    mask = random_mask(loaded.model)
    first, *others = mask.indices
    old = selected_values(loaded.model, mask, torch.float16, {first: torch.float32})
    patch = make_patch(old, loaded.model, mask)
    assert patch.values[first].dtype == torch.float32
    assert torch.equal(patch.values[first], loaded.model.get_parameter(first).detach().view(-1)[mask[first]])
    assert {patch.values[name].dtype for name in others} == {torch.float16}
