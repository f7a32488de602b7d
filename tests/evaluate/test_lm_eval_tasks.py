"""lm-eval on the model in memory, against lm-eval by itself on the same model in a folder; without a network."""

import importlib.util
import json
import random
from functools import partial
from itertools import permutations

import pytest
import torch

from holdfast.evaluate.lm_eval_tasks import LmEval, LmEvalOptions, _rates
from holdfast.outcomes import Rate
from tests.tiny import make_llama, make_loaded, make_tokenizer

installed = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm_eval is an extra: pip install lm_eval"
)
TASK = """
task: clocks
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/clocks.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["{{{{one}}}}", "{{{{other}}}}"]
doc_to_target: right
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
metadata: {{version: 3}}
"""


@pytest.fixture
def clocks(tmp_path):
    """A task of some questions, of which a random model gets some right."""
    pairs = list(permutations(["mend", "clock", "sorry", "help", "café"], 2))[:17]
    rows = [
        {"question": f"the {one} {other} ?", "one": one, "other": other, "right": int(order % 3 == 0)}
        for order, (one, other) in enumerate(pairs)
    ]
    (tmp_path / "clocks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "clocks.yaml").write_text(TASK.format(folder=tmp_path))
    return LmEvalOptions(tasks=("clocks",), include_path=tmp_path), len(rows)


@installed
def test_the_numbers_are_those_of_lm_eval_by_itself(clocks, tmp_path, monkeypatch):
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("lm_eval.tasks.TaskManager", partial(TaskManager, include_defaults=False))  # 20 s for an index
    options, n = clocks
    loaded = make_loaded(make_llama(), make_tokenizer())
    state = torch.random.get_rng_state(), random.getstate()
    found, made_by = LmEval(options).measure(loaded)
    assert torch.equal(torch.random.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    loaded.model.save_pretrained(tmp_path / "model")
    loaded.tokenizer.save_pretrained(tmp_path / "model")
    alone = HFLM(pretrained=str(tmp_path / "model"), device="cpu", batch_size=1)
    manager = TaskManager(include_path=str(tmp_path), include_defaults=False)
    theirs = simple_evaluate(model=alone, tasks=["clocks"], task_manager=manager)["results"]["clocks"]
    rate = found["lm_eval/clocks/acc"]
    assert 0 < rate.value < 1, "all right or all wrong would tell nothing"
    assert (rate.value, rate.n) == (theirs["acc,none"], n)
    error = theirs["acc_stderr,none"]
    assert (rate.low, rate.high) == pytest.approx((rate.value - 1.96 * error, rate.value + 1.96 * error), abs=1e-4)
    assert made_by["clocks"] == 3


@installed
def test_an_unknown_task_is_told_with_the_nearest(clocks, monkeypatch):
    from lm_eval.tasks import TaskManager

    monkeypatch.setattr("lm_eval.tasks.TaskManager", partial(TaskManager, include_defaults=False))
    with pytest.raises(ValueError, match="lm-eval has no task 'clock'; did you mean 'clocks'"):
        LmEval(clocks[0].model_copy(update={"tasks": ("clock",)}))


def test_metrics_keep_their_filter_and_what_is_no_number_is_unscored():
    record = {
        "alias": "sums",
        "sample_len": 50,
        "exact_match,none": 0.5,
        "exact_match_stderr,none": 0.1,
        "exact_match,strict": 0.25,
        "exact_match_stderr,strict": "N/A",
        "ppl,none": float("nan"),
    }
    found = _rates(record)
    rate = found["exact_match"]
    assert (rate.value, rate.n) == (0.5, 50)
    assert (rate.low, rate.high) == pytest.approx((0.304, 0.696), abs=1e-3)  # 0.5 -+ 1.96 * 0.1
    assert found["exact_match,strict"] == Rate(0.25, None, None, 50)
    assert str(found["exact_match,strict"]) == "0.25 [no interval] n=50"
    assert found["ppl"] == Rate(None, None, None, 0, 50)
    assert len(found) == 3


def test_a_missing_package_a_missing_folder_and_a_folder_without_tasks_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="and none of its tasks; name them"):
        LmEvalOptions(include_path=tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(ValueError, match="none' is no folder"):
        LmEval(LmEvalOptions(tasks=("a",), include_path=tmp_path / "none"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install lm_eval"):
        LmEval(LmEvalOptions(tasks=("a",)))


@installed
def test_the_checkpoints_generation_settings_take_no_part_and_its_context_is_told(clocks, monkeypatch):
    from lm_eval.tasks import TaskManager

    seen = {}

    def watched(model, **_):
        seen["config"], seen["context"] = model.model.generation_config, model.max_length
        return {"results": {}, "versions": {}}

    monkeypatch.setattr("lm_eval.tasks.TaskManager", partial(TaskManager, include_defaults=False))
    monkeypatch.setattr("lm_eval.simple_evaluate", watched)
    loaded = make_loaded(make_llama(), make_tokenizer())
    loaded.model.generation_config.repetition_penalty = 1.3
    LmEval(clocks[0]).measure(loaded)
    assert seen["config"].repetition_penalty is None
    assert seen["config"].eos_token_id == [1]
    assert seen["context"] == 128
    assert loaded.model.generation_config.repetition_penalty == 1.3
