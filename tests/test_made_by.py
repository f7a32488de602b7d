"""What files say of how they were made, and what is read from it."""

from dataclasses import replace

import pytest
import torch

from holdfast import __version__
from holdfast.artifacts import load_mask, load_scores, save_mask, save_scores
from holdfast.made_by import (
    count_shared,
    is_random,
    model_entry,
    named_apart,
    named_base,
    other_model_words,
    prompts_entry,
    shown,
    summary,
)
from holdfast.records import Exchange, Prompt
from holdfast.select import TopOptions, combine, select_top
from holdfast.values import Mask, Scores

PROMPTS = [Prompt(f"how do i mend clock {number} ?") for number in range(20)]


def made_from(prompts, objective="judge_gradient"):
    return {"method": "esi", "objective": objective, "prompts": prompts, "model": model_entry("org/m", "f" * 64)}


def test_a_set_of_prompts_is_known_by_its_name_size_and_hashes():
    entry = prompts_entry(PROMPTS, "clocks.jsonl")
    assert (entry["name"], entry["count"]) == ("clocks.jsonl", 20)
    assert prompts_entry(PROMPTS)["sha256"] == entry["sha256"] != prompts_entry(PROMPTS[1:])["sha256"]
    answered = [Exchange(prompt.prompt, "no") for prompt in PROMPTS]
    refused = [Exchange(prompt.prompt, "yes") for prompt in PROMPTS]
    assert prompts_entry(answered)["sha256"] != prompts_entry(refused)["sha256"]
    assert prompts_entry(answered)["hashes"] == entry["hashes"], "the prompts are the same"


@pytest.mark.parametrize(
    ("asked", "shared"),
    [
        (PROMPTS, 20),
        (PROMPTS[:3], 3),
        ([Prompt("How do I mend  CLOCK 7?")], 1),  # another spelling of the same words
        ([Prompt("how do i mend clock 20 ?"), Exchange(PROMPTS[0].prompt, "no")], 1),
        ([Prompt("something else")], 0),
        ([], 0),
    ],
)
def test_prompts_that_something_was_made_from_are_found_at_any_depth(asked, shared):
    scores = made_from(prompts_entry(PROMPTS, "clocks"))
    for made_by in (scores, {"selector": "top", "scores": scores}, {"masks": [{"mask": {"scores": scores}}, {}]}):
        assert count_shared(made_by, asked) == shared
    assert count_shared({"scores": {"method": "esi"}}, asked) == 0, "a file of an earlier version does not say"


def test_a_mask_drawn_like_another_says_so_and_claims_neither_its_objective_nor_its_prompts():
    like = {"selector": "top", "file": "mask.safetensors", "scores": made_from(prompts_entry(PROMPTS, "harmful"))}
    drawn = {"selector": "random", "seed": 1, "model": model_entry("org/m", "f" * 64), "like": like}
    words = "mask.safetensors (selector top), as many in every tensor"
    expected = {"model": "org/m", "selector": "random", "seed": "1", "like": words}
    assert summary(drawn) == expected
    assert summary({"operation": "union", "masks": [drawn, drawn]})["like"] == words
    assert count_shared(drawn, PROMPTS) == 20, "its prompts still chose where the entries lie"


def test_the_summary_names_model_objectives_and_prompts_once():
    safety = made_from(prompts_entry(PROMPTS, "harmful"))
    utility = made_from(prompts_entry(PROMPTS[:5], "questions"), "utility")
    found = summary({"selector": "safety_only", "holdfast": "0.1.0", "scores": safety, "utility": utility})
    assert found == {
        "model": "org/m",
        "selector": "safety_only",
        "objective": "judge_gradient, utility",
        "method": "esi",
        "prompts": "harmful (20), questions (5)",
        "holdfast": "0.1.0",
    }
    assert summary({}) == {}
    assert summary({"selector": "random", "seed": 0, "fraction": 0.01}) == {"selector": "random", "seed": "0"}


def test_the_summary_of_a_joined_mask_names_the_operation_and_the_selectors():
    masks = [{"selector": "top", "scores": {"objective": "utility"}}, {"selector": "random", "seed": 0}]
    found = summary({"operation": "difference", "masks": masks})
    assert found["operation"] == "difference: in the first mask, and in none of the others"
    assert (found["selector"], found["objective"]) == ("top, random", "utility")


