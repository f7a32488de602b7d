"""The safety exchanges of a method: given refusals, or the start model's own answers. None may evaluate the model."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.intervene.train.methods import Method, idle_safety, missing_safety
from holdfast.intervene.train.preserve.replay import own_answers, tell_complying
from holdfast.models.load import LoadedModel
from holdfast.progress import Progress, silent
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange, Prompt, require_records, shared_prompts

Safety = Sequence[Prompt] | Sequence[Exchange]
"""Safety prompts, whose own answers are made, or exchanges, whose responses are learned as they are."""


def read_safety(method: Method, given: Safety | str | Path) -> Safety:
    """Reads the file that holds a method's safety data. Safety data itself is returned as it is.

    Raises:
        ValueError: the file is missing, lacks refusals that the method learns, or the method reads no safety data.
    """
    if not isinstance(given, str | Path):
        return given
    if method.safety is None:
        raise ValueError(idle_safety(method, "safety"))
    if method.safety == "given":
        return load_exchanges(str(given), responses="refusals")
    return load_prompts(str(given), "harmful")


def check_safety(method: Method, safety: Safety, held_out: Sequence[Prompt | Exchange]) -> None:
    """Checks that a method has the safety data that it needs, before a model is used.

    Raises:
        ValueError: data is missing, surplus, of the wrong kind, or a prompt also evaluates the model.
    """
    if method.safety is None:
        _refuse_surplus(method, safety, held_out)
        return
    if not safety:
        raise ValueError(missing_safety(method, "safety"))
    if method.safety == "given" or isinstance(safety[0], Exchange):
        require_records("the safety exchanges", safety, Exchange)
    else:
        require_records("the safety prompts", safety, Prompt)
    if shared := shared_prompts(safety, held_out):
        raise ValueError(
            f"{len(shared)} safety prompts are also prompts that evaluate the model, the first is {shared[0]!r}; "
            "training on them would make its evaluation worthless: remove them from the safety prompts."
        )


def safety_exchanges(
    method: Method, loaded: LoadedModel, safety: Safety, answer_tokens: int, progress: Progress = silent
) -> list[Exchange]:
    """Returns the exchanges that a method learns from, and logs the share that does not refuse. None for most methods.

    Raises:
        ValueError: every answer is empty, or most of the given exchanges do not refuse.
    """
    if method.safety is None:
        return []
    exchanges = [record for record in safety if isinstance(record, Exchange)]
    are_given = bool(exchanges)
    if not exchanges:
        prompts = [record for record in safety if isinstance(record, Prompt)]
        exchanges = own_answers(loaded, prompts, max_new_tokens=answer_tokens, progress=progress)
    tell_complying(exchanges, are_given=are_given)
    return exchanges


def _refuse_surplus(method: Method, safety: Safety, held_out: Sequence[Prompt | Exchange]) -> None:
    for name, given in (("safety", safety), ("held_out", held_out)):
        if given:
            raise ValueError(idle_safety(method, name))
