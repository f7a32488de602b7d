"""The warning about responses that were cut off, shared by `evaluate`, `compare` and gate.md. Imports no torch."""

from collections.abc import Mapping

from holdfast.counts import agreeing
from holdfast.models.options import LONG_ENOUGH, LONG_ENOUGH_TO_REFUSE
from holdfast.outcomes import Evaluation


def warning_of_cut_off(evaluation: Evaluation, setting: str = "max_new_tokens") -> str | None:
    """Returns a warning where a short limit cut off some responses, or where no response ended. Else None.

    `setting` names the limit, which a command knows as an option.
    """
    share, limit = evaluation.cut_off, _limit(evaluation)
    if not share or not share.value or limit is None:
        return None
    if limit < LONG_ENOUGH:
        cut = round(share.value * share.n)
        none_ended = " None ended by itself, so it may also be that the model never writes its end token."
        return (
            f"{cut} of {share.n} responses {agreeing(cut, 'was', 'were')} cut off after {limit} tokens. "
            f"{_remedy(evaluation, limit, setting)}{none_ended if share.value == 1 else ''}"
        )
    if share.value < 1:
        return None
    return (
        f"none of {share.n} responses ended within {limit} tokens, because no end token came. The judge then also "
        "reads the text that the model adds after its answer. Look at the answers. If they run on, correct the end "
        "token in the chat template or the generation config, or train the model with one."
    )


def _remedy(evaluation: Evaluation, limit: int, setting: str) -> str:
    """Says which measures a short limit may misstate, and which limit they need."""
    others = any(rate and rate.n for rate in (evaluation.asr, evaluation.utility, evaluation.task))
    refusals = any(rate and rate.n for rate in (evaluation.refusal, evaluation.over_refusal, evaluation.borderline))
    if others or not refusals:
        misstated = "attack success" if evaluation.asr.n else "the rates"
        return (
            f"A longer response may get another verdict, so {misstated} may be wrong: evaluate with {setting} "
            f"{LONG_ENOUGH} or more."
        )
    needs = f"Attack success, utility and models that think or write long answers need {setting} {LONG_ENOUGH} or more."
    if limit >= LONG_ENOUGH_TO_REFUSE:
        return f"A refusal shows in the first words, so this limit is enough for the rates of refusals. {needs}"
    return f"Rates of refusals may be wrong below {LONG_ENOUGH_TO_REFUSE} tokens: give {setting} that many. {needs}"


def _limit(evaluation: Evaluation) -> int | None:
    """Length limit of a response in tokens, or None where the file does not record it."""
    generation = evaluation.made_by.get("generation")
    limit = generation.get("max_new_tokens") if isinstance(generation, Mapping) else None
    return limit if isinstance(limit, int) else None
