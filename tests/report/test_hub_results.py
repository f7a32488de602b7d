"""Results for a model's page on the hub: read back by the hub's own library, and only where they are a benchmark's."""

from dataclasses import replace

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results

from holdfast.evaluate.statistics import counted_rate
from holdfast.outcomes import Evaluation, Rate
from holdfast.prompts.known import KNOWN
from holdfast.report.hub_results import Benchmark, hub_results, parse_benchmark, require_address, to_yaml

NONE = Rate(None, None, None, 0)
JAILBREAKBENCH = KNOWN["jailbreakbench"]


def evaluation(**names):
    """Attack success of 12 in 100 and a utility of 1/2, on sets of these names."""
    sets = {option: [{"name": name, "sha256": "0", "prompts": 100}] for option, name in names.items()}
    return Evaluation(counted_rate(12, 100), NONE, counted_rate(50, 100), None, made_by={"prompt_sets": sets})


def test_a_rate_on_a_whole_set_of_the_hub_is_an_entry_that_the_hubs_library_reads():
    (result,), left_out = hub_results(evaluation(harmful="jailbreakbench", questions="q.jsonl"), "judge guard", {})
    (entry,) = parse_eval_result_entries(yaml.safe_load(to_yaml([result.entry("https://example.org/logs")])))
    assert (entry.dataset_id, entry.task_id) == ("JailbreakBench/JBB-Behaviors", "default")
    assert entry.dataset_revision == JAILBREAKBENCH.revision
    assert entry.value == 0.12
    assert entry.source_url == "https://example.org/logs"
    assert entry.notes == (
        "attack success rate (lower is better), 0.120 [0.070, 0.198] n=100, 95% interval; judge guard"
    )
    assert left_out == ["utility: its set is no dataset on the hub"]


def test_a_result_is_a_valid_model_index_too():
    (result,), _ = hub_results(evaluation(harmful="jailbreakbench"), "judge guard", {})
    name, (read,) = model_index_to_eval_results([{"name": "m", "results": [result.indexed()]}])
    assert (name, read.task_type, read.dataset_type) == ("m", "text-generation", "JailbreakBench/JBB-Behaviors")
    assert (read.metric_type, read.metric_value) == ("asr", 0.12)


@pytest.mark.parametrize(
    ("sets", "why"),
    [
        ([{"name": "jailbreakbench#first=8"}], "only a part of a set was used"),
        ([{"name": "jailbreakbench"}, {"name": "advbench"}], "it is a share of 2 sets together"),
        ([{"name": "xstest_unsafe"}], "its set is no dataset on the hub"),  # it lies on GitHub
        ([], "the evaluation does not record its prompt sets"),
    ],
)
def test_what_is_no_result_of_a_benchmark_is_left_out_with_the_reason(sets, why):
    one = replace(evaluation(), made_by={"prompt_sets": {"harmful": sets}})
    results, left_out = hub_results(one, "judge guard", {})
    assert results == []
    assert f"asr: {why}" in left_out


def test_a_copy_of_a_pinned_file_counts_as_the_public_set():
    copy = {"name": "copy.csv", "file_sha256": JAILBREAKBENCH.sha256}
    one = replace(evaluation(), made_by={"prompt_sets": {"harmful": [copy]}})
    (result,), _ = hub_results(one, "judge guard", {})
    assert result.benchmark.dataset == JAILBREAKBENCH.repository


def test_a_benchmark_that_the_user_names_has_an_entry_that_says_which_part_was_used():
    named = dict([parse_benchmark("utility=openai/gsm8k:main")])
    assert named == {"utility": Benchmark("openai/gsm8k", "main")}
    (result,), _ = hub_results(evaluation(questions="q.jsonl#first=8"), "judge guard", named)
    entry = result.entry()
    assert entry["dataset"] == {"id": "openai/gsm8k", "task_id": "main"}
    assert "measured on q.jsonl#first=8 (100 prompts), judge guard" in entry["notes"]
    assert "source" not in entry


@pytest.mark.parametrize("name", ["testbed:questions", "jailbreakbench_benign"])
def test_a_benchmark_for_another_known_set_is_refused_unless_it_is_allowed(name):
    named = {"utility": Benchmark("openai/gsm8k", "main")}
    with pytest.raises(ValueError, match=rf"'openai/gsm8k' is named for utility, .* on '{name}'; .* --allow-other-set"):
        hub_results(evaluation(questions=name), "", named)
    (result,), _ = hub_results(evaluation(questions=name), "", named, allow_other_set=True)
    assert f"measured on {name} (100 prompts)" in result.entry()["notes"]


def test_a_set_that_its_authors_keep_in_two_places_is_one_benchmark():
    (result,), _ = hub_results(evaluation(questions="gsm8k_test"), "", {"utility": Benchmark("openai/gsm8k", "main")})
    assert result.benchmark.dataset == "openai/gsm8k"


@pytest.mark.parametrize("source", ["notaurl", "example.org/logs", "https://"])
def test_a_source_is_an_address(source):
    require_address("https://example.org/logs")
    with pytest.raises(ValueError, match="is no address; give one that begins with https://"):
        require_address(source)


@pytest.mark.parametrize("text", ["openai/gsm8k", "utility=gsm8k", "utility=/gsm8k", "utility=a/b/c"])
def test_a_benchmark_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match="names no benchmark; write MEASURE=OWNER/DATASET:TASK"):
        parse_benchmark(text)


def test_a_benchmark_of_what_was_not_measured_is_refused():
    with pytest.raises(ValueError, match="'utilty', which was not measured; did you mean 'utility'"):
        hub_results(evaluation(), "", {"utilty": Benchmark("a/b")})
