"""What `holdfast report` publishes of an evaluation and of a run."""

import json

import pytest
import yaml

from holdfast.artifacts import load_evaluation, save_evaluation, save_json
from holdfast.cli import call
from holdfast.evaluate.judge_card import Confusion, JudgeCard
from holdfast.judge.refusal import RefusalJudge
from tests.commands.test_judge_card import card_of_rules
from tests.commands.test_report import run as run  # a fixture
from tests.evaluate.constructed import aligned, plainly_tuned


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    prompts = ["--harmful", "testbed:harmful_seen#first=4", "--questions", "testbed:questions#first=4"]
    out = ["--generate.max-new-tokens", "4", "--out", str(folder / "e.json")]
    assert call(["evaluate", "testbed:aligned", *prompts, *out]) == 0
    return folder / "e.json"


def test_one_command_writes_all_that_is_published(evaluated, tmp_path, capsys):
    names = {"--card": "card.md", "--prompts": "prompts.json", "--reproduce": "reproduce.json"}
    arguments = [str(part) for option, name in names.items() for part in (option, tmp_path / name)]
    hub = ["--eval-results", str(tmp_path / ".eval_results"), "--benchmark", "utility=a/b:c", "--allow-other-set"]
    assert call(["report", str(evaluated), *arguments, *hub]) == 0
    said = capsys.readouterr().out
    assert "not for the hub, not_refused" in said
    assert (tmp_path / "card.md").read_text().startswith("---\nmodel-index:")
    sets = json.loads((tmp_path / "prompts.json").read_text())["sets"]
    assert [(entry["measure"], entry["name"], entry["part"], entry["prompts"]) for entry in sets] == [
        ("harmful", "testbed:harmful_seen", "first=4", 4),
        ("questions", "testbed:questions", "first=4", 4),
    ]
    (entry,) = yaml.safe_load((tmp_path / ".eval_results/utility.yaml").read_text())
    assert entry["dataset"] == {"id": "a/b", "task_id": "c"}
    assert "judge refusal rules, greedy, at most 4 tokens" in entry["notes"]
    assert call(["reproduce", str(tmp_path / "reproduce.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal"]
    assert call(["report", str(evaluated), "--card", str(tmp_path / "card.md")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_result_that_differs_is_exit_code_1_and_an_input_that_changed_2(evaluated, tmp_path, capsys):
    assert call(["report", str(evaluated), "--reproduce", str(tmp_path / "r.json")]) == 0
    record = json.loads((tmp_path / "r.json").read_text())
    record["results"]["refusal/harmful"]["value"] = 0.999
    save_json(tmp_path / "r.json", record)
    capsys.readouterr()
    assert call(["reproduce", str(tmp_path / "r.json")]) == 1
    said = capsys.readouterr()
    assert "DIFFERS" in said.out
    assert "the result differs in 1 of" in said.err
    assert call(["reproduce", str(tmp_path / "r.json"), "--model", "testbed:unaligned"]) == 2
    assert "inputs are not those of the record: model (" in capsys.readouterr().err


def test_a_card_of_the_judge_stands_in_the_card_of_the_evaluation(evaluated, tmp_path):
    save_json(tmp_path / "judge.json", card_of_rules().as_json())
    arguments = ["--card", str(tmp_path / "card.md"), "--judge-card", str(tmp_path / "judge.json")]
    assert call(["report", str(evaluated), *arguments]) == 0
    card = (tmp_path / "card.md").read_text()
    assert "by labels of harmful prompts" in card
    assert "Card of the judge of refusals: `refusal` agrees with people on 0.86" in card


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--figures", "f", "--card", "c.md"], "an evaluation has no figures"),
        (["--benchmark", "utility", "--eval-results", "r"], "names no benchmark"),
        (["--benchmark", "utility=a/b:c", "--eval-results", "r"], "say with --allow-other-set"),
        (["--source", "notaurl", "--eval-results", "r"], "--source 'notaurl' is no address"),
    ],
)
def test_options_that_do_not_fit_an_evaluation_are_refused(
    evaluated, tmp_path, monkeypatch, capsys, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    assert call(["report", str(evaluated), *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_of_an_earlier_version_has_a_card_but_no_record(evaluated, tmp_path, capsys):
    from dataclasses import replace

    old = load_evaluation(evaluated)
    kept = {name: entry for name, entry in old.made_by.items() if name not in ("recipe", "prompt_sets", "versions")}
    save_evaluation(tmp_path / "old.json", replace(old, made_by=kept))
    assert call(["report", str(tmp_path / "old.json"), "--card", str(tmp_path / "card.md")]) == 0
    assert "## Prompts" not in (tmp_path / "card.md").read_text()
    for option, sentence in {"--prompts": "prompt sets", "--reproduce": "how it was made"}.items():
        assert call(["report", str(tmp_path / "old.json"), option, str(tmp_path / "x.json")]) == 2
        assert f"does not record {'its ' if option == '--prompts' else ''}{sentence}" in capsys.readouterr().err


def test_a_run_has_a_card_of_its_models(run, tmp_path, capsys):
    assert call(["report", str(run), "--card", str(tmp_path / "card.md")]) == 0
    card = (tmp_path / "card.md").read_text()
    assert "enhance: start" in card
    assert f"Card: {tmp_path / 'card.md'}" in capsys.readouterr().out
    assert call(["report", str(run), "--eval-results", str(tmp_path / "r")]) == 2
    assert "need the evaluation of one model" in capsys.readouterr().err


def test_the_page_of_a_run_shows_the_judges_cards_and_corrected_rates(run, tmp_path, capsys):
    made_by = {"judge": {"name": "<guard>", "fingerprint": "g"}, "refusal_judge": RefusalJudge().fingerprint}
    for name, make in {"before": aligned, "top/evaluation": plainly_tuned}.items():
        save_evaluation(run / f"enhance/{name}.json", make(made_by=made_by))
    card = JudgeCard({"name": "<guard>", "fingerprint": "g"}, "unsafe", {"name": "l"}, Confusion(80, 20, 10, 90))
    save_json(tmp_path / "card.json", card.as_json())
    assert call(["report", str(run)]) == 0
    assert "How often the judges err" not in (run / "report.html").read_text()
    assert "how often the judge errs" in (run / "report.html").read_text()
    capsys.readouterr()
    assert call(["report", str(run), "--judge-card", str(tmp_path / "card.json")]) == 0
    assert "Rates corrected for the known errors of the judges" in capsys.readouterr().out
    page = (run / "report.html").read_text()
    section = page.partition('<section id="judges">')[2].partition("</section>")[0]
    assert "&lt;guard&gt; agrees with people on 0.85" in section
    assert "The refusal rules have no card" in section
    assert "by labels" not in section
    assert section.count("<tr>") == 2  # the header and attack success
    assert "enhance: start corrected" in section
    assert "how often the judge errs" not in page
