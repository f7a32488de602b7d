"""Conflicts are read and judged as the page says, and context-aware decoding equals ten lines of its formula."""

import json

import pytest
import torch
from reproductions.ircan import conflicts, page, run

from holdfast import load_model

RECORDS = [
    {"prompt": 'Write a quote that ends in the word "kings": No man can serve two', "answer_index": 1,
     "classes": "[' masters.', ' kings.']"},
    {"prompt": 'Write a quote that ends in the word "sane": No man can serve two', "answer_index": 0,
     "classes": "[' same.', ' same.']"},
]  # fmt: skip


@pytest.fixture(scope="module")
def loaded():
    return load_model("testbed:aligned")


def test_a_record_is_a_conflict_of_first_tokens(loaded, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(map(json.dumps, RECORDS)))
    (found,) = conflicts.read_conflicts(path, loaded.tokenizer)
    assert loaded.tokenizer.decode(found.with_context) == RECORDS[0]["prompt"]
    assert loaded.tokenizer.decode(found.alone) == "No man can serve two"
    encode = loaded.tokenizer.encode
    assert (found.context, found.trap) == tuple(
        encode(f"{RECORDS[0]['prompt']}{word}")[len(found.with_context)] for word in (" kings.", " masters.")
    )


def test_stubbornness_and_accuracy_by_hand():
    """Token 1 is the context's word, 2 the trap: it leads, it is on top though the trap lost, or a third one is."""
    each = conflicts.Conflict([0], [0], context=1, trap=2, text="")
    logits = torch.tensor([[0.0, 1.0, 2.0, 0.0], [0.0, 2.0, 1.0, 0.0], [0.0, 2.0, 1.0, 3.0], [0.0, 1.0, 2.0, 3.0]])
    assert conflicts.judged(logits, [each] * 4) == {
        "accuracy": [False, True, True, False],
        "context_on_top": [False, True, False, False],
        "stubbornness": [True, False, False, False],
    }


def test_context_aware_decoding_equals_ten_lines(loaded):
    with_context, alone = [59, 65, 282, 80, 31], [282, 80, 31]
    found = conflicts.context_aware(
        *(conflicts.next_logits(loaded.model, [each, [80, 31]]) for each in (with_context, alone))
    )[0].softmax(-1)
    # softmax((1 + a) logits - a logits without context) is p(y | c, q)^(1 + a) / p(y | q)^a, made to add up to one
    with torch.no_grad():
        given, prior = (
            loaded.model(torch.tensor([ids])).logits[0, -1].double().softmax(-1) for ids in (with_context, alone)
        )
    expected = given**1.5 / prior**0.5
    torch.testing.assert_close(found.double(), expected / expected.sum(), rtol=1e-3, atol=1e-6)


def test_facts_are_whole_and_a_misleading_text_states_the_false_one(loaded):
    facts = conflicts.read_facts(loaded.tokenizer)
    assert len(facts) == 40
    assert len({each.text for each in facts}) == 40
    assert facts[0].text == "A new report says the following. The capital of France is Lyon. The capital of France is"
    assert loaded.tokenizer.decode(facts[0].alone) == "The capital of France is"


def test_the_halves_share_no_prompt():
    made = [conflicts.Conflict([number], [0], 1, 2, str(number)) for number in range(11)]
    choosing, reporting = conflicts.halves(made)
    assert (len(choosing), len(reporting)) == (5, 6)
    assert {each.text for each in choosing}.isdisjoint(each.text for each in reporting)
    assert conflicts.halves(made) == (choosing, reporting)


def test_the_best_cell_that_keeps_the_perplexity_is_chosen():
    rows = [
        {"accuracy": 0.9, "rise": 0.03},
        {"accuracy": 0.7, "rise": 0.02},
        {"accuracy": 0.7, "rise": 0.01},
        {"accuracy": 0.5, "rise": -0.01},
    ]
    assert run.chosen_of(rows) == rows[2]
    assert run.chosen_of(rows[:1]) == rows[0]
    assert run.chosen_of([{"accuracy": 0.9, "rise": 0.2}, {"accuracy": 0.2, "rise": 0.1}])["rise"] == 0.1


def test_the_relative_gain_needs_both_arms():
    cells = {"conflicts-plain": {"accuracy": [True, False, False, False]}}
    assert page.relative_gain(cells) is None
    assert page.relative_gain({**cells, "conflicts-strengthened": {"accuracy": [True, True, False, False]}}) == 1


def test_the_page_is_that_of_the_committed_results():
    assert page.PAGE.read_text(encoding="utf-8") == page.text()


def test_the_small_form_runs_and_goes_on(tmp_path, monkeypatch):
    path, out = tmp_path / "records.jsonl", tmp_path / "results"
    words = ("door", "lamp", "tree", "moon", "bird", "road", "hand", "king")
    records = [
        {"prompt": f'Write a quote that ends in the word "{word}": A {word} is a', "answer_index": 0,
         "classes": str([f" {word}.", " stone."])}
        for word in words
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, records)))
    for name, value in {"COUNTS": (4,), "SCALES": (2.0,), "DRAWS": 1}.items():
        monkeypatch.setattr(run, name, value)
    sizes = ["--located", "2", "--chosen", "2", "--reported", "3"]
    paths = ["--conflicts", path, "--texts", "testbed:harmless_exchanges", "--work", tmp_path / "work", "--out", out]
    monkeypatch.setattr("sys.argv", ["run.py", "testbed:aligned", *map(str, paths), *sizes])
    run.main()
    cells = page.read_cells(out)
    assert cells["chosen"]["count"] == 4
    assert sum(cells["chosen"]["by_layer"].values()) == 4
    arms = {name.removeprefix("conflicts-") for name in cells if name.startswith("conflicts-")}
    assert arms == {"plain", "strengthened", "erased", "random-0", "cad", "cad-strengthened"}
    assert all(len(cells[f"conflicts-{arm}"]["accuracy"]) == 3 for arm in arms)
    assert "range of 1 draws" in "\n".join(page.model_part(out))
    monkeypatch.setattr(run, "next_logits", None)  # would fail if it were called
    run.main()
    assert page.read_cells(out) == cells
