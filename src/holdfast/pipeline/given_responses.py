"""Responses that were made before: read from a file, and put where a generation would have kept its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from holdfast.json_files import parse_json
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response, ResponseLog
from holdfast.objective.registry import OBJECTIVES
from holdfast.prompts.chat import encode_prompt


def read_responses(path: Path) -> list[Response]:
    """The responses that a scoring has saved, in their order.

    Raises:
        ValueError: the file is missing, empty or holds something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # a response may hold other separators, such as U+2028
        found = [Response(**cast(dict, parse_json(line))) for line in lines if line.strip()]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{str(path)!r} holds no responses: {error}; give the OUT_responses.jsonl that `holdfast score` wrote."
        ) from error
    if not found:
        raise ValueError(f"{str(path)!r} is empty; give the OUT_responses.jsonl that `holdfast score` wrote.")
    return found


def log_given(
    given: Sequence[Response], prompts: Sequence[str], loaded: LoadedModel, objective: str, folder: Path
) -> GenerateOptions:
    """Puts responses into the logs that the objective's generation goes on from, so that none is left to make.

    An objective that compares its samples with greedy responses has one a prompt of those before them.

    Returns:
        Options of the generation that they would have come from.

    Raises:
        ValueError: they are not of these prompts, or not of this model's tokenizer and template.
    """
    record = OBJECTIVES[objective]
    count = len(prompts) if record.compares_with_greedy else 0
    references, responses = given[:count], given[count:]
    samples = len(responses) // len(prompts)
    expected = [*prompts[:count], *(prompt for prompt in prompts for _ in range(samples))]
    if [response.prompt for response in given] != expected or samples < (2 if record.samples else 1):
        raise ValueError(
            f"the {len(given)} responses are not what objective {objective} makes of the {len(prompts)} prompts; give "
            "the prompts that they answer, and responses from a scoring with the same objective."
        )
    _refuse_other_tokens(given, loaded)
    for name, kept in (("references", references), ("responses", responses)):
        log = ResponseLog(folder / f"{name}.jsonl")
        log.add({place: response for place, response in enumerate(kept) if place not in log.known})
    return GenerateOptions(num_samples=samples, temperature=float(samples > 1))


def _refuse_other_tokens(given: Sequence[Response], loaded: LoadedModel) -> None:
    """Raises ValueError when a prompt is other tokens to this model: its responses are then none of its own."""
    for response in given:
        if encode_prompt(loaded.tokenizer, response.prompt) != response.prompt_ids:
            raise ValueError(
                f"the response to {response.prompt[:60]!r} was made under another tokenizer or chat template than that "
                f"of model {loaded.name!r}; give responses of this model."
            )
