"""Layer-wise scoring on files: the files of the whole-model scoring, or the masks that are cut from them."""

import json

import pytest

from holdfast.artifacts import load_json, load_mask, load_scores
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.masks import select
from holdfast.pipeline.options import LayerWiseOptions, ScoringOptions
from holdfast.pipeline.scoring import score_likelihood, score_model, score_safety
from holdfast.pipeline.scoring_files import files_of, responses_of, stability_of
from holdfast.pipeline.scoring_spec import Scored, ScoringSpec
from holdfast.progress import Progress, silent
from holdfast.select.stability import stability
from tests.pipeline.small import small_config

MODEL, MOE, GUARD = "testbed:aligned", "testbed:aligned-moe", "testbed:guard"
LAYER_WISE = LayerWiseOptions(layer_wise=True)
UTILITY = ScoringOptions(objective="utility", token_budget=512)


def by_layer(model, prompts, out, layers=LAYER_WISE, progress: Progress = silent, **how) -> Scored:
    spec = ScoringSpec(model=model, prompts=str(prompts), out=out, layers=layers, **how)
    return score_model(spec, progress)


def assert_same_files(found, expected) -> None:
    for left, right in zip(files_of(found), files_of(expected), strict=True):
        first, second = load_scores(left), load_scores(right)
        assert all(first.entries[name].equal(second.entries[name]) for name in second.entries)
        assert first.shapes == second.shapes
        assert (first.made_by, first.unit, first.base) == (second.made_by, second.unit, second.base)
        assert first.num_parameters == second.num_parameters


def stop_at(step: int):
    def tell(label: str, done: int, total: int) -> None:
        if label == "scoring layers" and done == step:
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize(
    ("objective", "generation"),
    [
        ("judge_gradient", GenerateOptions(max_new_tokens=2)),
        pytest.param("policy_gradient", GenerateOptions(max_new_tokens=4, num_samples=3), marks=pytest.mark.slow),
        ("mix", GenerateOptions(max_new_tokens=2, num_samples=2)),
    ],
)
def test_given_responses_make_the_files_of_the_scoring_that_made_them(objective, generation, tmp_path):
    prompts, options = small_config(tmp_path).calibration.harmful, ScoringOptions(objective=objective)
    whole, out = tmp_path / "whole.safetensors", tmp_path / "layers.safetensors"
    score_safety(MODEL, GUARD, prompts, whole, options=options, generation=generation)
    layers = LayerWiseOptions(layer_wise=True, responses=responses_of(whole))
    result = by_layer(MODEL, prompts, out, layers, judge=GUARD, options=options)
    assert_same_files(out, whole)
    scores = load_scores(whole)
    assert dict(result.largest) == {name: float(entries.max()) for name, entries in scores.entries.items()}
    assert result.scores.made_by == scores.made_by
    assert not (tmp_path / "layers.safetensors.unfinished").exists()


@pytest.mark.parametrize("name", [MODEL, pytest.param(MOE, marks=pytest.mark.slow)])
def test_masks_that_are_cut_on_the_way_are_those_that_top_cuts_from_scores(name, tmp_path):
    questions = small_config(tmp_path).calibration.utility
    whole, out, top = (tmp_path / f"{word}.safetensors" for word in ("whole", "mask", "top"))
    score_likelihood(name, questions, whole, options=UTILITY)
    layers = LayerWiseOptions(layer_wise=True, keep=0.02)
    result = by_layer(name, questions, out, layers, options=UTILITY)
    select(whole, "top", top, given={"fraction": 0.02})
    mask, expected = load_mask(out), load_mask(top)
    assert mask.equals(expected)
    assert mask.made_by == expected.made_by
    halves = stability(*map(load_scores, files_of(whole)[1:]), fraction=0.02)
    agreement = load_json(stability_of(out))
    assert agreement.pop("made_by") == mask.made_by
    names = ("iou", "random_iou", "iou_low", "iou_high", "random_iou_per_tensor")
    assert agreement == result.agreement == {name: getattr(halves, name) for name in names}
    assert load_mask(files_of(out)[1]).iou(load_mask(files_of(out)[2])) == halves.iou


def test_the_files_say_how_many_experts_were_idle_on_all_prompts_and_on_each_half(tmp_path):
    whole, out = tmp_path / "whole.safetensors", tmp_path / "layers.safetensors"
    score_likelihood(MOE, "testbed:questions_calibration#first=2", whole, options=UTILITY)
    by_layer(MOE, "testbed:questions_calibration#first=2", out, LAYER_WISE, options=UTILITY)
    idle = [load_scores(path).made_by["idle_experts"] for path in files_of(out)]
    assert 0 < idle[0] < min(idle[1:])
    assert_same_files(out, whole)


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    """The prompts, and where scores and masks of them are that nothing stopped."""
    folder = tmp_path_factory.mktemp("at_once")
    questions = small_config(folder).calibration.utility
    for keep in (None, 0.02):
        layers = LayerWiseOptions(layer_wise=True, keep=keep)
        by_layer(MOE, questions, folder / f"{keep}.safetensors", layers, options=UTILITY)
    return questions, folder


STOPS = [(10, None), (3, 0.02)]
"""Steps after which a scoring is stopped, without and with masks that are cut on the way."""
MORE_STOPS = [(3, None), (9, None), (14, None), (10, 0.02)]


