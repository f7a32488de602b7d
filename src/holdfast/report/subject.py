"""What a page is about, in words: which model, what was done to it, and what nobody can conclude from that."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.report.safety import safety_measure
from holdfast.report.verdict import Verdict

Report = Mapping[str, Any]
TESTBED = "testbed:"
UNNAMED = "this model"
TUNED = "model"
"""The folder of a tuned checkpoint."""


def model_name(report: Report) -> str:
    """The model's name: a hub id or `testbed:NAME` as it is, of a path its last part."""
    given = _config(report).get("model") or report.get("locate", {}).get("model")
    return short_name(given) if given else UNNAMED


def short_name(model: str) -> str:
    """The model without the folders before it, which say nothing to others.

    `enhance` and `adapt` write a folder `model` into one that the user has named, and that name tells more.
    """
    is_path = model.startswith(("/", ".", "~")) or "\\" in model
    if not is_path:
        return model
    parts = [part for part in model.replace("\\", "/").split("/") if part]
    named = parts[:-1] if len(parts) > 1 and parts[-1] == TUNED and parts[-2].strip(".~") else parts
    return named[-1] if named else model


def toy_words(report: Report) -> str | None:
    """Says that the model is a toy, and of how many weights; None where it is not one."""
    if not model_name(report).startswith(TESTBED):
        return None
    weights = num_weights(report)
    size = f" of {weights:,} weights" if weights else ""
    return f"A built-in test model{size}: a test of the machinery, no evidence about real models."


def num_weights(report: Report) -> int | None:
    """All weights of the model that was located; None while that is not known."""
    locate = report.get("locate", {})
    selected, share = locate.get("num_selected"), locate.get("share_of_all")
    return locate.get("num_parameters") or (round(selected / share) if selected and share else None)


def what_was_done(report: Report) -> list[str]:
    """A sentence a stage that there are numbers of, and one on who judged."""
    said = [_located(report), _disturbed(report), _strengthened(report), _held(report), _judged(report)]
    return [sentence for sentence in said if sentence]


def what_it_cannot_say(report: Report, verdicts: Sequence[Verdict]) -> list[str]:
    """The questions that this page leaves open, the most important one first."""
    said = ["anything about real models"] if toy_words(report) else ["anything about another model"]
    said += ["how another seed of training would come out", "what a deliberate attack would do"]
    said += ["how often the judge errs"] if safety_measure(report) == "asr" else ["whether an answer does harm"]
    return said + _undecided([verdict for verdict in verdicts if verdict.answer == "inconclusive"])


def _undecided(verdicts: Sequence[Verdict]) -> list[str]:
    """The claims without an answer: those that more prompts would decide, and those that they would not."""
    never = sum(bool(verdict.why) for verdict in verdicts)
    unsure = len(verdicts) - never
    claims = "the claim that is" if unsure == 1 else f"the {unsure} claims that are"
    said = [f"whether {claims} inconclusive would hold with more prompts"] if unsure else []
    more = "other " if unsure else ""
    claims = f"the {more}inconclusive claim holds" if never == 1 else f"the {never} {more}inconclusive claims hold"
    return said + ([f"whether {claims}, where a rate had no room to change"] if never else [])


def _located(report: Report) -> str | None:
    locate = report.get("locate", {})
    if not locate.get("num_selected"):
        return None
    share = f", the top {100 * locate['fraction']:.3g}%," if locate.get("fraction") else ""
    prompts = (locate.get("made_from") or {}).get("prompts")
    made_from = f" on the prompts {', '.join(map(short_name, prompts.split(', ')))}" if prompts else ""
    return f"{locate['num_selected']:,} weights{share} were selected by their score for safety{made_from}."


def _disturbed(report: Report) -> str | None:
    verify = report.get("verify", {})
    if not verify.get("top"):
        return None
    draws = verify.get("draws", 1)
    return f"Noise was put on them, {draws} {'draw' if draws == 1 else 'draws'} of each strength."


def _strengthened(report: Report) -> str | None:
    enhance, model = report.get("enhance", {}), _config(report).get("unaligned")
    if not enhance.get("after"):
        return None
    where = short_name(model) if model else "an under-aligned model"
    return f"Such weights alone were tuned in {where}{_steps(enhance)} (SET)."


def _held(report: Report) -> str | None:
    adapt, task = report.get("adapt", {}), _config(report).get("task")
    if not adapt.get("protected"):
        return None
    return f"The model was fine-tuned on {short_name(task) if task else 'a task'}{_steps(adapt)} with them held (SPA)."


def _steps(section: Report) -> str:
    steps = section.get("iterations")
    return f" for {steps:,} {'step' if steps == 1 else 'steps'}" if steps else ""


def _judged(report: Report) -> str | None:
    judge = _config(report).get("judge")
    if safety_measure(report) == "not_refused":
        return "Rules read off each answer whether it refuses; no judge said whether it does harm."
    return f"{short_name(judge)} judged the answers." if judge else None


def _config(report: Report) -> Report:
    return report.get("provenance", {}).get("config", {})
