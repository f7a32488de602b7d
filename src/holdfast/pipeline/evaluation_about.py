"""Lists how an evaluation was made, and what limits its numbers, for the terminal and for its page."""

from collections.abc import Mapping

from holdfast.evaluate.consistent import require_consistent
from holdfast.evaluate.cut_off_warning import warning_of_cut_off
from holdfast.evaluate.other_forms import form_line
from holdfast.judge.options import REFUSAL_RULES
from holdfast.made_by import entry_name, model_fingerprint, model_name
from holdfast.outcomes import Evaluation


def origin_rows(evaluation: Evaluation, file: str | None) -> list[tuple[str, str]]:
    """Lists the model, the judge and the settings as rows of name and value."""
    made_by = evaluation.made_by
    generation = made_by.get("generation")
    settings = generation if isinstance(generation, Mapping) else {}
    fingerprint = model_fingerprint(made_by)
    rows = {
        "file": file,
        "model": fingerprint and f"{model_name(made_by)} (fingerprint {fingerprint})",
        "form of the model": form_line(made_by),
        "judge": entry_name(made_by, "judge")
        or ("the file does not say" if not made_by else f"{REFUSAL_RULES}, the refusal rules"),
        "generation": ", ".join(f"{name} {value}" for name, value in settings.items()),
        "system prompt that the chat template adds": made_by.get("system_prompt"),
        "answers": f"{len(evaluation.answers):,}",
        "holdfast": made_by.get("holdfast"),
    }
    return [(name, str(value)) for name, value in rows.items() if value]


def contradiction(evaluation: Evaluation, file: str) -> str | None:
    """Returns the sentence on a rate that contradicts the answers. None where all agree."""
    try:
        require_consistent(evaluation, repr(file))
    except ValueError as error:
        return str(error)
    return None


def limits(evaluation: Evaluation, file: str) -> list[str]:
    """Lists warnings about an evaluation: contradicting numbers, and responses that were cut off."""
    found = (contradiction(evaluation, file), warning_of_cut_off(evaluation))
    return [sentence for sentence in found if sentence]
