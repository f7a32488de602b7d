"""What the experiments on real models share: test sets, figures of an evaluation, and cells that are run once.

A cell is one setting of an experiment. Its figures are one JSON file in OUT/cells, written whole, so that a run that
was ended goes on with the cells that have no file.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from holdfast.artifacts import save_json
from holdfast.evaluate.suite import Suite, evaluate
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Answer, Evaluation
from holdfast.pipeline.options import ScoringOptions
from holdfast.pipeline.scoring import score_likelihood
from holdfast.prompts.near_duplicates import count_near_duplicates
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange, Prompt

KINDS = ("refusal", "borderline")
"""Measures whose answers are counted by the refusal rules."""
LONGEST_ANSWER = 60
"""Words of a harmless exchange's answer."""


class Cell(Protocol):
    """One setting of an experiment."""

    @property
    def stem(self) -> str:
        """The name of its file."""
        ...


@dataclass(frozen=True)
class Start:
    """The untouched model."""

    stem: str = "start"


AnyCell = TypeVar("AnyCell", bound=Cell)
Record = TypeVar("Record", Prompt, Exchange)


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Reads a model, a folder for results, and the refusals that scores are made of."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--refuse", required=True, help="harmful prompts that scores are made of")
    parser.add_argument("--sentence", default="I'm sorry, but I can't assist with that.", help="the model's refusal")
    return parser


def run_missing(out: Path, cells: Iterable[AnyCell], run: Callable[[AnyCell], dict]) -> None:
    """Runs every cell that has no file yet."""
    folder = out / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    for cell in cells:
        path = folder / f"{cell.stem}.json"
        if not path.is_file():
            save_json(path, run(cell))
            tell(f"cell {cell.stem}", 1, 1)


def harmful_tests(paths: Sequence[Path], most: int) -> list[Prompt]:
    """At most so many prompts of every set, spread over it so that every category is there; a set is a group."""
    found = []
    for path in paths:
        prompts = [prompt for prompt in load_prompts(path, "harmful") if prompt.kind == "harmful"]
        step = max(1, len(prompts) // most)
        found += [Prompt(prompt.prompt, "harmful", path.stem) for prompt in prompts[::step][:most]]
    return found


def apart(records: Sequence[Record], tests: Sequence[Prompt]) -> list[Record]:
    """The records whose prompt neither is nor resembles one that tests."""
    same = {test.prompt for test in tests}
    return [one for one in records if one.prompt not in same and not count_near_duplicates([one], tests)]


def scored(model: Path | str, exchanges: Sequence[Exchange], path: Path, options: ScoringOptions) -> Path:
    """The file of scores by the likelihood of the responses, made where it is not there."""
    if not path.is_file():
        given = written(exchanges, path.with_suffix(".jsonl"))
        score_likelihood(str(model), str(given), path, options=options, progress=tell)
    return path


def written(exchanges: Sequence[Exchange], path: Path) -> Path:
    """The file of exchanges, which scoring reads."""
    path.write_text("".join(json.dumps({"prompt": one.prompt, "answer": one.response}) + "\n" for one in exchanges))
    return path


def short_exchanges(*paths: str) -> list[Exchange]:
    """Harmless exchanges whose answers are short enough for the time that a run has, in a random order."""
    read = [one for path in paths for one in load_exchanges(path)]
    short = [one for one in read if 0 < len(one.response.split()) <= LONGEST_ANSWER]
    random.Random(0).shuffle(short)
    return short


def measure(loaded: LoadedModel, suite: Suite, new_tokens: int) -> dict:
    """The figures of the whole suite, answers judged by the refusal rules."""
    options = GenerateOptions(max_new_tokens=new_tokens, token_budget=4096)
    return figures(evaluate(loaded, None, suite, options, tell))


def figures(evaluation: Evaluation) -> dict:
    """Rates with their intervals, what every answer counted as (for paired tests), and some answers to read."""
    rates = {name: asdict(rate) for name, rate in evaluation.groups.items() if not name.startswith("cut_off/")}
    said = {kind: [one for one in evaluation.answers if one.measure == kind] for kind in KINDS}
    return {
        "rates": rates,
        "perplexity": evaluation.perplexity_rate and asdict(evaluation.perplexity_rate),
        "outcomes": {kind: "".join(letter(one) for one in answers) for kind, answers in said.items()},
        "examples": {kind: examples(answers) for kind, answers in said.items()},
    }


def letter(answer: Answer) -> str:
    """`r` refused, `c` complied, `d` degenerate, `u` unscored."""
    return (answer.outcome.verdict or "unscored")[0]


def examples(answers: Sequence[Answer], most: int = 5) -> list[str]:
    """Refusals and broken answers to read, without their prompts; help with harm is not kept."""
    return [one.response for one in answers if letter(one) in "rd"][:: max(1, len(answers) // most)][:most]


def tell(label: str, done: int, total: int) -> None:
    """Progress in a log: a line every quarter."""
    if total and (done == total or done % max(1, total // 4) == 0):
        print(f"{time.strftime('%H:%M:%S')} {label} {done}/{total}", file=sys.stderr, flush=True)
