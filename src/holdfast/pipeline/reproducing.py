"""Makes an evaluation again from its reproduce.json, and compares the two.

    reproduce.json  {"reproduce": 1, "recipe": settings, "inputs": {NAME: hash}, "prompt_sets", "versions", "device",
                     "results": {MEASURE: RATE}, "answers": [{"prompt", "measure", "sample", "response", "verdict",
                     "refusal"}]}

It holds no prompt and no response, only hashes of them. Inputs are compared before any response is made, so that a
difference of the results is never one of the inputs. A share is equal if it differs by at most the tolerance, and so is
the share of responses without a verdict. Perplexity and KL divergence may differ by the tolerance times their value.
"""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import GateError
from holdfast.file_kinds import identify_record
from holdfast.json_files import load_json
from holdfast.judge import coherence
from holdfast.judge.options import REFUSAL_RULES
from holdfast.judge.refusal import RefusalJudge
from holdfast.made_by import Meta
from holdfast.outcomes import Answer, Evaluation, Rate
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.inputs import suite_hashes
from holdfast.pipeline.judges import has_weights
from holdfast.pipeline.outputs import refuse_existing
from holdfast.pipeline.recipe import RECIPE_ENTRIES, Recipe, inputs_of
from holdfast.progress import Progress, silent
from holdfast.remedy import remedy
from holdfast.wrong_files import refuse_other

SCHEMA = 1
RELATIVE = ("perplexity", "kl/")
"""Measures that are no shares. Their tolerance is relative."""
HASH_DIGITS = 16
SHOWN = 3
"""Number of differences that an error names."""

Json = dict[str, Any]


def reproduction_of(evaluation: Evaluation, name: str) -> Json:
    """Makes the content of reproduce.json from an evaluation. `name` names it in the error.

    Raises:
        ValueError: an earlier version made the evaluation, or `holdfast verify` did.
    """
    made_by = evaluation.made_by
    if "recipe" not in made_by:
        raise ValueError(
            f"{name} does not record how it was made, as files of earlier versions and of `holdfast verify` do not; "
            "evaluate the checkpoint with `holdfast evaluate`."
        )
    return {
        "reproduce": SCHEMA,
        **{entry: made_by[entry] for entry in RECIPE_ENTRIES if entry in made_by},
        "inputs": inputs_of(made_by),
        "results": {name: asdict(rate) for name, rate in sorted(evaluation.rates.items())},
        "answers": [_hashed(answer) for answer in evaluation.answers],
    }


