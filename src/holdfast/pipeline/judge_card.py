"""Measures a judge on responses that people labelled, and makes its card."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from holdfast.arguments import checked_call, require_name, require_options
from holdfast.evaluate.cards import COUNTED
from holdfast.evaluate.judge_card import JudgeCard, tally
from holdfast.evaluate.measure import judged_by
from holdfast.judge.options import Role
from holdfast.made_by import version
from holdfast.models.response_log import Response
from holdfast.pipeline.inputs import file_hash
from holdfast.pipeline.judges import (
    Judge,
    judges_refusals,
    kind_of,
    load_judge,
    reading,
    refusal_judge,
    refuse_idle,
    require_refusal_judge,
    require_usable,
)
from holdfast.pipeline.options import JudgeOptions
from holdfast.progress import Progress, silent
from holdfast.prompts.labelled import LabelledResponse, load_labelled
from holdfast.records import Prompt


@checked_call
def make_card(
    name: str,
    labels: str,
    *,
    role: Role | None = None,
    options: JudgeOptions = JudgeOptions(),
    progress: Progress = silent,
) -> JudgeCard:
    """Measures a judge on responses that people labelled.

    Args:
        name: the judge, as in `holdfast evaluate`.
        labels: a file with prompts, responses and labels.
        role: whether it judges harm or refusals. By default harm, and refusals for a judge that knows nothing else.
        options: options of the judge.
        progress: called while the judge is loaded.

    Raises:
        ValueError: the judge or the labels cannot be used, or the judge has no verdict on any response.
    """
    require_name(name, "a judge", "give the name or folder of a judge")
    require_name(labels, "the labels", "give the path of a file")
    require_options(options, JudgeOptions)
    refuse_idle(options, name)
    require_usable(options, name)
    of_refusals = judges_refusals(name, options)
    if role == "judge" and of_refusals:
        raise ValueError(f"the judge {name!r} says refused or complied, not safe or unsafe; leave the role out.")
    role = role or ("refusal_judge" if of_refusals else "judge")
    if role == "refusal_judge" and not of_refusals:
        require_refusal_judge(name)
    responses = load_labelled(labels, COUNTED[role])
    judge = refusal_judge(name, options, progress) if role == "refusal_judge" else load_judge(name, options, progress)
    card = _measured(judge, name, role, labels, responses)
    own = reading(options).get(kind_of(name)) if role == "judge" else None
    about = {**card.judge, **({"reading": {kind_of(name): own}} if own else {})}
    return replace(card, judge=about, made_by=version())


def _measured(judge: Judge, name: str, role: Role, labels: str, responses: Sequence[LabelledResponse]) -> JudgeCard:
    prompts = [Prompt(response.prompt) for response in responses]
    # Empty and looping responses have their verdict before a judge reads them, as in an evaluation.
    read = [Response(labelled.prompt, [], [], labelled.response, finished=True) for labelled in responses]
    measure = judged_by(judge, "asr" if role == "judge" else "refusal")
    outcomes = measure.outcomes(prompts, read)
    if all(outcome.verdict is None for outcome in outcomes):
        raise ValueError(
            f"the judge {name!r} has no verdict on any of {len(outcomes)} responses (the first: {outcomes[0].reason}); "
            "give a judge that can read them."
        )
    about = {"name": Path(labels.partition("#")[0]).name, "sha256": file_hash(labels)}
    about |= {"responses": len(responses), "prompts": len({prompt.prompt for prompt in prompts})}
    return tally({"name": name, "fingerprint": judge.fingerprint}, COUNTED[role], about, responses, outcomes)
