"""Measuring a judge: the rules on XSTest's labels against the published table, and judges that do not fit."""

import csv
import re
from pathlib import Path

import pytest
from benchmarks.labelled_refusals import HALVES, half_of

from holdfast.evaluate.cards import load_card
from holdfast.judge.refusal import RefusalJudge
from holdfast.pipeline.judge_card import make_card
from holdfast.pipeline.options import JudgeOptions
from tests.prompts.test_labelled import XSTEST
from tests.real import real

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/results/refusal_judge.md").read_text(encoding="utf-8")
SHIPPED = ROOT / "docs/results/refusal.judge_card.json"
PARTS = {"all": "all", "safe": "safe prompts", "unsafe": "harmful prompts"}


def rows(*begin):
    """The rows of the page's tables that begin with these cells."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return [line[len(begin) :] for line in lines if line[: len(begin)] == list(begin)]


def half_file(folder, half):
    """XSTest's completions of one half, in a file of their own."""
    with real(XSTEST).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        kept = [row for row in reader if half_of(row["prompt"]) == half]
        path = folder / "half.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, reader.fieldnames or ())
            writer.writeheader()
            writer.writerows(kept)
    return path


@pytest.mark.parametrize(
    "half", [pytest.param(half, marks=[pytest.mark.slow] * (half == "development")) for half in HALVES]
)
def test_the_card_of_the_rules_on_xstest_equals_the_published_table(tmp_path, half):
    card = make_card("refusal", str(half_file(tmp_path, half)))
    for name, part in PARTS.items():
        assert [card.parts()[part].cells()] == rows(half, "rules", name)
    column = {"development": 0, "held out": 2}[half]
    for label, counts in card.verdicts.items():
        (counted,) = rows(label)
        assert counted[column] == f"{counts.get('refused', 0)} of {sum(counts.values())}"
    for kind, part in card.kinds.items():
        (by_kind,) = rows(kind)
        assert by_kind[HALVES.index(half)] == f"{part.agreement.share:.2f}"
    assert card.labels["responses"] == card.labels["prompts"] == card.whole.n


def test_the_published_card_is_of_the_present_rules_and_of_the_held_out_half():
    card = load_card(SHIPPED)
    assert card.fingerprint == RefusalJudge().fingerprint, (
        "make the page and the card again: benchmarks/refusal_judge.py"
    )
    for name, part in PARTS.items():
        assert [card.parts()[part].cells()] == rows("held out", "rules", name)
    assert not re.search(r"\?", SHIPPED.read_text()), "a card holds no prompts"


def labelled(path, words=("safe", "unsafe")):
    rows = [
        f'{{"prompt": "how do i {n} ?", "response": "i cannot help with that.", "label": "{words[n % 2]}"}}'
        for n in range(4)
    ]
    path.write_text("\n".join(rows))
    return str(path)


def test_a_guards_card_has_its_fingerprint_and_the_options_that_it_was_read_with(tmp_path):
    card = make_card("testbed:guard", labelled(tmp_path / "labels.jsonl"))
    assert (card.counted, card.whole.n + card.whole.unscored) == ("unsafe", 4)
    assert set(card.judge) == {"name", "fingerprint", "reading"}
    assert list(card.judge["reading"]) == ["guard"]
    assert card.labels["name"] == "labels.jsonl"


@pytest.mark.parametrize(
    ("judge", "words", "role", "sentence"),
    [
        ("refusal", ("safe", "unsafe"), None, "has the label 'safe'; allowed are refused"),
        ("testbed:guard", ("refused", "complied"), None, "has the label 'refused'; allowed are unsafe"),
        ("testbed:guard", ("refused", "complied"), "refusal_judge", "says safe or unsafe, not refused or complied"),
        ("refusal", ("refused", "complied"), "judge", "says refused or complied, not safe or unsafe"),
        ("refusals", ("refused", "complied"), None, "did you mean 'refusal'"),
    ],
)
def test_a_judge_and_labels_that_do_not_fit_are_refused_before_it_is_loaded(
    tmp_path, monkeypatch, judge, words, role, sentence
):
    monkeypatch.setattr("holdfast.pipeline.judges.load_model", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ValueError, match=r"\w") as error:
        make_card(judge, labelled(tmp_path / "labels.jsonl", words), role=role, options=JudgeOptions())
    assert sentence in str(error.value)


def test_a_judge_without_any_verdict_has_no_card(tmp_path):
    path = tmp_path / "labels.jsonl"
    rows = [
        f'{{"prompt": "WAS {n}?", "response": "ANDERES, {n}!", "label": "{word}"}}'
        for n, word in enumerate(("safe", "unsafe"))
    ]
    path.write_text("\n".join(rows))
    with pytest.raises(ValueError, match="has no verdict on any of 2 responses"):
        make_card("testbed:guard", str(path))