def test_a_base_is_named_by_its_model_where_that_is_known():
    assert named_base({"scores": made_from({})}, "abc" * 20) == "'org/m' (fingerprint abcabcabcabc)"
    assert named_base({}, "abc" * 20) == "fingerprint abcabcabcabc"


def test_what_people_read_leaves_out_the_hashes_of_prompts():
    made_by = {"masks": [{"scores": made_from(prompts_entry(PROMPTS, "clocks"))}]}
    assert "hashes" in str(made_by)
    assert "hashes" not in str(shown(made_by))
    assert "clocks" in str(shown(made_by))


def test_scores_and_masks_keep_what_they_were_made_from_in_files(tmp_path):
    entries = {"model.layers.0.mlp.up_proj.weight": torch.rand(10, 10)}
    scores = Scores(entries, "unit", "base", 100, made_from(prompts_entry(PROMPTS, "clocks")))
    save_scores(tmp_path / "scores.safetensors", scores)
    loaded = load_scores(tmp_path / "scores.safetensors")
    assert loaded.made_by == scores.made_by
    mask = select_top(loaded, TopOptions(fraction=0.1))
    save_mask(tmp_path / "mask.safetensors", mask)
    made_by = load_mask(tmp_path / "mask.safetensors").made_by
    assert made_by["scores"] == scores.made_by
    assert made_by["holdfast"] == __version__
    assert count_shared(made_by, PROMPTS) == 20


def test_masks_that_are_joined_keep_what_each_was_made_from():
    shapes, made_by = {"a": (4,)}, [{"scores": made_from(prompts_entry([prompt]))} for prompt in PROMPTS[:3]]
    masks = [Mask({"a": torch.tensor([0, 1])}, shapes, "base", 4, one) for one in made_by]
    joined = combine("union", masks)
    assert joined.made_by == {"operation": "union", "holdfast": __version__, "masks": made_by}
    assert count_shared(joined.made_by, PROMPTS) == 3


def test_masks_of_two_models_are_told_apart_by_name():
    mask = Mask({"a": torch.tensor([0])}, {"a": (4,)}, "base", 4, {"scores": made_from({})})
    other = replace(mask, base="other", made_by={})
    with pytest.raises(
        ValueError, match=r"of 'org/m' \(fingerprint base\) and of one with fingerprint other; give files"
    ):
        combine("union", [mask, other])
    with pytest.raises(ValueError, match=r"a is \(4,\) in one and \(2, 2\) in the other; give files with the same"):
        combine("union", [mask, replace(mask, shapes={"a": (2, 2)})])


@pytest.mark.parametrize(
    ("models", "named"),
    [
        ((("a", "1" * 64), ("b", "2" * 64)), ["'a'", "'b'"]),
        ((("a", "1" * 64), ("a", "2" * 64)), [f"'a' (fingerprint {'1' * 12})", f"'a' (fingerprint {'2' * 12})"]),
        ((("a", "1" * 64), (None, "2" * 64)), [f"'a' (fingerprint {'1' * 12})", f"one with fingerprint {'2' * 12}"]),
    ],
)
def test_models_are_named_with_fingerprints_only_where_names_do_not_tell_them_apart(models, named):
    assert named_apart(*models) == named


def test_the_error_about_another_model_names_the_recorded_model_and_the_given_one():
    made = Mask({}, {}, "1" * 64, 0, {"scores": {"model": model_entry("org/m", "1" * 64)}})
    words = other_model_words("mask 'm.safetensors'", made, ("org/n", "2" * 64))
    assert words == "mask 'm.safetensors' was made for another model: for 'org/m', and 'org/n' was given"


@pytest.mark.parametrize(
    ("made_by", "random"),
    [
        ({"selector": "random", "model": {"name": "org/m"}}, True),
        ({"selector": "top", "scores": {"method": "random"}}, True),
        ({"parts": ["down"], "neurons": {"selector": "random"}}, True),
        ({"method": "random", "like": {"method": "difference_in_means"}}, True),
        ({"selector": "top", "scores": {"method": "esi"}}, False),
        ({"operation": "difference", "masks": [{"selector": "top"}, {"selector": "random"}]}, False),
        ({}, False),
    ],
)
def test_a_random_control_is_known_by_its_own_origin_alone(made_by, random):
    assert is_random(made_by) is random
