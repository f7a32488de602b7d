"""safety_only takes a safety score and a utility score: what is known to be anything else is refused."""

import json
import logging
from dataclasses import replace

import pytest
import torch

from holdfast.artifacts import load_scores, save_scores
from holdfast.select import select_safety_only
from holdfast.tensor_files import read_header, replace_metadata
from holdfast.values import Scores

SAFE = "judge_gradient"


def scores_of(objective, seed=0, base="base"):
    entries = {"model.layers.0.mlp.up_proj.weight": torch.rand(20, 20, generator=torch.Generator().manual_seed(seed))}
    made_by = {"method": "esi", **({} if objective is None else {"objective": objective})}
    return Scores(entries, "unit", base, 1000, made_by)


@pytest.mark.parametrize("safety", [SAFE, "policy_gradient", "control_variate", "mix", "refusal_likelihood"])
def test_scores_of_safety_and_of_utility_are_taken_without_a_word(safety, caplog):
    assert len(select_safety_only(scores_of(safety), scores_of("utility", 1))) == 4
    assert caplog.records == []


@pytest.mark.parametrize(
    ("safety", "utility", "sentence"),
    [
        ("utility", SAFE, "are of objective utility, and the utility scores of judge_gradient; swap the two"),
        ("utility", "refusal_likelihood", "swap the two: safety_only takes safety scores first"),
        ("utility", "utility", "are of objective utility, and .* of utility; give scores of a safety objective"),
        ("utility", None, "are of objective utility, and .* of None; give scores of a safety objective"),
        (SAFE, SAFE, "utility scores are of objective judge_gradient, which is not utility; give those that"),
        (SAFE, "refusal_likelihood", "are of objective refusal_likelihood, which is not utility"),
        (SAFE, "speed", "are of objective speed, which is not utility"),
        (None, SAFE, "are of objective judge_gradient, which is not utility"),
    ],
)
def test_scores_that_are_known_to_be_others_are_refused(safety, utility, sentence):
    with pytest.raises(ValueError, match=sentence):
        select_safety_only(scores_of(safety), scores_of(utility, 1))


@pytest.mark.parametrize("utility", ["utility", "response_likelihood", None])
def test_the_same_scores_twice_are_refused_whatever_they_say(utility):
    with pytest.raises(ValueError, match="are the same numbers, so nothing tells safety from utility"):
        select_safety_only(scores_of(SAFE), scores_of(utility))


@pytest.mark.parametrize("safety", [SAFE, "response_likelihood", None])
@pytest.mark.parametrize("utility", ["response_likelihood", None])
def test_files_of_earlier_versions_that_do_not_say_are_warned_of_and_taken(safety, utility, caplog, tmp_path):
    """Their header has method, token_budget, objective and num_items, and calls both likelihoods by one name."""
    with caplog.at_level(logging.WARNING):
        loaded = [written_before(tmp_path / name, one, seed) for seed, (name, one) in
                  enumerate((("scores.safetensors", safety), ("utility.safetensors", utility)))]  # fmt: skip
        assert len(select_safety_only(*loaded)) == 4
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the utility scores do not record their objective"
    ]


def written_before(path, objective, seed):
    """Scores from a file whose header is as version 0.1.0 first wrote it, byte for byte."""
    save_scores(path, scores_of(objective, seed))
    made_by = {"method": "esi", "num_items": 8, "objective": objective, "token_budget": 4096}
    made_by = {name: value for name, value in made_by.items() if value is not None}
    header = {"base": "base", "made_by": made_by, "num_parameters": 1000, "unit": "u"}
    room = len(json.dumps(header)) + 8
    save_scores(path, replace(load_scores(path), made_by={**made_by, "room": "x" * room}))
    replace_metadata(path, {"holdfast": "scores", "header": json.dumps(header, sort_keys=True)})
    assert json.loads(read_header(path)[1]["header"]) == header
    return load_scores(path)


def test_scores_of_another_model_are_refused_by_name():
    other = replace(scores_of("utility", 1, "other"), made_by={"model": {"name": "org/m"}, "objective": "utility"})
    with pytest.raises(ValueError, match=r"the utility and the scores are of different models or sites: .*'org/m'"):
        select_safety_only(scores_of(SAFE), other)
