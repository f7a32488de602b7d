"""The Markdown card of an evaluation: its numbers, its metadata, and names that cannot become markup."""

from dataclasses import replace

import yaml
from huggingface_hub import ModelCard

from holdfast.evaluate.statistics import counted_rate
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
from holdfast.report.evaluation_card import CardContent, render_card
from holdfast.report.hub_results import Benchmark, HubResult

NONE = Rate(None, None, None, 0)
MADE_BY = {
    "model": {"name": "/home/me/models/kelp", "fingerprint": "f" * 64},
    "generation": {"max_new_tokens": 64, "temperature": 0.0},
    "versions": {"torch": "2.13.0"},
    "prompt_sets": {"harmful": [{"name": "/home/me/adv.csv", "sha256": "a" * 64, "prompts": 100}]},
}
EVALUATION = Evaluation(
    counted_rate(12, 100),
    NONE,
    NONE,
    3.1,
    groups={"refusal/harmful": counted_rate(80, 100)},
    answers=(Answer("how do i steal ?", "a secret response", Outcome("unsafe"), "asr"),),
    made_by=MADE_BY,
    perplexity_rate=Rate(3.1, 2.9, 3.3, 20),
)
JUDGED = CardContent({"": {"asr": "0.10 [0.05, 0.17] n=100, by labels of all"}}, ["The judge `g` has no card."])


def lines(text, begin):
    return [line for line in text.splitlines() if line.startswith(begin)]


def test_a_card_has_every_rate_with_its_interval_and_the_corrected_one_beside_it():
    card = render_card({"": EVALUATION}, JUDGED)
    (row,) = lines(card, "| attack success rate")
    assert [cell.strip() for cell in row.split("|")[2:4]] == [
        "0.12 [0.07, 0.20] n=100",
        "0.10 [0.05, 0.17] n=100, by labels of all",
    ]
    assert "3.10 [2.90, 3.30] n=20" in lines(card, "| perplexity")[0]
    assert "over-refusal" not in card  # it was not measured
    assert "- The judge `g` has no card." in card
    assert "- model: `kelp`, fingerprint `ffffffffffff`" in card


def test_a_card_holds_no_prompt_no_response_and_no_folder():
    card = render_card({"": EVALUATION}, JUDGED)
    assert not any(text in card for text in ("steal", "secret", "/home"))
    (row,) = lines(card, "| harmful ")
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "harmful",
        "`adv.csv`",
        "100",
        "not known",
        f"`{'a' * 12}`",
    ]


def test_results_on_the_hub_are_metadata_of_a_valid_model_card():
    result = HubResult("asr", EVALUATION.asr, Benchmark("JailbreakBench/JBB-Behaviors", revision="r"), "judge g")
    card = ModelCard(render_card({"": EVALUATION}, replace(JUDGED, results=[result])))
    assert card.data.model_name == "kelp"
    (read,) = card.data.eval_results or ()
    assert (read.dataset_type, read.metric_value, read.dataset_revision) == ("JailbreakBench/JBB-Behaviors", 0.12, "r")
    assert not render_card({"": EVALUATION}, JUDGED).startswith("---")


def test_the_arms_of_a_run_stand_side_by_side():
    other = replace(
        EVALUATION, made_by=MADE_BY | {"model": {"name": "tuned", "fingerprint": "e" * 64}}, perplexity=None
    )
    card = render_card(
        {"start": EVALUATION, "tuned": replace(other, perplexity_rate=None)}, replace(JUDGED, corrected={})
    )
    (header,) = lines(card, "| measure")
    assert [cell.strip() for cell in header.split("|")[1:-1]] == ["measure", "start", "tuned"]
    assert "not measured" in lines(card, "| perplexity")[0]
    assert "- tuned: `tuned`, fingerprint `eeeeeeeeeeee`" in card


def test_a_hostile_name_stays_text():
    name = "x\n# Owned](http://evil) <script> @me `code`"
    hostile = replace(EVALUATION, made_by=MADE_BY | {"model": {"name": name, "fingerprint": "f"}})
    result = HubResult("asr", EVALUATION.asr, Benchmark("a/b"), "")
    card = render_card({"": hostile}, replace(JUDGED, results=[result]))
    _, metadata, body = card.split("---\n", 2)
    assert yaml.safe_load(metadata)["model-index"][0]["name"]
    assert next(line for line in body.splitlines() if line.startswith("#")).startswith("# Safety of `x")
    assert "\n# Owned" not in body


def test_a_toy_says_so():
    toy = replace(EVALUATION, made_by=MADE_BY | {"model": {"name": "testbed:aligned", "fingerprint": "f"}})
    assert "built-in test model" in render_card({"": toy}, JUDGED)
