"""The hold is proved on files: one bit of one held entry is found, and values count, not the dtype that holds them."""

import pytest
import torch

from holdfast.artifacts import save_mask
from holdfast.errors import InvariantError
from holdfast.models.load import fingerprint
from holdfast.pipeline.checking import check_hold, check_only_mask_moved
from holdfast.values import Mask
from tests.stored import save, tune
from tests.tiny import make_llama, make_moe

NAME = "model.layers.1.mlp.down_proj.weight"


def mask_of(model, index, name=NAME):
    """A mask of some entries of one parameter, in a universe of two."""
    names = {name, "model.layers.0.self_attn.q_proj.weight"}
    shapes = {one: tuple(model.get_parameter(one).shape) for one in names}
    return Mask({name: torch.tensor(index, dtype=torch.int64)}, shapes, fingerprint(model), model.num_parameters())


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model whose values bfloat16 can hold, and its folder."""
    model = make_llama().bfloat16().float()
    return model, str(save(tmp_path_factory.mktemp("base") / "model", model))


def saved(folder, model, shard="50GB"):
    return str(save(folder / "tuned", model, shard))


def test_a_checkpoint_whose_other_weights_moved_passes_and_they_are_counted_by_component(base, tmp_path):
    model, folder = base
    tuned = tune(make_llama().bfloat16().float())
    index = [3, 17, 200]
    with torch.no_grad():
        tuned.get_parameter(NAME).view(-1)[index] = model.get_parameter(NAME).view(-1)[index]
    found = check_hold(saved(tmp_path, tuned), folder, mask_of(model, index))
    found.refuse_moved()
    assert found
    expected = {name: int((weight != tuned.get_parameter(name)).sum()) for name, weight in model.named_parameters()}
    assert found.others_moved == sum(expected.values()) > 0
    assert (found.held, found.held_moved, found.moved) == (3, 0, ())
    (place,) = [one for one in found.components if (one.layer, one.component) == (1, "mlp.down_proj")]
    assert (place.held, place.others_moved, place.entries) == (3, expected[NAME], model.get_parameter(NAME).numel())
    assert found.entries == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("entry", [17, 511])
def test_the_lowest_bit_of_one_held_entry_is_found_and_named_in_sharded_files_too(base, tmp_path, entry):
    model, folder = base
    tuned = make_llama().bfloat16().float()
    with torch.no_grad():
        tuned.get_parameter(NAME).view(-1).view(torch.int32)[entry] ^= 1
    found = check_hold(saved(tmp_path, tuned, "15KB"), folder, mask_of(model, [3, entry]))
    assert (found.held_moved, found.others_moved) == (1, 0)
    assert not found, "`assert check_hold(...)` must fail"
    assert [(one.name, one.index) for one in found.moved] == [(NAME, entry)]
    with pytest.raises(InvariantError, match=f"1 of 2 held weights moved, the first is entry {entry} of {NAME}"):
        found.refuse_moved()


def test_an_entry_beside_the_held_ones_counts_as_another(base, tmp_path):
    model, folder = base
    found = check_hold(saved(tmp_path, with_one_moved()), folder, mask_of(model, [17, 19]))
    assert (found.held_moved, found.others_moved) == (0, 1)


def test_float32_and_bfloat16_files_of_the_same_values_are_equal_and_both_dtypes_are_told(base, tmp_path, caplog):
    model, folder = base
    found = check_hold(saved(tmp_path, make_llama().bfloat16()), folder, mask_of(model, [0, 5]), allow_unchanged=True)
    assert (found.held_moved, found.others_moved) == (0, 0)
    assert caplog.messages[0] == (
        "every held weight kept every bit after a cast to the wider dtype, which is exact (base float32, model "
        "bfloat16)."
    )


def test_a_weight_that_moved_in_a_wider_model_was_not_moved_by_rounding(tmp_path, caplog):
    narrow = make_llama().bfloat16()
    base_folder = saved(tmp_path / "base", narrow)
    mask = mask_of(narrow, [18])
    check_hold(saved(tmp_path / "tuned", with_one_moved()), base_folder, mask)
    assert "training or an edit moved those that differ, and rounding did not, because the model's dty" in caplog.text
    assert "(base bfloat16, model float32)" in caplog.text


def test_rounding_is_named_between_dtypes_of_equal_size(tmp_path, caplog):
    base_folder = saved(tmp_path / "base", make_llama().half())
    mask = mask_of(make_llama().half(), [18])
    check_hold(saved(tmp_path / "tuned", with_one_moved().bfloat16()), base_folder, mask)
    assert "rounding moved those that the model's dtype cannot hold (base float16, model bfloat16)" in caplog.text


def test_a_weight_that_moved_in_a_narrower_model_may_have_been_rounded(base, tmp_path, caplog):
    model, folder = base
    check_hold(saved(tmp_path, with_one_moved().bfloat16()), folder, mask_of(model, [18]))
    assert "rounding moved those that the model's dtype cannot hold (base float32, model bfloat16)" in caplog.text


def test_checkpoints_of_one_dtype_are_compared_without_a_word_on_it(base, tmp_path, caplog):
    model, folder = base
    check_hold(saved(tmp_path, with_one_moved()), folder, mask_of(model, [0, 5]))
    assert caplog.messages == []


def with_one_moved():
    """The base with entry 18 moved."""
    tuned = make_llama().bfloat16().float()
    with torch.no_grad():
        tuned.get_parameter(NAME).view(-1)[18] += 1
    return tuned


@pytest.mark.parametrize("check", [check_hold, check_only_mask_moved])
def test_the_base_in_place_of_the_tuned_checkpoint_is_refused_unless_it_is_allowed(base, check):
    model, folder = base
    with pytest.raises(
        ValueError, match=r"no weight moved at all: .* holds the base's own weights, so this"
    ) as refused:
        check(folder, folder, mask_of(model, [0, 5]))
    assert str(refused.value).endswith("or accept this one by allow_unchanged=True.")
    assert check(folder, folder, mask_of(model, [0, 5]), allow_unchanged=True)


@pytest.mark.parametrize("held", [[18], [17]])
def test_a_single_weight_that_moved_is_enough_to_be_no_copy_of_the_base(base, tmp_path, caplog, held):
    model, folder = base
    check_hold(saved(tmp_path, with_one_moved()), folder, mask_of(model, held))
    assert caplog.messages == []


def test_swapped_checkpoints_are_told_to_be_swapped(base, tmp_path):
    model, folder = base
    tuned = saved(tmp_path, tune(make_llama().bfloat16().float()))
    with pytest.raises(
        ValueError, match=r"the mask was made for '.*model'; give that one as the base, and '.*' as the"
    ):
        check_hold(folder, tuned, mask_of(model, [0]))


def test_a_value_that_bfloat16_cannot_hold_has_moved(tmp_path):
    model = make_llama()
    folder = str(save(tmp_path / "base", model))
    found = check_hold(saved(tmp_path, make_llama().bfloat16()), folder, mask_of(model, [0, 5]))
    assert found.held_moved == 2


def test_nan_equals_itself_and_minus_zero_is_not_zero(tmp_path):
    model, tuned = make_llama(), make_llama()
    with torch.no_grad():
        for one, zero in ((model, 0.0), (tuned, -0.0)):
            one.get_parameter(NAME).view(-1)[:2] = torch.tensor([torch.nan, zero])
    found = check_hold(saved(tmp_path, tuned), str(save(tmp_path / "base", model)), mask_of(model, [0, 1]))
    assert [one.index for one in found.moved] == [1]


def test_experts_that_are_stored_apart_are_compared_where_they_lie(tmp_path):
    model, tuned = make_moe(), make_moe()
    name = "model.layers.0.mlp.experts.down_proj"
    with torch.no_grad():
        tuned.get_parameter(name).view(-1)[-1] += 1
    mask = mask_of(model, [0, model.get_parameter(name).numel() - 1], name)
    found = check_hold(saved(tmp_path, tuned), str(save(tmp_path / "base", model)), mask)
    assert [(one.name, one.index) for one in found.moved] == [(name, model.get_parameter(name).numel() - 1)]


def test_a_mask_of_another_base_and_one_that_selects_nothing_are_refused(base, tmp_path):
    model, folder = base
    other = make_llama(seed=1)
    with pytest.raises(ValueError, match="made for another model"):
        check_hold(folder, folder, mask_of(other, [0]))
    with pytest.raises(ValueError, match="selects no entry"):
        check_hold(folder, folder, mask_of(model, []))


def test_a_checkpoint_without_the_masks_parameter_is_refused_and_one_with_more_words_is_compared(base, tmp_path):
    model, folder = base
    narrow = saved(tmp_path, make_llama(layers=1))
    with pytest.raises(ValueError, match=f"{NAME} .* has no such parameter"):
        check_hold(narrow, folder, mask_of(model, [0]))
    wide = make_llama().bfloat16().float()
    wide.resize_token_embeddings(400)
    file = tmp_path / "mask.safetensors"
    save_mask(file, mask_of(model, [0]))
    found = check_hold(str(save(tmp_path / "wide", wide)), folder, file, allow_unchanged=True)
    assert found.not_compared == ("model.embed_tokens.weight",)
    assert found.held_moved == 0


@pytest.mark.parametrize("shard", ["50GB", "15KB"])
def test_after_set_every_weight_outside_the_mask_is_proved_to_have_kept_its_bits(base, tmp_path, shard):
    model, folder = base
    tuned, mask = make_llama().bfloat16().float(), mask_of(model, [3, 17])
    with torch.no_grad():
        tuned.get_parameter(NAME).view(-1)[[3, 17]] += 1
    found = check_only_mask_moved(saved(tmp_path, tuned, shard), folder, mask)
    found.refuse_moved()
    assert found, "`assert check_only_mask_moved(...)` passes"
    others = sum(weight.numel() for weight in model.parameters()) - 2
    assert found.verdict == f"{others:,} weights outside the mask kept every bit; 2 of the mask's 2 moved"
    assert repr(found) == f"<OnlyMaskCheck: {found.verdict}>"


@pytest.mark.parametrize("entry", [0, 16, 511])
def test_after_set_the_lowest_bit_of_one_other_weight_is_found_and_named(base, tmp_path, entry):
    model, folder = base
    tuned, mask = make_llama().bfloat16().float(), mask_of(model, [3, 17])
    with torch.no_grad():
        tuned.get_parameter(NAME).view(-1).view(torch.int32)[[3, entry]] ^= 1
    found = check_only_mask_moved(saved(tmp_path, tuned), folder, mask)
    assert not found
    assert (found.held_moved, found.others_moved) == (1, 1)
    assert "weights outside the mask moved, all in layer 1 mlp.down_proj; 1 of the mask's 2 moved" in found.verdict
    with pytest.raises(InvariantError, match=f"outside the mask moved, the first is entry {entry} of {NAME}"):
        found.refuse_moved()


def test_after_set_a_parameter_that_cannot_be_compared_proves_nothing(base, tmp_path):
    model, folder = base
    longer = make_llama(vocabulary=350)
    with torch.no_grad():
        for name, weight in longer.named_parameters():
            if weight.shape == model.get_parameter(name).shape:
                weight.copy_(model.get_parameter(name))
    found = check_only_mask_moved(saved(tmp_path, longer), folder, mask_of(model, [3]), allow_unchanged=True)
    assert not found
    assert found.verdict.endswith("; 1 parameter could not be compared")
    with pytest.raises(InvariantError, match=r"is not known: model.embed_tokens.weight is in one checkpoint alone"):
        found.refuse_moved()
