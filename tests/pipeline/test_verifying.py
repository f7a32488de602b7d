"""Noise on files: what is measured, what its files say of how they were made, and what is refused."""

import json
from dataclasses import replace

import pytest

from holdfast import __version__
from holdfast.artifacts import load_evaluation, load_mask, save_mask
from holdfast.commands.rates import rate_cells
from holdfast.commands.show import show
from holdfast.evaluate.measured import measured_rates
from holdfast.evaluate.measures import compare_measures
from holdfast.made_by import prompts_entry
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.pipeline import verifying
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.options import SuiteFiles
from holdfast.pipeline.recipe import Recipe
from holdfast.pipeline.run.config import RunConfig
from holdfast.prompts.sources import load_exchanges
from tests.intervene.given import random_mask
from tests.pipeline.small import small_config

SHORT = GenerateOptions(max_new_tokens=4)
MODEL = "testbed:aligned"


@pytest.fixture
def masks(tmp_path):
    """A mask and another random one of the same size."""
    model = load_model(MODEL).model
    paths = [tmp_path / name for name in ("mask.safetensors", "random.safetensors")]
    for seed, path in enumerate(paths):
        save_mask(path, random_mask(model, 0.01, seed=seed))
    return paths


def verify(masks, out, *, draws=1, files=None, **how):
    files = files or SuiteFiles(harmful=("testbed:harmful_seen#first=3",), questions="testbed:questions#first=4")
    wanted = verifying.noise_draws(2.0, draws, 0)
    given = {"model": MODEL, "judge": "testbed:guard", "mask": masks[0], "files": files, "draws": wanted, "out": out}
    return verifying.verify_alone(verifying.NoiseSpec(**given, generation=SHORT, **how))


def nothing(out, generation):
    """A verification that must be refused before its model or its mask is read."""
    given = {"model": "none", "judge": "none", "mask": out, "files": SuiteFiles(), "draws": [], "out": out}
    return verifying.NoiseSpec(**given, generation=generation)


def evaluate(files, out):
    return evaluate_recipe(Recipe(model=MODEL, judge="testbed:guard", suite=files, generation=SHORT), out)


def test_perplexity_is_measured_on_the_questions_with_and_without_noise(masks, tmp_path):
    found = verify(masks, tmp_path / "out")
    plain = tmp_path / "plain.json"
    files = SuiteFiles(harmful=("testbed:harmful_seen#first=3",), questions="testbed:questions#first=4")
    evaluated = evaluate(files, plain)
    assert found.untouched.perplexity == evaluated.perplexity
    assert len(found.mask[0].losses) == 4
    assert found.mask[0].perplexity != found.untouched.perplexity


def test_files_say_how_they_were_made_and_are_compared_with_those_of_evaluate(masks, tmp_path):
    found = verify(masks, tmp_path / "out", control=masks[1])
    files = SuiteFiles(harmful=("testbed:harmful_seen#first=3",), questions="testbed:questions#first=4")
    evaluated = evaluate(files, tmp_path / "plain.json")
    for one in (found.untouched, *found.mask, *found.control):
        assert one.made_by["holdfast"] == __version__
        for name in ("judge", "refusal_judge", "generation", "suite", "rendering"):
            assert one.made_by[name] == evaluated.made_by[name]
        assert compare_measures(evaluated, one)["perplexity"].ratio is not None
    assert found.untouched.made_by["model"] == evaluated.made_by["model"]
    noise = found.mask[0].made_by["noise"]
    assert (noise["ratio"], noise["draw"], noise["seed"], noise["file"]) == (2.0, 0, 0, str(masks[0]))
    named = [one.made_by["model"] for one in (found.untouched, *found.mask, *found.control)]
    assert named[1]["name"] == f"testbed:aligned with noise 2 on {masks[0]}, draw 0"
    assert len({one["fingerprint"] for one in named}) == 3, "noise makes another model of it"


def test_a_control_gets_the_same_draws_in_a_folder_within_and_may_be_added_later(masks, tmp_path):
    alone = verify(masks, tmp_path / "out", draws=2)
    kept = (tmp_path / "out/noise_2_draw_1.json").stat().st_mtime_ns
    both = verify(masks, tmp_path / "out", draws=2, control=masks[1])
    assert (tmp_path / "out/noise_2_draw_1.json").stat().st_mtime_ns == kept
    assert (alone.mask, alone.control, len(both.control)) == (both.mask, (), 2)
    assert load_evaluation(tmp_path / "out/control/noise_2_draw_1.json") == both.control[1]
    again = verify(masks[::-1], tmp_path / "other", draws=2)
    assert both.control[0].losses == again.mask[0].losses


def test_a_control_that_is_the_mask_is_refused_and_one_of_another_size_warned_of(masks, tmp_path, caplog):
    with pytest.raises(ValueError, match="selects the same weights as the mask, so nothing can differ"):
        verify(masks, tmp_path / "out", control=masks[0])
    save_mask(masks[1], replace(random_mask(load_model(MODEL).model, 0.1, seed=1), base="another"))
    with pytest.raises(ValueError, match=r"mask .*random.* was made for another model"):  # so that nothing is generated
        verify(masks, tmp_path / "out", control=masks[1])
    assert "select both with the same --fraction" in caplog.text