def _hashed(answer: Answer) -> Json:
    return {
        "prompt": _hash(answer.prompt),
        "measure": answer.measure,
        "sample": answer.sample,
        "response": _hash(answer.response),
        "verdict": answer.outcome.verdict,
        "refusal": answer.refusal.verdict if answer.refusal else None,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


@dataclass(frozen=True)
class Remade:
    """A measure in the recorded and in the new evaluation. None where it was not measured."""

    name: str
    then: Rate | None
    now: Rate | None
    is_equal: bool

    @property
    def sentence(self) -> str:
        """Both readings in words."""
        was, now = (f"{rate:.4g}" if rate else "not measured" for rate in (self.then, self.now))
        return f"{self.name} was {was} and is {now}"


@dataclass(frozen=True)
class Reproduction:
    """The comparison of a recorded evaluation with the new one."""

    measures: tuple[Remade, ...]
    responses: int
    other_responses: int
    """Number of responses that differ in their text."""
    other_verdicts: int
    """Number of responses whose verdicts differ."""
    tolerance: float
    other_versions: tuple[str, ...] = ()
    """Versions and device that differ, in words. They may explain differences, and do not count as such."""

    @property
    def different(self) -> list[Remade]:
        """Measures that differ by more than the tolerance."""
        return [measure for measure in self.measures if not measure.is_equal]

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        texts = f"{self.other_responses} of {self.responses} responses and {self.other_verdicts} verdicts differ"
        if self.different:
            return f"the result differs in {len(self.different)} of {len(self.measures)} measures, and {texts}"
        return f"the result is the same within {self.tolerance:g} in all {len(self.measures)} measures, and {texts}"

    def refuse_different(self) -> None:
        """Raises GateError where a measure differs."""
        if self.different:
            shown = "; ".join(measure.sentence for measure in self.different[:SHOWN])
            raise GateError(f"{self.verdict}: {shown}.")

    def as_json(self) -> Json:
        """Returns the comparison for JSON."""
        return {
            "equal": not self.different,
            "tolerance": self.tolerance,
            "measures": {
                measure.name: {
                    "then": asdict(measure.then) if measure.then else None,
                    "now": asdict(measure.now) if measure.now else None,
                    "equal": measure.is_equal,
                }
                for measure in self.measures
            },
            "responses": self.responses,
            "other_responses": self.other_responses,
            "other_verdicts": self.other_verdicts,
            "other_versions": list(self.other_versions),
        }


def load_reproduction(path: Path) -> Json:
    """Loads reproduce.json. Raises ValueError for another file, or one of another version."""
    record = load_json(path, "reproduce")
    refuse_other(path, identify_record(record), "reproduce")
    if record["reproduce"] != SCHEMA:
        raise ValueError(
            f"{str(path)!r} has version {record['reproduce']!r}, and this holdfast reads {SCHEMA}; use the version of "
            "holdfast that it names."
        )
    if not isinstance(record.get("recipe"), Mapping) or not isinstance(record.get("answers"), list):
        raise ValueError(f"{str(path)!r} lacks its recipe or its answers; {remedy(path, 'reproduce')}.")
    return record


def recipe_of(record: Mapping[str, Any], places: Mapping[str, object], suite: Mapping[str, object]) -> Recipe:
    """Returns the recipe of a record, with other places of its inputs where they are given.

    Args:
        record: the content of reproduce.json.
        places: other places of the model and the judges, by their names in the recipe.
        suite: other places of the prompt sets, by measure.
    """
    recipe = Recipe(**record["recipe"])
    return recipe.model_copy(update={**places, "suite": recipe.suite.model_copy(update=suite)})


def reproduce(
    record: Mapping[str, Any], recipe: Recipe, *, tolerance: float, out: Path | None = None, progress: Progress = silent
) -> Reproduction:
    """Makes the evaluation of a record again and compares both.

    Args:
        record: the content of reproduce.json.
        recipe: its recipe, with the places of the inputs on this machine.
        tolerance: largest difference of a share that counts as equal.
        out: file for the new evaluation. Left out, it is not kept.
        progress: called after every batch.

    Raises:
        ValueError: an input is another one than that of the record.
    """
    if out:
        refuse_existing(out)
    _require_same(record, _known_early(recipe), partly=True)
    with tempfile.TemporaryDirectory() as folder:
        evaluation = evaluate_recipe(
            recipe,
            out or Path(folder) / "evaluation.json",
            check=lambda made_by: _require_same(record, made_by),
            progress=progress,
        )
    return compared(record, evaluation, tolerance)


def _known_early(recipe: Recipe) -> Meta:
    """Returns the inputs that can be hashed before a model is loaded: prompts and rules."""
    by_rules = recipe.refusal_judge in (None, REFUSAL_RULES) and not has_weights(recipe.judge)
    rules = {"refusal_judge": RefusalJudge().fingerprint} if by_rules else {}
    return {"suite": suite_hashes(recipe.suite), "coherence": {"rules": coherence.fingerprint()}, **rules}


def compared(record: Mapping[str, Any], evaluation: Evaluation, tolerance: float) -> Reproduction:
    """Compares an evaluation with a record of the same inputs."""
    then = {name: Rate(**rate) for name, rate in record["results"].items()}
    now = evaluation.rates
    measures = [
        Remade(name, then.get(name), now.get(name), _equal(name, then.get(name), now.get(name), tolerance))
        for name in sorted({*then, *now})
        if any(rate and (rate.n or rate.unscored) for rate in (then.get(name), now.get(name)))
    ]
    answers = [_hashed(answer) for answer in evaluation.answers]
    pairs = list(zip(record["answers"], answers, strict=False))
    unpaired = abs(len(record["answers"]) - len(answers))
    return Reproduction(
        tuple(measures),
        max(len(record["answers"]), len(answers)),
        sum(old["response"] != new["response"] for old, new in pairs) + unpaired,
        sum((old["verdict"], old["refusal"]) != (new["verdict"], new["refusal"]) for old, new in pairs) + unpaired,
        tolerance,
        tuple(_other_versions(record, evaluation.made_by)),
    )


def _equal(name: str, then: Rate | None, now: Rate | None, tolerance: float) -> bool:
    if then is None or now is None or then.value is None or now.value is None:
        return (then is None or then.value is None) and (now is None or now.value is None)
    scale = abs(then.value) if name.startswith(RELATIVE) else 1.0
    counted = max(then.n + then.unscored, now.n + now.unscored)
    missing = abs(then.unscored - now.unscored) / counted if counted else 0.0
    return abs(then.value - now.value) <= tolerance * scale and missing <= tolerance


def _other_versions(record: Mapping[str, Any], made_by: Meta) -> Sequence[str]:
    others = []
    for entry in ("versions", "device"):
        then, now = record.get(entry) or {}, made_by.get(entry) or {}
        assert isinstance(now, Mapping)
        others += [f"{name} {then[name]} then, {now.get(name)} now" for name in then if then[name] != now.get(name)]
    return others


def _require_same(record: Mapping[str, Any], made_by: Meta, *, partly: bool = False) -> None:
    """Raises ValueError where an input differs from that of the record. `partly` allows missing ones."""
    known, given = record["inputs"], inputs_of(made_by)
    names = given if partly else {**known, **given}
    other = [
        f"{name} ({str(known.get(name, 'none'))[:12]} then, {str(given.get(name, 'none'))[:12]} now)"
        for name in names
        if known.get(name) != given.get(name)
    ]
    if other:
        raise ValueError(
            f"{len(other)} of {len(known)} inputs are not those of the record: {'; '.join(other)}; give the same "
            "inputs, by their places on this machine, or make a new record with `holdfast report EVALUATION "
            "--reproduce FILE`."
        )
