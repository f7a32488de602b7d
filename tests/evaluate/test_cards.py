"""Cards of the judges of an evaluation: which fit, where they are found, and which are refused."""

import json
from dataclasses import replace

import pytest

from holdfast.artifacts import save_json
from holdfast.evaluate.cards import cards_of, load_card
from holdfast.evaluate.judge_card import Confusion, JudgeCard

GUARD = {"guard": {"min_verdict_mass": 0.5}, "classifier": {"safe_labels": ["safe"]}}
MADE_BY = {
    "judge": {"name": "guard", "fingerprint": "g" * 64, "reading": GUARD},
    "refusal_judge": "r" * 64,
}
HARM = JudgeCard(
    {"name": "guard", "fingerprint": "g" * 64, "reading": {"guard": {"min_verdict_mass": 0.5}}},
    "unsafe",
    {"name": "labels.csv", "responses": 50},
    Confusion(20, 5, 10, 15),
)
RULES = replace(HARM, judge={"name": "refusal", "fingerprint": "r" * 64}, counted="refused")


def written(path, card):
    save_json(path, card.as_json())
    return path


def test_every_judge_has_the_card_of_its_fingerprint_and_none_else(tmp_path):
    paths = [written(tmp_path / "rules.json", RULES), written(tmp_path / "guard.json", HARM)]
    assert [judge.card for judge in cards_of(MADE_BY, paths)] == [HARM, RULES]
    assert [judge.card for judge in cards_of(MADE_BY, paths[:1])] == [None, RULES]
    assert [judge.name for judge in cards_of(MADE_BY)] == ["guard", "refusal"]


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (replace(HARM, judge={"name": "guard", "fingerprint": "x" * 64}), "made none of the verdicts"),
        (replace(RULES, judge={"name": "refusal", "fingerprint": "old" + "r" * 61}), "made none of the verdicts"),
        (replace(HARM, counted="refused"), "counts refused"),
        (
            replace(HARM, judge={**HARM.judge, "reading": {"guard": {"min_verdict_mass": 0.9}}}),
            "was measured with other options of the guard",
        ),
    ],
)
def test_a_given_card_of_another_judge_is_refused_in_one_sentence(tmp_path, card, reason):
    path = written(tmp_path / "card.json", card)
    with pytest.raises(ValueError, match="is of another judge") as error:
        cards_of(MADE_BY, [path])
    assert reason in str(error.value)
    assert f"judged by guard (fingerprint {'g' * 12}) and refusal (fingerprint {'r' * 12})" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", ["guard/judge_card.json", "guard.judge_card.json"])
def test_a_card_at_the_judges_folder_is_found(tmp_path, place):
    (tmp_path / "guard").mkdir()
    made_by = MADE_BY | {"judge": {**MADE_BY["judge"], "name": str(tmp_path / "guard")}}
    assert cards_of(made_by)[0].card is None
    written(tmp_path / place, HARM)
    assert cards_of(made_by)[0].card == HARM


def test_a_card_at_the_folder_of_another_version_of_the_judge_is_not_used(tmp_path):
    (tmp_path / "guard").mkdir()
    made_by = MADE_BY | {"judge": {**MADE_BY["judge"], "name": str(tmp_path / "guard")}}
    path = written(tmp_path / "guard.judge_card.json", replace(HARM, judge={"name": "guard", "fingerprint": "old"}))
    judge = cards_of(made_by)[0]
    assert (judge.card, judge.stale) == (None, path)


def test_a_judge_of_refusals_is_found_by_its_own_name(tmp_path):
    (tmp_path / "reader").mkdir()
    card = replace(RULES, judge={"name": "reader", "fingerprint": "r" * 64})
    written(tmp_path / "reader/judge_card.json", card)
    assert cards_of(MADE_BY | {"refusal_judge_name": str(tmp_path / "reader")})[1].card == card


def test_a_file_that_names_no_judge_has_none(tmp_path):
    assert cards_of({}) == []
    with pytest.raises(ValueError, match="a judge that its file does not name"):
        cards_of({}, [written(tmp_path / "card.json", HARM)])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda record: record["all"]["counts"].update(both=-1), "both is -1, and should be a count"),
        (lambda record: record["all"].pop("counts"), "and damaged ('counts')"),
        (lambda record: record.update(counted="correct"), "its judge or the verdict that it counts is not named"),
        (lambda record: record.pop("judge"), "JSON that holdfast did not write"),
    ],
)
def test_a_damaged_card_is_refused_in_one_sentence(tmp_path, change, sentence):
    record = json.loads(json.dumps(HARM.as_json()))
    change(record)
    save_json(tmp_path / "card.json", record)
    with pytest.raises(ValueError, match=r"card.json") as error:
        load_card(tmp_path / "card.json")
    assert sentence in str(error.value)


def test_another_file_in_place_of_a_card_is_called_what_it_is(tmp_path):
    save_json(tmp_path / "report.json", {"schema": 1, "provenance": {}})
    with pytest.raises(ValueError, match="is the report of a run, not the card of a judge; give a file that was made"):
        load_card(tmp_path / "report.json")
