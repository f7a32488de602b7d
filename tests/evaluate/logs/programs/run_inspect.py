"""Runs inspect on the questions with a model that answers from a list: python run_inspect.py FOLDER"""

import sys
from collections import Counter
from functools import partial
from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import read_eval_log, write_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, accuracy, includes, mean, scorer, stderr
from inspect_ai.solver import generate
from items import QUESTIONS, WRONG, answer

EPOCHS = {"once": 1, "thrice": 3}


@scorer(metrics=[mean(), stderr()])
def shortness():
    """A number between 0 and 1 that is neither: one over the number of letters."""

    async def score(state, target):
        return Score(value=1 / len(state.output.completion))

    return score


@scorer(metrics=[accuracy(), stderr()])
def nearly():
    """A letter: C where the answer is right, P where a wrong one is as long as the right one, else I."""

    async def score(state, target):
        said, right = state.output.completion, target.text
        return Score(value="C" if said == right else "P" if len(said) == len(right) else "I")

    return score


def reply(model, times, given, tools, tool_choice, config):
    """The model's answer. The model before is wrong whenever it is asked a question for the third time."""
    asked = given[-1].text
    times[asked] += 1
    said = WRONG if model == "before" and times[asked] == 3 else answer(model, asked)
    output = ModelOutput.from_content(f"mockllm/{model}", said)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # or it would fetch a tokenizer to count
    return output


def main(folder: Path) -> None:
    samples = [Sample(id=name, input=asked, target=right) for name, (asked, right) in QUESTIONS.items()]
    for model in ("before", "after"):
        for name, epochs in EPOCHS.items():
            task = Task(
                name="questions",
                dataset=MemoryDataset(samples, name="questions"),
                solver=generate(),
                scorer=[includes(), nearly(), shortness()],
            )
            mock = get_model(f"mockllm/{model}", custom_outputs=partial(reply, model, Counter()))
            log = eval(task, model=mock, log_dir=str(folder / "raw"), display="none", epochs=epochs)[0]
            assert log.status == "success", log.error
            Path(log.location).rename(folder / f"{model}-{name}.eval")
            write_eval_log(read_eval_log(str(folder / f"{model}-{name}.eval")), folder / f"{model}-{name}.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
