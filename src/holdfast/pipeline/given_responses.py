"""Reads responses that were made before, and writes them into the logs that a generation resumes from."""

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
    """Reads the responses that a scoring has saved, in order.

    Raises:
        ValueError: the file is missing, empty or holds something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # a response may hold other separators, such as U+2028
        responses = [Response(**cast(dict, parse_json(line))) for line in lines if line.strip()]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{str(path)!r} holds no responses: {error}; give the OUT_responses.jsonl that `holdfast score` wrote."
        ) from error
    if not responses:
        raise ValueError(f"{str(path)!r} is empty; give the OUT_responses.jsonl that `holdfast score` wrote.")
    return responses


def log_given(
    given: Sequence[Response], prompts: Sequence[str], loaded: LoadedModel, objective: str, folder: Path
) -> GenerateOptions:
    """Writes responses into the logs that the objective's generation resumes from, so that none is left to generate.

    For an objective that compares samples with greedy responses, one greedy response a prompt comes first.

    Returns:
        Options of the generation that the responses would have come from.

    Raises:
        ValueError: the responses are not to these prompts, or not of this model's tokenizer and template.
    """
    record = OBJECTIVES[objective]
    count = len(prompts) if record.compares_with_greedy else 0
    references, responses = given[:count], given[count:]
    samples = len(responses) // len(prompts)
    expected = [*prompts[:count], *(prompt for prompt in prompts for _ in range(samples))]
    if [response.prompt for response in given] != expected or samples < (2 if record.samples else 1):
        raise ValueError(
            f"the {len(given)} responses do not match objective {objective} on the {len(prompts)} prompts; give "
            "the prompts that they answer, and responses from a scoring with the same objective."
        )
    _refuse_other_tokens(given, loaded)
    for name, kept in (("references", references), ("responses", responses)):
        log = ResponseLog(folder / f"{name}.jsonl")
        log.add({place: response for place, response in enumerate(kept) if place not in log.known})
    return GenerateOptions(num_samples=samples, temperature=float(samples > 1))


def _refuse_other_tokens(given: Sequence[Response], loaded: LoadedModel) -> None:
    """Raises ValueError when this model encodes a prompt differently, because the response is another model's."""
    for response in given:
        if encode_prompt(loaded.tokenizer, response.prompt) != response.prompt_ids:
            raise ValueError(
                f"the response to {response.prompt[:60]!r} was made under another tokenizer or chat template than that "
                f"of model {loaded.name!r}; give responses of this model."
            )
