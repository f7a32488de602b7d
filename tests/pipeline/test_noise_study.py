"""Noise on a mask of a loaded model gives the numbers of the command, and its mistakes are refused before it runs."""

from dataclasses import replace

import pytest
import torch

from holdfast import GenerateOptions, RefusalJudge, Suite, load_model, load_prompts, save_mask, verify
from holdfast.evaluate import evaluate
from holdfast.json_files import load_json
from holdfast.pipeline import noise_study, verifying
from holdfast.pipeline.options import SuiteFiles
from tests.intervene.given import bits, equal_bits, load_tiny, random_mask

SHORT = GenerateOptions(max_new_tokens=4)
MODEL, HARMFUL = "testbed:aligned", "testbed:harmful_seen#first=3"


def test_it_measures_what_the_command_measures_and_gives_every_bit_back(tmp_path):
    loaded = load_model(MODEL)
    before = bits(loaded.model)
    mask, control = (random_mask(loaded.model, 0.01, seed=seed) for seed in (0, 1))
    found = verify(
        loaded, mask, Suite(harmful=load_prompts(HARMFUL)), SHORT, control=control, ratios=(2.0, 4.0), draws=2
    )
    assert equal_bits(before, bits(loaded.model))
    for name, value in {"mask": mask, "control": control}.items():
        save_mask(tmp_path / name, value)
    on_files = verifying.verify_alone(
        verifying.NoiseSpec(
            model=MODEL,
            judge="refusal",
            mask=tmp_path / "mask",
            control=tmp_path / "control",
            files=SuiteFiles(harmful=(HARMFUL,)),
            draws=[draw for ratio in (2.0, 4.0) for draw in verifying.noise_draws(ratio, 2, 0)],
            out=tmp_path / "out",
            generation=SHORT,
        )
    )
    assert found.table() == on_files.table()
    assert [effect.measure for effect in found.effects] == ["refusal", "coherence"] * 2
    summary = load_json(tmp_path / "out/summary.json")
    assert summary["table"] == on_files.table()
    assert [point["noise_ratio"] for point in summary["points"]] == [2.0, 4.0]


def test_every_draw_can_have_a_control_of_its_own(monkeypatch):
    loaded = load_tiny()
    masks = [random_mask(loaded.model, 0.01, seed=seed) for seed in range(4)]
    noisy = []

    class Noise:
        def __init__(self, model, mask, ratio, generator, *, check_base):
            noisy.append(mask)

        __enter__ = __exit__ = lambda *_: None

    monkeypatch.setattr(noise_study, "perturbed", Noise)
    found = verify(
        loaded, masks[0], Suite(harmful=load_prompts(HARMFUL)), SHORT, control=masks[1:], ratios=[1.0], draws=3
    )
    assert noisy == [masks[0]] * 3 + masks[1:]
    assert len(found.control) == 3


def test_evaluations_are_counted_before_the_first_and_as_they_end():
    loaded, told = load_tiny(), []
    verify(
        loaded,
        random_mask(loaded.model),
        Suite(harmful=load_prompts(HARMFUL)),
        SHORT,
        ratios=[1.0],
        draws=2,
        progress=lambda *step: told.append(step),
    )
    assert told == [("evaluations under noise", done, 3) for done in (0, 1, 2, 3)]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"draws": 0}, "draws=0 is not a number of steps; give 1 or more"),
        ({"ratios": []}, r"ratios is \[\]; give a list with one strength of noise or more"),
        ({"ratios": [2.0, 2.0]}, "ratios has a strength of noise twice"),
        ({"ratios": [-1.0]}, "a ratio=-1.0 can't be used; give a number 0 or more"),
        ({"controls": 2}, "got 2 controls for 5 draws; give one control, or one for every draw"),
        ({"control": "same"}, "control 1 selects the same weights as the mask, so nothing can differ"),
        ({"mask": "empty"}, "the mask selects no entry, so there is nothing to put noise on"),
        ({"mask": "other"}, "the mask was made for another model"),
        ({"options": GenerateOptions(num_samples=2, temperature=1.0)}, "num_samples=2; set it to 1"),
    ],
)
def test_mistakes_are_refused_before_anything_is_measured(given, sentence, monkeypatch):
    monkeypatch.setattr(noise_study, "evaluate", lambda *_, **__: pytest.fail("the model was evaluated"))
    loaded = load_tiny()
    mask = random_mask(loaded.model)
    given = dict(given)
    masks = {
        "empty": replace(mask, indices={name: torch.empty(0, dtype=torch.int64) for name in mask.indices}),
        "other": replace(mask, base="another"),
        "same": mask,
    }
    chosen = masks.get(given.pop("mask", ""), mask)
    if controls := given.pop("controls", 0):
        given["control"] = [random_mask(loaded.model, seed=seed) for seed in range(1, controls + 1)]
    elif "control" in given:
        given["control"] = masks[given["control"]]
    with pytest.raises(ValueError, match=sentence):
        verify(loaded, chosen, Suite(harmful=load_prompts(HARMFUL)), **given)


def test_the_untouched_evaluation_is_that_of_evaluate():
    loaded, suite = load_tiny(), Suite(harmful=load_prompts(HARMFUL))
    found = verify(loaded, random_mask(loaded.model), suite, SHORT, ratios=[1.0], draws=1)
    assert found.untouched == evaluate(loaded, RefusalJudge(), suite, SHORT)
