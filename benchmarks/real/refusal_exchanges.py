"""Exchanges whose verdict is known, refused or answered, from which a small refusal judge learns.

- labelled: the development half of one model's responses to XSTest, as two people labelled them;
- invented: the answers in tests/judge/answers, which have no prompts;
- written: exchanges/*.txt, "== LABEL | KIND", under it "> PROMPT", the response, and a line "--" between two. Those of
  small_model.txt were sampled from SmolLM2-135M-Instruct on harmless prompts, which are left out, and labelled by
  reading. Whatever complies is harmless in itself, also behind a harmful prompt: only its form complies;
- combined: phrases of refusal_phrases.json around harmless instructions and their answers. A refusal may also stand
  behind a harmful prompt.
"""

import csv
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.labelled_refusals import HALVES, read_labelled
from tests.judge.said import read_answers

HERE = Path(__file__).parent
HARMFUL_SHARE = 0.4
"""Share of the combined refusals that stand behind a harmful prompt."""
LEAST_ANSWER = 30
"""Characters of an answer that is put behind a remark."""


@dataclass(frozen=True)
class Exchange:
    """A prompt, a response, and whether the response refuses in full or in part."""

    prompt: str
    response: str
    refused: bool
    source: str
    file: str = ""
    """The file of exchanges/ that it stands in."""


def labelled(path: Path) -> list[Exchange]:
    """Reads the development half of the responses that people labelled."""
    said = [one for one in read_labelled(path) if one.half == HALVES[0]]
    return [Exchange(one.prompt, one.response, one.refused, "labelled") for one in said]


def invented() -> list[Exchange]:
    """Reads the invented answers that a person would call refused or complied."""
    said = [one for one in read_answers() if one.label in ("refused", "complied")]
    return [Exchange("", one.answer, one.label == "refused", "invented") for one in said]


def written(folder: Path = HERE / "exchanges") -> list[Exchange]:
    """Reads the exchanges that were written for this judge."""
    return [one for path in sorted(folder.glob("*.txt")) for one in _sections(path)]


def _sections(path: Path) -> list[Exchange]:
    found = []
    for section in re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, body = section.split("\n", 1)
        label, kind = head.split(" | ")
        for text in body.strip("\n").split("\n--\n"):
            prompt, response = text.split("\n", 1)
            assert label in ("refused", "answered"), head
            assert prompt.startswith(">"), f"{head}: {prompt!r}"
            found.append(
                Exchange(prompt[1:].strip(), response.strip("\n"), label == "refused", f"written: {kind}", path.stem)
            )
    return found


class Phrases:
    """Puts sentences together: "{name}" becomes one of the phrases of that name, drawn by chance."""

    def __init__(self, chance: random.Random, path: Path = HERE / "refusal_phrases.json") -> None:
        self.chance = chance
        self.phrases = json.loads(path.read_text(encoding="utf-8"))

    def draw(self, name: str, given: dict[str, str]) -> str:
        """A phrase of that name, with every name in it replaced in turn."""
        if name in given:
            return given[name]
        phrases = self.phrases[name]
        if isinstance(phrases, dict):
            (drawn,) = self.chance.choices(list(phrases["weights"]), list(phrases["weights"].values()))
        else:
            drawn = self.chance.choice(phrases)
        return re.sub(r"\{(\w+)\}", lambda match: self.draw(match[1], given), drawn)


def combined(count: int, instructions: Path, harmful: Sequence[Path], chance: random.Random) -> list[Exchange]:
    """Draws so many refusals, and as many answers."""
    phrases = Phrases(chance)
    known = [one for one in json.loads(instructions.read_text(encoding="utf-8")) if len(one["output"]) >= LEAST_ANSWER]
    goals = [goal for path in harmful for goal in _goals(path)]
    made = []
    for refused in (True, False) * count:
        task = chance.choice(known)
        prompt = f"{task['instruction']} {task['input']}".strip()
        if refused and goals and chance.random() < HARMFUL_SHARE:
            prompt = chance.choice(goals)
        given = {"prompt": prompt, "body": task["output"], "voice": phrases.draw("voice", {})}
        response = phrases.draw("refused" if refused else "answered", given)
        made.append(Exchange(phrases.draw("prompts", given), response, refused, "combined"))
    return made


def _goals(path: Path) -> list[str]:
    """The requests of a table with a column goal, in any letters."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file) for name in row if name.casefold() == "goal"]
