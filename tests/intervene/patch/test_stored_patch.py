import pytest
import torch
from safetensors.torch import load_file, save_file

from holdfast.intervene.entries import same_bits
from holdfast.intervene.patch.stored_patch import differences, new_values, old_values, refuse_unlike, write_values
from holdfast.models.stored import open_stored
from holdfast.pipeline.patching import diff_to_file
from tests.models.families import FAMILIES, make_family
from tests.stored import hashes, save, save_pair
from tests.tiny import make_llama


def opened(*folders):
    return [open_stored(str(folder)) for folder in folders]


def test_differences_are_of_bits_so_nan_equals_itself_and_minus_zero_is_not_zero(tmp_path):
    nan = float("nan")
    values = {"base": [nan, 0.0, 1.0, nan, 5.0], "tuned": [nan, -0.0, 1.0, 2.0, nan]}
    for name, row in values.items():
        model = make_llama()
        with torch.no_grad():
            model.model.norm.weight[:5] = torch.tensor(row)
        save(tmp_path / name, model)
    base, tuned = opened(tmp_path / "base", tmp_path / "tuned")
    (chunk,) = differences(base.parameters["model.norm.weight"], tuned.parameters["model.norm.weight"])
    assert chunk.index.tolist() == [1, 3, 4]
    assert chunk.values[1] == 2.0
    assert chunk.values[2].isnan()
    assert chunk.values[0].signbit()


def test_other_names_shapes_and_dtypes_are_refused_by_name(tmp_path):
    base, _ = save_pair(tmp_path)
    for name, model, sentence in (
        ("deeper", make_llama(layers=3).bfloat16(), r"only .*deeper' has model.layers.2"),
        ("shallower", make_llama(layers=1).bfloat16(), r"only .*base' has model.layers.1"),
        ("wider", make_llama(width=32).bfloat16(), "needs equal shapes and dtypes"),
        ("halved", make_llama().half(), r"is torch.bfloat16 .* and torch.float16"),
    ):
        with pytest.raises(ValueError, match=sentence):
            refuse_unlike(*opened(base, save(tmp_path / name, model)))


def test_a_buffer_that_differs_is_refused_because_no_patch_carries_it(tmp_path):
    family = next(family for family in FAMILIES if family.name == "deepseek_v3")
    base, tuned = (save(tmp_path / name, make_family(family)) for name in ("base", "tuned"))
    refuse_unlike(*opened(base, tuned))
    tensors = load_file(tuned / "model.safetensors")
    tensors["model.layers.1.mlp.gate.e_score_correction_bias"][0] += 1
    save_file(tensors, tuned / "model.safetensors")
    with pytest.raises(ValueError, match="e_score_correction_bias differs and is a buffer"):
        refuse_unlike(*opened(base, tuned))


@pytest.mark.parametrize("keep_old", [True, False], ids=["from the patch", "from the base"])
def test_a_revert_writes_the_values_of_before_and_an_application_those_of_after(keep_old, tmp_path):
    base, tuned = save_pair(tmp_path)
    patch = diff_to_file(str(base), str(tuned), tmp_path / "patch", keep_old=keep_old)
    before, after = hashes(base), hashes(tuned)
    left, right = opened(base, tuned)
    values_before = old_values(patch, None if keep_old else left)
    for name in patch.parts:
        for chunk in patch.chunks(name):
            held, moved = (model.parameters[name].take(chunk.index) for model in (left, right))
            assert same_bits(values_before(name, chunk), held)
            assert same_bits(new_values(name, chunk), moved)
            assert not same_bits(held, moved)
    write_values(right, patch, values_before)
    assert hashes(tuned) == before
    write_values(right, patch, new_values)
    assert hashes(tuned) == after
