"""What the report tells of files, made up: no model, no run."""

import math

import pytest
import torch

from holdfast.artifacts import save_evaluation, save_json, save_mask, save_patch
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate, TokenLosses
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.story import scored_responses, tell
from holdfast.values import Mask, Patch
from tests.pipeline.small import small_config

WHOLE = Rate(0.5, 0.1, 0.9, 4)
SAME = (Answer("prompt", "said", Outcome("safe"), "asr"),)


@pytest.fixture
def config(tmp_path) -> RunConfig:
    return small_config(tmp_path)


@pytest.fixture
def out(tmp_path):
    save_json(tmp_path / "out/manifest.json", {"seed": 0})
    return tmp_path / "out"


def save_answers(path, verdicts, scores=range(1, 100)):
    answers = tuple(
        Answer(f"prompt {at}", "said", Outcome(verdict, float(score)), "asr")
        for at, (verdict, score) in enumerate(zip(verdicts, scores, strict=False))
    )
    save_evaluation(path, Evaluation(WHOLE, WHOLE, WHOLE, 2.0, answers=answers))


@pytest.mark.parametrize(
    ("objective", "tokens", "words"),
    [
        ("judge_gradient", 1, {"responses": "the model's own, up to 1 token"}),
        ("policy_gradient", 32, {"responses": "the model's own, up to 32 tokens"}),
        ("refusal_likelihood", 1, {"responses": "the given ones, whole"}),
        ("unheard_of", 1, {}),
        (None, 1, {}),
    ],
)
def test_the_report_says_how_much_of_which_responses_was_scored(config, objective, tokens, words):
    short = config.model_copy(update={"calibrate": GenerateOptions(max_new_tokens=tokens)})
    assert scored_responses(short, objective) == words


def test_the_patch_is_told_with_its_size_and_its_place_in_the_folder(config, out):
    save_answers(out / "enhance/before.json", [])
    index, values = torch.tensor([1, 5]), torch.tensor([0.5, 0.25], dtype=torch.bfloat16)
    save_patch(out / "enhance/top/patch.safetensors", Patch({"a": index}, {"a": values}, {"a": (3, 4)}, "base"))
    save_mask(out / "enhance/locate/masks/top.safetensors", Mask({"a": index}, {"a": (3, 4)}, "base", 12))
    told = tell(config, out)["enhance"]
    size = (out / "enhance/top/patch.safetensors").stat().st_size
    assert told["patch"] == {
        "file": "enhance/top/patch.safetensors",
        "bytes": size,
        "entries": 2,
        "bytes_per_entry": size / 2,
    }
    assert told["mask"] == "enhance/locate/masks/top.safetensors"


def test_files_that_are_not_there_are_not_named(config, out):
    save_answers(out / "enhance/before.json", [])
    save_answers(out / "adapt/start.json", [])
    told = tell(config, out)
    assert not {"patch", "mask"} & {*told["enhance"], *told["adapt"]}


def test_ten_responses_are_shown_however_many_stages_there_are(config, out):
    for stage, before, after in (("adapt", "start", "plain"), ("enhance", "before", "top")):
        save_answers(out / stage / f"{before}.json", ["unsafe"] * 20, [0] * 20)
        save_answers(out / stage / after / "evaluation.json", ["safe"] * 20)
        shown = tell(config, out)["examples"]
        assert len(shown) == 10
    assert [one["stage"] for one in shown] == ["enhance"] * 5 + ["adapt"] * 5
    # The judge's score rises with the number of the prompt, from 0 before.
    assert [one["prompt"] for one in shown[:5]] == [f"prompt {at}" for at in (19, 18, 17, 16, 15)]


def test_every_arm_has_the_paired_change_of_its_perplexity_where_losses_are_kept(config, out):
    def save(path, *losses):
        exchanges = tuple(TokenLosses(str(at), loss, 10) for at, loss in enumerate(losses))
        save_evaluation(path, Evaluation(WHOLE, WHOLE, WHOLE, 2.0, answers=SAME, losses=exchanges))

    save(out / "enhance/before.json", 9.0, 14.0, 12.0)
    save(out / "enhance/top/evaluation.json", 10.0, 15.0, 14.0)
    save(out / "enhance/random/evaluation.json")
    told = tell(config, out)["enhance"]
    ratio = told["after"]["perplexity_ratio"]
    assert (ratio["value"], ratio["n"]) == (pytest.approx(math.exp(4 / 30)), 3)
    assert ratio["low"] < ratio["value"] < ratio["high"]
    assert told["controls"]["random"]["perplexity_ratio"] is None
    assert "perplexity_ratio" not in told["before"]
