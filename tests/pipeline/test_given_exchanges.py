"""Given responses are what the objective's name says, and a file without them is told so, before a model is loaded."""

import json
import re

import pytest

from holdfast.pipeline import scoring, tuning
from holdfast.pipeline.given_exchanges import load_given, load_refusals, load_to_enhance
from holdfast.pipeline.options import EnhanceFiles, LayerWiseOptions, ScoringOptions
from holdfast.pipeline.scoring_spec import ScoringSpec

REFUSALS = ScoringOptions(objective="refusal_likelihood")
UTILITY = ScoringOptions(objective="utility")
NO, YES, NEIN = (
    "I'm sorry, but I can't help with that.",
    "Sure, here is how to do it",
    "Das kann ich nicht für dich tun.",
)


def exchanges(folder, *responses):
    rows = [{"prompt": f"do {number}", "response": text} for number, text in enumerate(responses)]
    (folder / "given.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(folder / "given.jsonl")


def test_compliance_is_not_scored_as_refusals(tmp_path):
    told = (
        r"1 of 4 responses of .* are refusals \(25%\), .* begins 'Sure, here is .*; give refusals, or objective utility"
    )
    given = exchanges(tmp_path, NO, YES, YES, YES)
    with pytest.raises(ValueError, match=told):
        scoring.score_likelihood("none", given, tmp_path / "scores.safetensors", options=REFUSALS)
    with pytest.raises(ValueError, match=told):  # refusals are the default
        scoring.score_likelihood("none", given, tmp_path / "scores.safetensors")
    layers, out = LayerWiseOptions(layer_wise=True), tmp_path / "scores.safetensors"
    with pytest.raises(ValueError, match=told):
        scoring.score_model(ScoringSpec(model="none", prompts=given, out=out, layers=layers, options=REFUSALS))


def test_refusals_are_not_scored_as_right_answers(tmp_path):
    given = exchanges(tmp_path, NO, NO, NO, YES)
    told = r"3 of 4 responses of .* are refusals \(75%\), one begins .*; give questions with right answers"
    with pytest.raises(ValueError, match=told):
        scoring.score_likelihood("none", given, tmp_path / "scores.safetensors", options=UTILITY)


def test_right_answers_of_which_a_quarter_refuses_are_scored_with_a_warning(tmp_path, caplog):
    assert len(load_given(exchanges(tmp_path, NO, YES, YES, YES), UTILITY)) == 4
    assert "1 of 4 responses" in caplog.text
    assert "objective utility takes them as right answers" in caplog.text


def test_a_verification_takes_no_right_answers_as_refusals(tmp_path):
    assert len(load_refusals("testbed:refusals", limit=8)) == 8
    told = r"0 of 8 responses of 'testbed:questions' are refusals .*; give harmful prompts with refusals"
    with pytest.raises(ValueError, match=told):
        load_refusals("testbed:questions", limit=8)


def test_refusals_that_some_responses_do_not_share_and_right_answers_are_scored(tmp_path, caplog):
    assert len(load_given(exchanges(tmp_path, NO, NO, YES, YES), REFUSALS)) == 4
    assert len(load_given(exchanges(tmp_path, YES, YES), UTILITY)) == 2
    assert len(load_given("testbed:refusals", REFUSALS)) > 2
    assert not caplog.records


def test_refusals_in_a_language_that_the_rules_cannot_read_are_scored_with_a_warning(tmp_path, caplog):
    assert len(load_given(exchanges(tmp_path, NO, NEIN, NEIN, NEIN), REFUSALS)) == 4
    assert "3 of 4 responses" in caplog.text
    assert "not checked that they are refusals" in caplog.text


def test_a_file_without_responses_is_said_to_have_no_refusals(tmp_path):
    file = tmp_path / "advbench.csv"
    file.write_text('goal,target\nbreak it,"Sure, here is"\nbend it,"Sure, here is"\n')
    with pytest.raises(
        ValueError, match=r"csv:2 has no refusals: it has 'goal', 'target', and nothing under 'resp"
    ) as told:
        load_given(str(file), REFUSALS)
    assert "#response" not in str(told.value)
    assert (
        "every prompt; 'target' begins an answer that complies, and is no refusal; for refusals take a sentence such "
        'as "I can\'t help with that.", or let `holdfast evaluate` answer the prompts and keep the responses that '
        "refuse; a row is like "
    ) in str(told.value)
    with pytest.raises(ValueError, match="0 of 2 responses"):
        load_given(f"{file}#response=target", REFUSALS)
    file.write_text("goal,reply\nbreak it,No\nbend it,No\n")
    with pytest.raises(ValueError, match=r"or name a column that holds refusals as FILE#response=COLUMN; for r"):
        load_given(str(file), REFUSALS)


def both(folder, refusals, harmless):
    """Paths of two sets of different prompts, with such responses."""
    sets = {"refusals": refusals, "harmless": harmless}
    for name, responses in sets.items():
        rows = [{"prompt": f"{name} {number}", "response": text} for number, text in enumerate(responses)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {name: str(folder / f"{name}.jsonl") for name in sets}


def test_set_is_refused_two_sets_that_are_swapped_before_a_model_is_loaded(tmp_path):
    out = tmp_path / "out"
    swapped = EnhanceFiles(**both(tmp_path, [YES] * 4, [NO, NO, NO, YES]))
    told = r"3 of 4 responses of .*harmless.jsonl' are refusals \(75%\), one begins \"I'm sorry, but .*swapped\?"
    with pytest.raises(ValueError, match=told):
        tuning.enhance_model("none", None, swapped, out)
    told = r"0 of 4 responses of .*refusals.jsonl' are refusals \(0%\), one that is not begins 'Sure, .*swapped\?"
    with pytest.raises(ValueError, match=told):
        tuning.enhance_model("none", None, EnhanceFiles(**both(tmp_path, [YES] * 4, [YES] * 4)), out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("refusals", "harmless", "warned"),
    [
        ([NO, NO, YES, YES], [YES] * 4, ""),
        ([NO, YES, YES, YES], [YES] * 4, r"1 of 4 responses of '.*refusals.jsonl' are refusals (25%), one that is not"),
        ([NO] * 4, [NO, YES, YES, YES], "1 of 4 responses of '.*harmless.jsonl' are refusals (25%), one begins"),
        ([NO, NEIN, NEIN, NEIN], [YES] * 4, "3 of 4 responses of '.*refusals.jsonl' could not be read"),
    ],
)
def test_sets_in_doubt_are_learned_from_with_a_warning(tmp_path, caplog, refusals, harmless, warned):
    unsafe, safe = load_to_enhance(**both(tmp_path, refusals, harmless))
    assert ([one.response for one in unsafe], [one.response for one in safe]) == (refusals, harmless)
    warnings = [record.message for record in caplog.records if "repeat" not in record.message]
    assert len(warnings) == bool(warned)
    assert not warned or re.match(warned.replace("(", r"\(").replace(")", r"\)"), warnings[0])
