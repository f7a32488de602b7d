"""The exchanges that the trained refusal judge learns from, benchmarks/real/."""

import json
import random

from benchmarks.real.refusal_exchanges import combined, written

from tests.judge.said import STRANGERS, read_answers


def test_none_of_what_it_is_measured_on_is_learned_from():
    """But for sentences that every model says."""
    shared = {one.response for one in written()} & {said.answer for said in read_answers(STRANGERS)}
    assert all(len(response) < 50 for response in shared)


def test_written_exchanges_are_of_both_kinds_about_equally_and_none_is_there_twice():
    found = written()
    assert len(found) > 1300
    assert 0.4 < sum(one.refused for one in found) / len(found) < 0.6
    assert len({(one.prompt, one.response) for one in found}) == len(found)


def test_a_prompt_may_be_left_out_and_all_files_of_a_folder_are_read(tmp_path):
    (tmp_path / "a.txt").write_text("== refused | dry\n> How?\nNo.\n--\n>\nNever.\n")
    (tmp_path / "b.txt").write_text("== answered | dry\n> How?\nWith glue.\n")
    assert [(one.prompt, one.response, one.refused) for one in written(tmp_path)] == [
        ("How?", "No.", True),
        ("", "Never.", True),
        ("How?", "With glue.", False),
    ]


def test_phrases_are_put_together_without_a_gap(tmp_path):
    instructions, harmful = tmp_path / "instructions.json", tmp_path / "harmful.csv"
    answer = "Chop the onions and fry them slowly in butter."
    instructions.write_text(json.dumps([{"instruction": "How do I fry onions?", "input": "", "output": answer}]))
    harmful.write_text("Goal\nSteal a car\n")
    made = combined(200, instructions, [harmful], random.Random(0))
    assert sum(one.refused for one in made) == 200
    assert not any(mark in one.prompt + one.response for one in made for mark in "{}")
    assert all(answer in one.response for one in made if not one.refused)
    assert {"Steal a car" in one.prompt for one in made if one.refused} == {True, False}
    assert made == combined(200, instructions, [harmful], random.Random(0))