@pytest.mark.parametrize(
    ("step", "keep"), [*STOPS, *(pytest.param(*stop, marks=pytest.mark.slow) for stop in MORE_STOPS)]
)
def test_one_that_was_stopped_goes_on_to_the_same_bits(step, keep, at_once, tmp_path):
    questions, folder = at_once
    layers = LayerWiseOptions(layer_wise=True, keep=keep)
    once, out = folder / f"{keep}.safetensors", tmp_path / "stopped.safetensors"
    with pytest.raises(KeyboardInterrupt):
        by_layer(MOE, questions, out, layers, options=UTILITY, progress=stop_at(step))
    assert not out.exists()
    with pytest.raises(ValueError, match="which differ in seed"):
        by_layer(MOE, questions, out, layers, options=UTILITY, seed=1)
    other = LayerWiseOptions(layer_wise=True, keep=0.03)
    with pytest.raises(ValueError, match="which differ in keep"):
        by_layer(MOE, questions, out, other, options=UTILITY)
    told = []
    by_layer(MOE, questions, out, layers, options=UTILITY, progress=lambda *step: told.append(step))
    begun = min(done for label, done, _ in told if label == "scoring layers")
    assert begun == (step if keep is None else min(step, 8))
    for left, right in zip(files_of(out), files_of(once), strict=True):
        assert left.read_bytes() == right.read_bytes()


def refused(tmp_path, objective="judge_gradient", **changes):
    config = small_config(tmp_path)
    given = {"layers": LAYER_WISE, "options": ScoringOptions(objective=objective), **changes}
    by_layer(MODEL, config.calibration.harmful, tmp_path / "out.safetensors", judge=GUARD, **given)


def test_what_layer_wise_scoring_has_not_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"takes the model's responses.*give responses, the OUT_responses"):
        refused(tmp_path)
    with pytest.raises(ValueError, match="method wanda is not scored layer by layer"):
        refused(tmp_path, options=ScoringOptions(method="wanda"))
    with pytest.raises(ValueError, match="convergence compares scores of the whole model"):
        refused(tmp_path, options=ScoringOptions(convergence=True))
    with pytest.raises(ValueError, match="works in one process"):
        refused(tmp_path, options=ScoringOptions(shard=True))
    layers = LayerWiseOptions(layer_wise=True, responses=tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match="leave responses out"):
        by_layer(MODEL, "testbed:questions", tmp_path / "a.safetensors", layers, options=UTILITY)
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize("option", ["keep", "responses"])
def test_an_option_that_has_no_effect_is_refused(option):
    with pytest.raises(ValueError, match=f"{option} has no effect without layer-wise"):
        LayerWiseOptions.model_validate({option: {"keep": 0.1, "responses": "a.jsonl"}[option]})


@pytest.fixture
def responses(tmp_path):
    """What the model said to the prompts, as it was saved."""
    out = tmp_path / "whole.safetensors"
    generation = GenerateOptions(max_new_tokens=1)
    score_safety(MODEL, GUARD, small_config(tmp_path).calibration.harmful, out, generation=generation)
    return responses_of(out)


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return LayerWiseOptions(layer_wise=True, responses=path)


def test_responses_that_are_not_the_models_to_these_prompts_are_refused(responses, tmp_path):
    lines, other = responses.read_text().splitlines(), tmp_path / "other.jsonl"
    with pytest.raises(ValueError, match="the 7 responses do not match objective judge_gradient on the 8"):
        refused(tmp_path, layers=write(other, lines[1:]))
    with pytest.raises(ValueError, match="the 8 responses do not match"):
        refused(tmp_path, layers=write(other, reversed(lines)))
    with pytest.raises(ValueError, match="the 8 responses do not match objective policy_gradient"):
        refused(tmp_path, objective="policy_gradient", layers=write(other, lines))
    first = json.loads(lines[0])
    first["prompt_ids"] = first["prompt_ids"][1:]
    with pytest.raises(ValueError, match="under another tokenizer or chat template"):
        refused(tmp_path, layers=write(other, [json.dumps(first), *lines[1:]]))


def test_a_file_without_responses_is_refused(tmp_path):
    for text, reason in (
        ("", "is empty"),
        ("no JSON", "holds no responses"),
        ('{"prompt": "a"}', "holds no responses"),
    ):
        path = tmp_path / "responses.jsonl"
        path.write_text(text)
        with pytest.raises(ValueError, match=f"responses.jsonl' {reason}"):
            refused(tmp_path, layers=LayerWiseOptions(layer_wise=True, responses=path))
    with pytest.raises(ValueError, match=r"missing.jsonl' holds no responses"):
        refused(tmp_path, layers=LayerWiseOptions(layer_wise=True, responses=tmp_path / "missing.jsonl"))


def test_a_file_that_would_be_overwritten_is_refused_before_the_work(tmp_path):
    theirs = tmp_path / "out_stability.json"
    theirs.write_text("years of work")
    with pytest.raises(ValueError, match=r"out_stability\.json' exists already"):
        refused(tmp_path, layers=LayerWiseOptions(layer_wise=True, keep=0.1))
    assert theirs.read_text() == "years of work"
