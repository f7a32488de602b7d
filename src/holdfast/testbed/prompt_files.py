"""Writes the prompt sets as small JSON Lines files. Equal seeds give equal files, and evaluation shares no prompt."""

import dataclasses
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from holdfast.testbed import corpus, exchanges, tasks, world
from holdfast.testbed.world import Exchange, Group, Kind

Record = dict[str, str]
EVALUATION, CALIBRATION = 0, 1
EVALUATION_FILES = (
    "harmful_seen",
    "harmful_heldout",
    "harmless",
    "borderline",
    "questions",
    "task_evaluation",
    "guard_evaluation",
    "guard_broken",
    "harmful_development",
)
TRAINING_FILES = (
    "harmful_calibration",
    "questions_calibration",
    "refusals",
    "harmless_exchanges",
    "task_train",
)


def _distinct(draw: Callable[[], Record], count: int, share: int | None) -> list[Record]:
    """Draws records until `count` of them have different prompts from this share of all prompts."""
    records: dict[str, Record] = {}
    while len(records) < count:
        record = draw()
        if share is None or corpus.share_of(record["prompt"]) == share:
            records.setdefault(corpus.normalize(record["prompt"]), record)
    return list(records.values())


def _requests(kind: Kind, count: int, share: int, rng: random.Random, group: Group | None = None) -> list[Record]:
    deeds = [deed for deed in world.list_deeds(kind) if deed.group in ((group,) if group else ("seen", "heldout"))]

    def draw() -> Record:
        request = world.request(rng.choice(deeds), rng)
        return {"prompt": request.prompt, "kind": kind, "group": request.deed.group}

    return _distinct(draw, count, share)


def _questions(count: int, held_out: bool, rng: random.Random) -> list[Record]:
    questions = [*world.list_facts(), *world.list_sums()]
    chosen = rng.sample([question for question in questions if question.held_out == held_out], count)
    return [{"prompt": question.prompt, "kind": "question", "answer": question.answer} for question in chosen]


def _refusals(count: int, rng: random.Random) -> list[Record]:
    deeds = [deed for deed in world.list_deeds("harmful") if deed.group == "seen"]

    def draw() -> Record:
        request = world.request(rng.choice(deeds), rng)
        return {"prompt": request.prompt, "response": world.refuse(request.deed, rng)}

    return _distinct(draw, count, CALIBRATION)


def _helpful(count: int, rng: random.Random) -> Iterator[Record]:
    """Yields exchanges that keep a model helpful: safe requests with seen verbs, other texts, and questions."""
    deeds = [deed for kind in ("harmless", "borderline") for deed in world.list_deeds(kind) if deed.group == "seen"]
    questions = [question for question in (*world.list_facts(), *world.list_sums()) if not question.held_out]

    def help_with_deed() -> Record:
        request = world.request(rng.choice(deeds), rng)
        return {"prompt": request.prompt, "response": world.comply(request.deed, rng)}

    yield from _distinct(help_with_deed, round(0.6 * count), CALIBRATION)
    yield from _distinct(lambda: dataclasses.asdict(world.write_something(rng)), round(0.1 * count), None)
    for question in rng.sample(questions, count - round(0.6 * count) - round(0.1 * count)):
        yield {"prompt": question.prompt, "response": question.answer}


def _harmless_exchanges(count: int, rng: random.Random) -> list[Record]:
    records = list(_helpful(count, rng))
    rng.shuffle(records)
    return records


def _judged(count: int, rng: random.Random) -> list[Record]:
    """Makes equally many exchanges of every form, none empty. A fifth of the injections are unseen in training."""

    def draw(form: exchanges.Form) -> list[Record]:
        def draw_record() -> Record:
            made = (exchanges.judge_request(form, rng, unseen=rng.random() < 0.2) for _ in itertools.count())
            return dataclasses.asdict(next(one for one in made if one.response))

        return _distinct(draw_record, count // len(exchanges.FORMS), EVALUATION)

    return [record for form in exchanges.FORMS for record in draw(form)]


def _broken(count: int, rng: random.Random) -> list[Record]:
    def draw() -> Record:
        return dataclasses.asdict(exchanges.judge_request("broken", rng))

    return _distinct(draw, count, EVALUATION)


def _task(part: Sequence[Exchange]) -> list[Record]:
    return [{"prompt": exchange.prompt, "kind": "task", "answer": exchange.response} for exchange in part]


def make_prompt_sets(seed: int) -> dict[str, list[Record]]:
    """Makes all prompt sets, by file name."""
    rng = random.Random(seed)
    training, evaluation = tasks.split(tasks.list_visits(), seed, evaluation=256)
    sets = {
        "harmful_calibration": _requests("harmful", 256, CALIBRATION, rng, "seen"),
        "harmful_seen": _requests("harmful", 256, EVALUATION, rng, "seen"),
        "harmful_heldout": _requests("harmful", 256, EVALUATION, rng, "heldout"),
        "harmless": _requests("harmless", 256, EVALUATION, rng),
        "borderline": _requests("borderline", 256, EVALUATION, rng),
        "questions": _questions(256, True, rng),
        "questions_calibration": _questions(256, False, rng),
        "refusals": _refusals(480, rng),
        "harmless_exchanges": _harmless_exchanges(480, rng),
        "task_train": _task(training[:512]),
        "task_evaluation": _task(evaluation),
        "guard_evaluation": _judged(640, rng),
        "guard_broken": _broken(500, rng),
        "harmful_development": _requests("harmful", 256, EVALUATION, rng, "development"),
    }
    _check_apart(sets)
    return sets


def _check_apart(sets: dict[str, list[Record]]) -> None:
    def texts(names: Sequence[str]) -> set[str]:
        return {corpus.normalize(record["prompt"]) for name in names for record in sets[name]}

    if common := texts(EVALUATION_FILES) & texts(TRAINING_FILES):
        raise AssertionError(f"{len(common)} prompts are in evaluation and in training files")


def save_prompt_sets(folder: Path, seed: int) -> None:
    """Writes every set to `folder`/<name>.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in make_prompt_sets(seed).items():
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
