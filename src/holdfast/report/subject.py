"""Writes the opening of a page: the model, the stages that ran, and the questions that the page leaves open."""

from collections import Counter
from collections.abc import Sequence

from holdfast.counts import agreeing, counted
from holdfast.report.records import Report, Selection, Training
from holdfast.report.tuning_claims import AFTER, HELD
from holdfast.report.verdict import Verdict

TESTBED = "testbed:"
UNNAMED = "this model"
TUNED = "model"
"""Name of the folder that holds a tuned checkpoint."""


def model_name(report: Report) -> str:
    """Returns the model's name: a hub id or `testbed:NAME` unchanged, and the last part of a path."""
    given = report.config.model or report.locate.model
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
    locate = report.locate
    selected, share = locate.num_selected, locate.share_of_all
    return locate.num_parameters or (round(selected / share) if selected and share else None)


def own_mask_of_set(report: Report) -> Selection | None:
    """Returns the section on SET's own mask. None if SET trains the mask of `locate`."""
    own = report.enhance.locate
    return None if own == report.locate else own


def what_was_done(report: Report) -> list[str]:
    """Writes a sentence on each stage that has numbers, and one on the judge."""
    texts = [_located(report), _disturbed(report), _strengthened(report), _held(report), _judged(report)]
    return [sentence for sentence in texts if sentence]


def selected_words(report: Report) -> str:
    """Explains which weights the page calls selected. Empty while none are."""
    locate = report.locate
    if not locate.num_selected:
        return ""
    shares = [f"{100 * locate.fraction:.3g}% of the scored ones" if locate.fraction else ""]
    shares += [f"{100 * locate.share_of_all:.2g}% of all" if locate.share_of_all else ""]
    share = f" ({', '.join(filter(None, shares))})" if any(shares) else ""
    return (
        "Every weight got a score for safety. “The selected weights” are the "
        f"{locate.num_selected:,}{share} with the highest scores."
    )


def what_it_cannot_say(report: Report, verdicts: Sequence[Verdict]) -> list[str]:
    """Lists the questions that the page leaves open, the most important one first."""
    questions = ["anything about real models"] if toy_words(report) else ["anything about another model"]
    questions += ["how another seed of training would come out", "what a deliberate attack would do"]
    errors = [] if report.judges else ["how often the judge errs"]
    questions += errors if report.safety == "asr" else ["whether an answer does harm"]
    return questions + _undecided([verdict for verdict in verdicts if verdict.answer == "inconclusive"])


def _undecided(verdicts: Sequence[Verdict]) -> list[str]:
    """Lists the inconclusive claims: those that a larger run or verdicts would decide, and those that nothing would."""
    never = sum(bool(verdict.why) for verdict in verdicts)
    lost = sum(bool(verdict.lost and not verdict.why) for verdict in verdicts)
    unsure = Counter(verdict.more for verdict in verdicts if not verdict.why and not verdict.lost)
    unsure_claims = {more: counted(count, "inconclusive claim") for more, count in unsure.items()}
    questions = [f"whether {claims} would hold with {more}" for more, claims in unsure_claims.items()]
    questions += [f"whether {counted(lost, 'claim')} would hold with a verdict on every answer"] if lost else []
    more = "other " if questions else ""
    claims = agreeing(never, f"the {more}inconclusive claim holds", f"the {never} {more}inconclusive claims hold")
    return questions + ([f"whether {claims}, which more prompts would not decide"] if never else [])


def _located(report: Report) -> str | None:
    locate = report.locate
    if not locate.num_selected:
        return None
    return f"{_selected(locate, names_model=own_mask_of_set(report) is not None)}."


def _selected(selection: Selection, *, names_model: bool) -> str:
    """Writes how many weights were selected, of which model if there are two masks, and on which prompts."""
    model = f" of {short_name(selection.model)}" if names_model and selection.model else ""
    share = f", the top {100 * selection.fraction:.3g}%," if selection.fraction else ""
    prompts = selection.made_from.get("prompts")
    made_from = f" on the prompts {', '.join(map(short_name, prompts.split(', ')))}" if prompts else ""
    return f"{selection.num_selected:,} weights{model}{share} were selected by their score for safety{made_from}"


def _disturbed(report: Report) -> str | None:
    if not report.verify.safety.arms.get("top"):
        return None
    draws = 1 if report.verify.draws is None else report.verify.draws
    return f"Noise was added to these weights, {counted(draws, 'draw')} of each strength."


def _strengthened(report: Report) -> str | None:
    model = report.config.unaligned
    if AFTER not in report.suites:
        return None
    if own := own_mask_of_set(report):
        return f"For SET, {_selected(own, names_model=True)}. Only those were tuned{_steps(report.enhance)}."
    where = short_name(model) if model else "an under-aligned model"
    return f"Only these weights were tuned in {where}{_steps(report.enhance)} (SET)."


def _held(report: Report) -> str | None:
    task = report.config.task
    if HELD not in report.suites:
        return None
    trained_on = short_name(task) if task else "a task"
    held = "the weights selected first" if own_mask_of_set(report) else "these weights"
    return f"The model was fine-tuned on {trained_on}{_steps(report.adapt)} with {held} held (SPA)."


def _steps(training: Training) -> str:
    steps = training.iterations
    return f" for {counted(steps, 'step')}" if steps else ""


def _judged(report: Report) -> str | None:
    judge = report.config.judge
    if report.safety == "not_refused":
        return "Rules decided whether each answer refuses. No judge rated whether it does harm."
    return f"{short_name(judge)} judged the answers." if judge else None
