import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.artifacts import load_mask, load_patch, load_scores, save_mask, save_patch, save_scores
from holdfast.outcomes import VERDICTS, Answer, Outcome, Rate
from holdfast.values import Mask, Patch, Scores, _require_fields

SHAPES = {"a": (3, 4), "b": (5,)}


def mask_of(a, b, base="x"):
    return Mask({"a": torch.tensor(sorted(a)).long(), "b": torch.tensor(sorted(b)).long()}, SHAPES, base, 20)


masks = st.builds(mask_of, st.sets(st.integers(0, 11)), st.sets(st.integers(0, 4)))


@settings(deadline=None)
@given(masks, masks)
def test_masks_obey_the_algebra_of_sets(left, right):
    assert (~~left).equals(left)
    assert (left & right).equals(~(~left | ~right))
    assert (left - right).equals(left & ~right)
    assert len(left | right) == len(left) + len(right) - len(left & right)
    assert len(left - left) == 0
    assert left.iou(left) == 1


def test_density_counts_scored_entries_and_share_counts_all():
    mask = mask_of({0, 1}, {4})
    assert mask.density == 3 / 17
    assert mask.share_of_all == 3 / 20


@pytest.mark.parametrize("bad", [[3, 1], [0, 0], [-1], [12]])
def test_unsorted_repeated_or_outside_indices_are_refused(bad):
    with pytest.raises(ValueError, match=r"increasing and in \[0, 12\)"):
        Mask({"a": torch.tensor(bad)}, SHAPES, "x", 20)


@pytest.mark.usefixtures("unchecked")
def test_a_mask_gives_no_indices_of_a_name_that_it_does_not_know():
    mask = mask_of({1}, set())
    assert (mask["a"].tolist(), mask["b"].tolist()) == ([1], [])
    assert "b" not in mask
    for name in ("nope", "A", 0):
        with pytest.raises(ValueError, match=rf"the mask knows no parameter {name!r}; .*mask\.shapes names all"):
            _ = mask[name]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("bad",), "no verdict 'bad'; known: safe, unsafe, refused"),
        ((True,), "no verdict True"),
        ((["safe"],), r"no verdict \['safe'\]"),
        (("safe", "x"), "the score of an outcome is 'x'; give a number"),
        (("safe", True), "the score of an outcome is True"),
        ((None, None, 3), "the reason of an outcome is 3"),
    ],
)
def test_an_outcome_that_no_rate_could_count_is_refused_when_it_is_made(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Outcome(*given)


@pytest.mark.usefixtures("unchecked")
def test_every_verdict_makes_an_outcome_with_a_number_of_any_kind():
    assert [Outcome(verdict).verdict for verdict in VERDICTS] == list(VERDICTS)
    assert Outcome("safe", np.float32(2)).safety == 2.0
    assert Outcome.unscored("down").reason == "down"


def test_masks_of_different_models_do_not_combine():
    with pytest.raises(ValueError, match="different models"):
        _ = mask_of({1}, {1}) & mask_of({1}, {1}, base="y")


def test_a_rate_prints_its_interval_n_and_unscored():
    assert str(Rate(0.12, 0.08, 0.17, 200, 3)) == "0.12 [0.08, 0.17] n=200 (3 unscored)"
    assert str(Rate(None, None, None, 0, 5)) == "not measured n=0 (5 unscored)"


@settings(deadline=None, max_examples=20)
@given(mask=masks)
def test_a_saved_mask_loads_equal(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("masks") / "mask.safetensors"
    save_mask(path, mask)
    loaded = load_mask(path, base="x")
    assert loaded.equals(mask)
    assert (loaded.base, loaded.num_parameters) == ("x", 20)


def test_a_mask_for_another_model_is_refused(tmp_path):
    save_mask(tmp_path / "mask.safetensors", mask_of({1}, {1}))
    with pytest.raises(ValueError, match="made for another model"):
        load_mask(tmp_path / "mask.safetensors", base="y")


def test_a_file_of_another_kind_is_refused(tmp_path):
    save_mask(tmp_path / "mask.safetensors", mask_of({1}, {1}))
    with pytest.raises(ValueError, match="is a mask, not scores; give the file that it was cut from"):
        load_scores(tmp_path / "mask.safetensors")


def test_scores_and_patches_round_trip(tmp_path):
    scores = Scores({"b": torch.rand(5), "a": torch.rand(3, 4)}, "log-odds", "x", 20, {"seed": 1})
    save_scores(tmp_path / "scores.safetensors", scores)
    loaded = load_scores(tmp_path / "scores.safetensors")
    assert list(loaded.entries) == ["a", "b"]
    assert torch.equal(loaded.entries["a"], scores.entries["a"])
    index = {"a": torch.tensor([0, 7])}
    patch = Patch(index, {"a": torch.ones(2, dtype=torch.bfloat16)}, SHAPES, "x", {"a": torch.zeros(2)})
    save_patch(tmp_path / "patch.safetensors", patch)
    again = load_patch(tmp_path / "patch.safetensors")
    assert again.values["a"].dtype == torch.bfloat16
    assert torch.equal(again.indices["a"], index["a"])
    assert again.old_values is not None


@pytest.mark.parametrize(
    ("index", "kind"), [([1, 2, 3], "list"), (np.array([1, 2, 3]), "numpy.ndarray")], ids=["list", "numpy"]
)
def test_a_mask_names_the_value_that_is_no_tensor(index, kind):
    mask = object.__new__(Mask)  # the check of types in tests would come before that of the class
    for name, value in {"indices": {"a": index}, "shapes": {"a": (4,)}}.items():
        object.__setattr__(mask, name, value)
    with pytest.raises(ValueError, match=f"got {kind} for 'a'; convert it with torch.as_tensor"):
        _require_fields(mask, ("indices",))


def test_a_model_is_not_smaller_than_the_parameters_of_its_mask():
    Mask({"a": torch.tensor([1])}, {"a": (2, 3)}, "base", 6)
    with pytest.raises(ValueError, match="num_parameters of a Mask is 5, and its parameters alone have 6 entries"):
        Mask({"a": torch.tensor([1])}, {"a": (2, 3)}, "base", 5)


@pytest.mark.parametrize(
    ("measure", "verdict", "refusal", "refuses"),
    [
        ("refusal", "refused", None, True),
        ("refusal", "degenerate", None, False),
        ("over_refusal", "complied", None, False),
        ("refusal", None, None, None),
        ("asr", "safe", "refused", True),
        ("asr", "safe", "complied", False),
        ("asr", "safe", None, None),
        ("utility", "wrong", "refused", True),
        ("utility", "wrong", None, None),
    ],
)
def test_an_answer_says_whether_it_refuses_with_and_without_a_judge_of_safety(measure, verdict, refusal, refuses):
    answer = Answer("p", "r", Outcome(verdict), measure, refusal=Outcome(refusal) if refusal else None)
    assert answer.refuses is refuses
