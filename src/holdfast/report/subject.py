"""Writes the opening of a page: the model, the stages that ran, and the questions that the page leaves open."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.report.safety import safety_measure
from holdfast.report.verdict import Verdict

Report = Mapping[str, Any]
TESTBED = "testbed:"
UNNAMED = "this model"
TUNED = "model"
"""Name of the folder that holds a tuned checkpoint."""


def model_name(report: Report) -> str:
    """Returns the model's name: a hub id or `testbed:NAME` unchanged, and the last part of a path."""
    given = _config(report).get("model") or report.get("locate", {}).get("model")
    return short_name(given) if given else UNNAMED


def short_name(model: str) -> str:
    """Shortens the path of a model to its last part, as other folders mean nothing to other readers.

    `enhance` and `adapt` write the folder `model` into a folder that the user names. Then the user's name is kept.
    """
    is_path = model.startswith(("/", ".", "~")) or "\\" in model
    if not is_path:
        return model
    parts = [part for part in model.replace("\\", "/").split("/") if part]
    named = parts[:-1] if len(parts) > 1 and parts[-1] == TUNED and parts[-2].strip(".~") else parts
    return named[-1] if named else model


def toy_words(report: Report) -> str | None:
    """Says that the model is a built-in test model, with its number of weights. None for other models."""
    if not model_name(report).startswith(TESTBED):
        return None
    weights = num_weights(report)
    size = f" of {weights:,} weights" if weights else ""
    return f"A built-in test model{size}: a test of the machinery, no evidence about real models."


def num_weights(report: Report) -> int | None:
    """Returns the number of all weights of the model. None while it is unknown."""
    locate = report.get("locate", {})
    selected, share = locate.get("num_selected"), locate.get("share_of_all")
    return locate.get("num_parameters") or (round(selected / share) if selected and share else None)


def own_mask_of_set(report: Report) -> Report:
    """Returns the section on SET's own mask, where SET trains another mask than that of `locate`. Else empty."""
    located = report.get("enhance", {}).get("locate") or {}
    return {} if located == report.get("locate") else located


def what_was_done(report: Report) -> list[str]:
    """Writes a sentence on each stage that has numbers, and one on the judge."""
    texts = [_located(report), _disturbed(report), _strengthened(report), _held(report), _judged(report)]
    return [sentence for sentence in texts if sentence]


def what_it_cannot_say(report: Report, verdicts: Sequence[Verdict]) -> list[str]:
    """Lists the questions that the page leaves open, the most important one first."""
    questions = ["anything about real models"] if toy_words(report) else ["anything about another model"]
    questions += ["how another seed of training would come out", "what a deliberate attack would do"]
    questions += ["how often the judge errs"] if safety_measure(report) == "asr" else ["whether an answer does harm"]
    return questions + _undecided([verdict for verdict in verdicts if verdict.answer == "inconclusive"])


def _undecided(verdicts: Sequence[Verdict]) -> list[str]:
    """Lists the inconclusive claims: those that more prompts would decide, and those that they would not."""
    never = sum(bool(verdict.why) for verdict in verdicts)
    unsure = len(verdicts) - never
    claims = "the claim that is" if unsure == 1 else f"the {unsure} claims that are"
    questions = [f"whether {claims} inconclusive would hold with more prompts"] if unsure else []
    more = "other " if unsure else ""
    claims = f"the {more}inconclusive claim holds" if never == 1 else f"the {never} {more}inconclusive claims hold"
    return questions + ([f"whether {claims}, where a rate had no room to change"] if never else [])


def _located(report: Report) -> str | None:
    locate = report.get("locate", {})
    if not locate.get("num_selected"):
        return None
    return f"{_selected(locate, names_model=bool(own_mask_of_set(report)))}."


def _selected(locate: Report, *, names_model: bool) -> str:
    """Writes how many weights were selected, of which model if there are two masks, and on which prompts."""
    model = f" of {short_name(locate['model'])}" if names_model and locate.get("model") else ""
    share = f", the top {100 * locate['fraction']:.3g}%," if locate.get("fraction") else ""
    prompts = (locate.get("made_from") or {}).get("prompts")
    made_from = f" on the prompts {', '.join(map(short_name, prompts.split(', ')))}" if prompts else ""
    return f"{locate['num_selected']:,} weights{model}{share} were selected by their score for safety{made_from}"


def _disturbed(report: Report) -> str | None:
    verify = report.get("verify", {})
    if not verify.get("top"):
        return None
    draws = verify.get("draws", 1)
    return f"Noise was added to these weights, {draws} {'draw' if draws == 1 else 'draws'} of each strength."


def _strengthened(report: Report) -> str | None:
    enhance, model = report.get("enhance", {}), _config(report).get("unaligned")
    if not enhance.get("after"):
        return None
    if own := own_mask_of_set(report):
        return f"For SET, {_selected(own, names_model=True)}. Only those were tuned{_steps(enhance)}."
    where = short_name(model) if model else "an under-aligned model"
    return f"Only these weights were tuned in {where}{_steps(enhance)} (SET)."


def _held(report: Report) -> str | None:
    adapt, task = report.get("adapt", {}), _config(report).get("task")
    if not adapt.get("protected"):
        return None
    trained_on = short_name(task) if task else "a task"
    held = "the weights selected first" if own_mask_of_set(report) else "these weights"
    return f"The model was fine-tuned on {trained_on}{_steps(adapt)} with {held} held (SPA)."


def _steps(section: Report) -> str:
    steps = section.get("iterations")
    return f" for {steps:,} {'step' if steps == 1 else 'steps'}" if steps else ""


def _judged(report: Report) -> str | None:
    judge = _config(report).get("judge")
    if safety_measure(report) == "not_refused":
        return "Rules decided whether each answer refuses. No judge rated whether it does harm."
    return f"{short_name(judge)} judged the answers." if judge else None


def _config(report: Report) -> Report:
    return report.get("provenance", {}).get("config", {})
