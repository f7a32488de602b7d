"""Runs lm-eval on the questions with a model that answers from a list: python run_lm_eval.py FOLDER MODEL

Two tasks: `choose` compares the likelihoods of two words, and `say` writes one, read by two filters.
"""

import json
import sys
from pathlib import Path

from items import QUESTIONS, WRONG, answer
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

TASKS = {
    "choose": """task: choose
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{[answer, wrong]}}"
doc_to_target: 0
metric_list: [{metric: acc}, {metric: acc_norm}]
metadata: {version: 1.0}
""",
    "say": """task: say
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["."], do_sample: false}
filter_list:
  - {name: strict, filter: [{function: regex, regex_pattern: "^(\\\\w+)"}, {function: take_first}]}
  - {name: loose, filter: [{function: regex, regex_pattern: "(\\\\w+)$"}, {function: take_first}]}
metric_list: [{metric: exact_match, ignore_case: true}]
metadata: {version: 1.0}
""",
}


@register_model("listed")
class ListedModel(LM):
    """Finds its own answer likelier than any other text. In `say` it puts a word before every third answer."""

    def __init__(self, pretrained: str, **kwargs: object) -> None:
        super().__init__()
        self.name = pretrained

    def loglikelihood(self, requests, disable_tqdm=False):
        return [(-1.0 if answer(self.name, one.args[0]) in one.args[1] else -9.0, False) for one in requests]

    def generate_until(self, requests, disable_tqdm=False):
        said = [answer(self.name, one.args[0]) for one in requests]
        return [f"Surely {text}" if place % 3 == 0 else text for place, text in enumerate(said)]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        raise NotImplementedError


def main(folder: Path, model: str) -> None:
    data = folder / "questions.jsonl"
    rows = [
        {"id": name, "question": asked, "answer": right, "wrong": WRONG} for name, (asked, right) in QUESTIONS.items()
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "tasks").mkdir(exist_ok=True)
    for name, text in TASKS.items():
        (folder / "tasks" / f"{name}.yaml").write_text(text.replace("DATA", str(data.resolve())))
    sys.argv = [
        "lm_eval", "run", "--model", "listed", "--model_args", f"pretrained={model}", "--tasks", ",".join(TASKS),
        "--include_path", str(folder / "tasks"), "--log_samples", "--output_path", str(folder),
    ]  # fmt: skip
    cli_evaluate()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
