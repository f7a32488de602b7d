"""Classifiers with the labels refused and answered in the commands, on the built-in models."""

import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from holdfast.artifacts import load_evaluation, load_scores
from holdfast.cli import call
from holdfast.judge.refusal_classifier import RefusalClassifier
from holdfast.pipeline.judges import load_judge
from tests.judge.guards import SIZES, VOCABULARY
from tests.pipeline.small import small_config
from tests.tiny import make_tokenizer


def save_classifier(folder, *labels, sure_of=None):
    """A random classifier; one that is sure of a label says it of everything."""
    torch.manual_seed(0)
    config = LlamaConfig(**SIZES, id2label=dict(enumerate(labels)))
    model = LlamaForSequenceClassification(config)
    if sure_of is not None:
        model.model.norm.weight.data.zero_()
        model.model.norm.weight.data[0] = 1.0
        model.model.embed_tokens.weight.data[:, 0] = 9.0  # the first hidden entry is large and positive everywhere
        model.score.weight.data.zero_()
        model.score.weight.data[labels.index(sure_of), 0] = 9.0
    model.save_pretrained(folder)
    make_tokenizer(VOCABULARY).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def command(tmp_path):
    """A command on few harmful prompts, and the file that it writes."""
    config = small_config(tmp_path)

    def make(name, *more, model="testbed:unaligned"):
        prompts = {
            "score": [f"--prompts={config.calibration.harmful}", "--objective=judge_gradient"],
            "evaluate": [f"--harmful={config.suite.harmful[0]}", f"--harmless={config.suite.harmless}"],
        }[name]
        return [name, model, *prompts, "--generate.max-new-tokens=4", f"--out={tmp_path / 'out'}", "--json", *more]

    return make


def refusal(capsys, arguments):
    """The last line on stderr of a command that is refused."""
    assert call(arguments) == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("option", ["refusal-judge", "judge"])
def test_it_judges_refusals_and_over_refusals(command, tmp_path, capsys, option):
    folder = save_classifier(tmp_path / "judge", "refused", "answered", sure_of="refused")
    assert call(command("evaluate", f"--{option}={folder}")) == 0
    result = json.loads(capsys.readouterr().out)
    evaluation = load_evaluation(tmp_path / "out")
    judged = [one for one in evaluation.answers if one.outcome.verdict != "degenerate"]
    assert {one.measure for one in judged} == {"refusal", "over_refusal"}
    assert {one.outcome.verdict for one in judged} == {"refused"}
    assert result["over_refusal"]["value"] == sum(one.measure == "over_refusal" for one in judged) / 8
    assert evaluation.made_by["refusal_judge"] == load_judge(folder).fingerprint
    assert not evaluation.asr.n


def test_the_judge_gradient_goes_through_it(command, tmp_path, capsys):
    folder = save_classifier(tmp_path / "judge", "answered", "refused")
    assert isinstance(load_judge(folder), RefusalClassifier)
    assert call(command("score", f"--judge={folder}")) == 0
    assert any(bool(entries.any()) for entries in load_scores(tmp_path / "out").entries.values())


def test_a_classifier_with_other_labels_is_refused_before_a_model_is_loaded(command, tmp_path, capsys):
    folder = save_classifier(tmp_path / "judge", "nice", "rude")
    for option in ("judge", "refusal-judge"):
        said = refusal(capsys, command("evaluate", f"--{option}={folder}", model="/no/such/model"))
        assert "its labels are nice, rude" in said
        assert "give a judge with the labels safe and unsafe, or refused and answered" in said


def test_a_classifier_of_harm_is_no_judge_of_refusals(command, tmp_path, capsys):
    folder = save_classifier(tmp_path / "judge", "safe", "unsafe")
    said = refusal(capsys, command("evaluate", f"--refusal-judge={folder}", model="/no/such/model"))
    assert "says safe or unsafe, not refused or complied; give api:MODEL or a classifier with the labels" in said


def test_it_is_no_second_judge(command, tmp_path, capsys):
    folder = save_classifier(tmp_path / "judge", "refused", "answered")
    said = refusal(capsys, command("evaluate", "--judge=testbed:guard", f"--second-judge={folder}"))
    assert "says refused or answered; give it as --refusal-judge" in said


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_folder_that_is_half_written_is_one_sentence(command, tmp_path, capsys, missing):
    folder = save_classifier(tmp_path / "judge", "refused", "answered")
    (tmp_path / "judge" / missing).unlink()
    said = refusal(capsys, command("evaluate", f"--refusal-judge={folder}", model="/no/such/model"))
    assert folder in said
    assert "/no/such/model" not in said