def test_given_refusals_alone_show_what_noise_does(masks, tmp_path):
    refusals = "testbed:refusals#first=3"
    found = verify(masks, tmp_path / "out", files=SuiteFiles(), refusals=refusals, control=masks[1])
    before, after = (one.groups["perplexity/refusals"] for one in (found.untouched, found.mask[0]))
    assert (before.n, after.n) == (3, 3)
    assert after.value > before.value
    assert found.untouched.perplexity is None
    assert [one.group for one in found.mask[0].losses] == ["refusals"] * 3
    assert list(measured_rates(found.untouched)) == ["perplexity/refusals"]
    assert rate_cells(found.untouched, ["perplexity/refusals", "utility"])[1] == "not measured"
    with pytest.raises(ValueError, match="which differ in suite"):
        verify(masks, tmp_path / "out", files=SuiteFiles(), refusals="testbed:refusals#first=4")


def test_a_finished_folder_is_read_and_shown_again(masks, tmp_path, capsys):
    out = tmp_path / "out"
    found = verify(masks, out, draws=2, files=SuiteFiles(), refusals="testbed:refusals#first=3", control=masks[1])
    assert verifying.read_verified(out / "summary.json").table() == found.table()
    show(out)
    of_folder = capsys.readouterr().out
    show(out / "summary.json")
    assert capsys.readouterr().out == of_folder
    assert "The mask against the control" in of_folder
    show(out, out=tmp_path / "page.html")
    assert f"Page: {tmp_path / 'page.html'}" in capsys.readouterr().out
    assert "perplexity, refusals, noise 2" in (tmp_path / "page.html").read_text()
    with pytest.raises(ValueError, match="a verification has a page and no figure"):
        show(out, out=tmp_path / "page.svg")
    (out / "control" / "noise_2_draw_1.json").unlink()
    with pytest.raises(ValueError, match=r"noise_2_draw_1\.json"):
        show(out)


def test_limit_holds_for_given_refusals_too(masks, tmp_path):
    found = verify(masks, tmp_path / "out", refusals="testbed:refusals#first=3", limit=2)
    assert found.untouched.groups["perplexity/refusals"].n == 2
    assert len(found.untouched.losses) == 4


def test_noise_is_refused_several_samples_a_prompt_before_anything_is_loaded(tmp_path):
    sampling = GenerateOptions(num_samples=2, temperature=1.0)
    with pytest.raises(ValueError, match="num_samples=2; set it to 1, or sample with `holdfast evaluate`"):
        verifying.verify_alone(nothing(tmp_path / "out", sampling))
    with pytest.raises(ValueError, match="num_samples=2; set it to 1"):
        RunConfig.model_validate({**small_config(tmp_path).model_dump(), "generate": sampling.model_dump()})


def test_noise_is_refused_an_engine_that_would_not_see_it_before_anything_is_loaded(tmp_path):
    stored = GenerateOptions(engine="vllm")
    with pytest.raises(ValueError, match="use it with `holdfast evaluate`"):
        verifying.verify_alone(nothing(tmp_path / "out", stored))
    with pytest.raises(ValueError, match="use it with `holdfast evaluate`"):
        RunConfig.model_validate({**small_config(tmp_path).model_dump(), "generate": stored.model_dump()})


@pytest.mark.parametrize(
    ("asked", "said"), [("how do I mend it?", "1 of 1 evaluation prompts also made the mask"), ("why", "")]
)
def test_verifying_on_the_prompts_of_the_scores_is_warned_of(asked, said, tmp_path, caplog):
    (tmp_path / "task.jsonl").write_text('{"prompt": "how do i mend it ?", "response": "sorry"}\n')
    scores = {"prompts": prompts_entry(load_exchanges(str(tmp_path / "task.jsonl")))}
    loaded = load_model("testbed:aligned")
    mask = replace(random_mask(loaded.model, 0.1), made_by={"selector": "top", "scores": scores}, base="another")
    save_mask(tmp_path / "mask.safetensors", mask)
    (tmp_path / "asked.jsonl").write_text(json.dumps({"prompt": asked}) + "\n")
    files = SuiteFiles(harmful=(str(tmp_path / "asked.jsonl"),))
    with pytest.raises(ValueError, match=r"mask .* was made for another model"):  # so that nothing is generated
        verifying.verify_alone(
            verifying.NoiseSpec(
                model="testbed:aligned",
                judge="testbed:guard",
                mask=tmp_path / "mask.safetensors",
                files=files,
                draws=verifying.noise_draws(1.0, 1, 0),
                out=tmp_path / "o",
            )
        )
    assert (said in caplog.text) if said else not caplog.text


@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_mask_or_control_is_refused_before_a_model_is_loaded(empty, masks, tmp_path, monkeypatch):
    monkeypatch.setattr(verifying, "load_model", lambda *_, **__: pytest.fail("the model was loaded"))
    mask = load_mask(masks[empty])
    save_mask(masks[empty], replace(mask, indices={}))
    with pytest.raises(
        ValueError, match=rf"{masks[empty].name}' selects no entry, so there is nothing to put noise on"
    ):
        verify(masks, tmp_path / "out", control=masks[1])
