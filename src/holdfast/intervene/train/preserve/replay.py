"""Self-replay: the same mixture as `mixed`, with the start model's own greedy answers in place of given refusals

arXiv 2605.26097, of which we read a summary alone: it "nearly eliminates forgetting". It needs prompts, and no outside
answers. The answers are made once and kept in a file.

Ours: an answer that the limit of tokens cuts off teaches no end. The share of answers that do not refuse is logged,
because replaying them keeps the model complying.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from holdfast.arguments import checked_call
from holdfast.artifacts import digest, load_json, save_json
from holdfast.distributed import first
from holdfast.intervene.train.examples import Unfinished
from holdfast.intervene.train.parts import Parts
from holdfast.judge.refusing_sets import read_refusals
from holdfast.models.generate import generate
from holdfast.models.load import LoadedModel, require_loaded
from holdfast.models.options import GenerateOptions
from holdfast.progress import Progress, silent
from holdfast.prompts.chat import encode_prompt
from holdfast.records import Exchange, Prompt, require_records
from holdfast.value_or_path import as_path

logger = logging.getLogger(__name__)


@checked_call
def own_answers(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    *,
    max_new_tokens: int = 256,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> list[Exchange]:
    """Returns the model's greedy answers to prompts, without empty ones.

    Args:
        loaded: the model before fine-tuning.
        prompts: safety prompts, and none that will evaluate the model.
        max_new_tokens: largest number of tokens in an answer.
        cache: file in which the answers are kept. Answers of the same model to the same prompts are read from it.
        progress: called while answers are made.

    Raises:
        ValueError: there are no prompts, or every answer is empty.
    """
    require_loaded(loaded)
    require_records("the safety prompts", prompts, Prompt)
    encoded = [encode_prompt(loaded.tokenizer, prompt.prompt) for prompt in prompts]
    key = digest([loaded.base, encoded, max_new_tokens])
    path = as_path(cache)
    answers = _cached(path, key)
    if answers is None:
        answers = _answers(loaded, prompts, max_new_tokens, progress)
        if path is not None:
            first(lambda: _save(path, key, answers))
    if not answers:
        raise ValueError("the model's own answers to all safety prompts are empty; give other prompts.")
    return answers


GIVEN = (
    "%s; %d answer, one begins %s. That is right if their prompts are harmless, as borderline prompts are. If one of "
    "them is harmful, remove it."
)
OWN = (
    "%s; %d do not refuse, one begins %s, and training on them keeps the model answering like that: leave such prompts "
    "out, or use method mixed with refusals."
)


def tell_complying(safety: Sequence[Exchange], *, are_given: bool = False) -> None:
    """Logs a warning with the share of safety responses that do not refuse, if there are any.

    Args:
        safety: the exchanges.
        are_given: whether somebody wrote the responses, as refusals. Else they are the model's own.

    Raises:
        ValueError: most of the given responses that could be read do not refuse.
    """
    read = read_refusals("the safety exchanges", safety)
    complying = len(read.responses) - read.refused - len(read.unread)
    if are_given and complying > read.refused:
        raise ValueError(
            f"{read.counted()}, one begins {read.complying}, and the method would teach the model to answer like that; "
            "give harmful prompts with refusals as the safety exchanges, and the task's examples as the task."
        )
    if complying:
        logger.warning(GIVEN if are_given else OWN, *(read.counted(), complying, read.complying))


def _answers(loaded: LoadedModel, prompts: Sequence[Prompt], max_new_tokens: int, progress: Progress) -> list[Exchange]:
    options = GenerateOptions(max_new_tokens=max_new_tokens)
    texts = [prompt.prompt for prompt in prompts]
    answers = generate(loaded.model, loaded.tokenizer, texts, options, progress)
    kinds = [Exchange if answer.finished else Unfinished for answer in answers]
    return [kind(text, answer.record) for kind, text, answer in zip(kinds, texts, answers, strict=True) if answer.text]


def _cached(path: Path | None, key: str) -> list[Exchange] | None:
    record = load_json(path) if path is not None and path.is_file() else {}
    if record.get("key") != key:
        return None
    return [
        (Exchange if answer["finished"] else Unfinished)(answer["prompt"], answer["response"])
        for answer in record["answers"]
    ]


def _save(path: Path, key: str, answers: Sequence[Exchange]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "prompt": answer.prompt,
            "response": answer.response,
            "finished": not isinstance(answer, Unfinished),
        }
        for answer in answers
    ]
    save_json(path, {"key": key, "answers": rows})


PARTS = Parts()
"""Plain fine-tuning, on other examples."""
