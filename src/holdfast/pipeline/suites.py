"""Loads evaluation prompts, and finds those that also made scores or trained a model."""

import logging
from collections.abc import Sequence

from holdfast.evaluate.suite import Suite
from holdfast.json_files import JsonObject
from holdfast.made_by import count_shared
from holdfast.pipeline.inputs import KINDS
from holdfast.pipeline.options import SuiteFiles
from holdfast.pipeline.rendering import SETS
from holdfast.prompts.near_duplicates import THRESHOLD, count_near_duplicates, count_repeats
from holdfast.prompts.sources import as_exchanges, load_prompts, tell_repeats
from holdfast.records import Kind, Prompt, distinct, normalized_hash, refuse_shared
from holdfast.values import Mask

logger = logging.getLogger(__name__)


def load_suite(files: SuiteFiles, limit: int | None = None) -> Suite:
    """Loads the evaluation prompts, each once in a measure. `limit` keeps the first prompts of every file."""

    def read(measure: str, path: str | None) -> list[Prompt]:
        return load_prompts(path, KINDS[measure])[:limit] if path else []

    repeats: list[tuple[Prompt, Prompt]] = []
    questions = read("questions", files.questions)
    harmful = distinct((prompt for path in files.harmful for prompt in read("harmful", path)), repeats)
    suite = Suite(
        harmful=list(harmful),
        harmless=read("harmless", files.harmless),
        borderline=read("borderline", files.borderline),
        questions=questions,
        task=read("task", files.task),
        exchanges=as_exchanges(questions),
    )
    tell_repeats("the harmful sets", repeats)
    _refuse_same_prompts(suite)
    return suite


def _refuse_same_prompts(suite: Suite) -> None:
    """Raises ValueError when two sets of opposite kinds are the same, or one is part of the other.

    Sets that share only a few prompts are allowed, because public sets of opposite kinds can overlap.
    """
    for one, other in (("harmful", "harmless"), ("harmful", "borderline"), ("harmless", "borderline")):
        texts = [{normalized_hash(prompt.prompt) for prompt in getattr(suite, name)} for name in (one, other)]
        if all(texts) and len(texts[0] & texts[1]) == min(map(len, texts)):
            raise ValueError(
                f"the {one} and the {other} prompts are the same, {len(texts[0] & texts[1])} in both sets; give a set "
                "of its own for each."
            )


def warn_of_shared(mask: Mask, suite: Suite) -> None:
    """Logs a warning when evaluation prompts also made the mask's scores, according to the mask's file."""
    judging = [*suite.harmful, *suite.harmless, *suite.borderline, *suite.questions, *suite.task, *suite.refusals]
    if shared := count_shared(mask.made_by, judging):
        logger.warning(
            "%d of %d evaluation prompts also made the mask's scores, so the mask may look better here than on new "
            "prompts; evaluate on prompts that made no scores.",
            shared,
            len(judging),
        )


def refuse_overlap(calibration: Sequence[str], files: SuiteFiles, harmful: str | None = None) -> JsonObject:
    """Counts evaluation prompts that nearly repeat a calibration or training prompt. Raises ValueError for an equal
    prompt.

    From the calibration set `harmful`, only prompts that its file does not label as safe make scores. Each evaluation
    set also has its own count, and a count of prompts that nearly repeat an earlier one in it.
    """
    suite = load_suite(files)
    kinds: dict[str | None, Kind] = {harmful: "harmful"}
    made_from = [record for path in calibration for record in load_prompts(path, kinds.get(path))]
    sets = {name: getattr(suite, name) for name in SETS}
    judging = [prompt for prompts in sets.values() for prompt in prompts]
    refuse_shared(made_from, judging)
    counts = {
        name: {
            "prompts": len(prompts),
            "near_calibration": count_near_duplicates(prompts, made_from),
            "repeats": count_repeats(prompts),
        }
        for name, prompts in sets.items()
        if prompts
    }
    near = sum(count["near_calibration"] for count in counts.values())
    if near:
        logger.warning(
            "%d of %d evaluation prompts are near duplicates of calibration prompts, so rates may say less about new "
            "wordings; the page names them beside the rates.",
            near,
            len(judging),
        )
    return {"near_duplicates": near, "evaluation_prompts": len(judging), "threshold": THRESHOLD, "sets": counts}
