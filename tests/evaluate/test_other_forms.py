"""GGUF files and served models beside checkpoints: what may differ, what is told, and what still has to be equal."""

from dataclasses import replace

import pytest

from holdfast.evaluate.other_forms import comparable, form_line, warnings_of_form
from holdfast.evaluate.paired import refuse_other_settings
from holdfast.evaluate.statistics import NOT_MEASURED
from holdfast.outcomes import Evaluation

GREEDY = {"max_new_tokens": 8, "num_samples": 1, "temperature": 0.0, "seed": 0}
HERE = {
    "model": {"name": "here", "fingerprint": "1" * 64},
    "judge": None,
    "generation": {**GREEDY, "engine": "transformers"},
    "suite": {"harmful": ["a"]},
    "rendering": {"harmful": "x"},
    "responses": {"end_ids": [2], "context": None},
}
THERE = {
    "model": {"name": "there"},
    "judge": None,
    "served": {"address": "http://host/v1", "chat_template": "the server's own", "sampling": "temperature 0"},
    "generation": GREEDY,
    "suite": {"harmful": ["a"]},
}
GGUF = {**HERE, "model": {"name": "m.gguf", "fingerprint": "2" * 64, "gguf": {"quantisation": "Q8_0"}}}


def of(made_by):
    return replace(Evaluation(NOT_MEASURED, NOT_MEASURED, NOT_MEASURED, None), made_by=made_by)


def test_two_checkpoints_are_compared_by_all_their_settings():
    assert comparable(HERE, HERE) == (HERE, HERE)
    assert warnings_of_form(of(HERE), of(HERE)) == []
    with pytest.raises(ValueError, match="different renderings"):
        refuse_other_settings(HERE, {**HERE, "rendering": {"harmful": "y"}})


@pytest.mark.parametrize("pair", [(HERE, THERE), (THERE, HERE), (THERE, THERE)])
def test_a_served_model_is_compared_by_the_settings_that_both_name_and_told_of(pair):
    refuse_other_settings(*pair)
    told = warnings_of_form(*map(of, pair))
    assert len(told) == sum("served" in one for one in pair)
    assert "the served model 'there' at http://host/v1, with the server's own chat template" in told[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"generation": {**GREEDY, "max_new_tokens": 9}}, "max_new_tokens was '8' and is '9'"),
        ({"suite": {"harmful": ["b"]}}, "suite"),
        ({"judge": {"name": "guard", "fingerprint": "3"}}, "judge"),
    ],
)
def test_other_limits_prompts_or_judges_are_refused_for_a_served_model_too(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        refuse_other_settings(HERE, {**THERE, **change})


def test_a_gguf_file_may_render_and_end_in_another_way_which_is_told():
    assert warnings_of_form(of(HERE), of(GGUF)) == []
    other = {**GGUF, "rendering": {"harmful": "y"}, "responses": {"end_ids": [2, 5], "context": None}}
    refuse_other_settings(HERE, other)
    (told,) = warnings_of_form(of(HERE), of(other))
    assert "the rendered prompts and the end tokens of the two evaluations differ" in told
    with pytest.raises(ValueError, match="temperature"):
        refuse_other_settings(HERE, {**GGUF, "generation": {**HERE["generation"], "temperature": 1.0}})


def test_names_from_files_are_shown_without_control_codes():
    hostile = {**THERE, "model": {"name": "m\x1b[31m"}}
    assert "\x1b" not in str(form_line(hostile)) + str(warnings_of_form(of(HERE), of(hostile)))
    assert form_line(HERE) is None
