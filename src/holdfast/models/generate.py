"""Generates responses to prompts: batched by length, padded on the left, greedy or sampled.

If a model's logits are not finite, no token is chosen. The response is then empty and marked as broken.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.artifacts import seed_from
from holdfast.counts import counted
from holdfast.distributed import gathered, share
from holdfast.models.asking import Asked, ask, end_ids, read_response, until_end, warn_of_context
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.models.response_log import Response, ResponseLog
from holdfast.models.shards import is_sharded
from holdfast.models.stretches import Continued, continue_batch
from holdfast.models.tables import pad_id_for, rooms_for_responses
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length


class Generator(Protocol):
    """Anything that answers prompts."""

    def __call__(
        self, prompts: Sequence[str], options: GenerateOptions, progress: Progress, *, openings: Sequence[str] = ()
    ) -> list[Response]:
        """Returns the responses in the order of the prompts, the K samples of a prompt in a row.

        Each response begins with its prompt's opening.
        """
        ...


def refuse_equal_samples(options: GenerateOptions) -> None:
    """Raises ValueError if several samples of a prompt would all be equal."""
    if options.num_samples > 1 and options.temperature == 0:
        raise ValueError(
            f"num_samples={options.num_samples} needs a temperature above 0: greedy samples are all equal."
        )


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    options: GenerateOptions,
    progress: Progress = silent,
    log: ResponseLog | None = None,
    *,
    openings: Sequence[str] = (),
) -> list[Response]:
    """Returns the responses in the order of the prompts, the K samples of a prompt in a row.

    Every batch has its own seed, so a generation that resumes from a log gives the responses that it would have given.
    Several processes share the batches, and each gets all responses. With a sharded model all processes run every
    batch. The end tokens are all that is used of the checkpoint's generation config. If the model's context ends first,
    a response has fewer tokens than the options allow, and a warning is logged.

    Args:
        model: the model that answers.
        tokenizer: its tokenizer.
        prompts: the questions, each a conversation of one user turn.
        options: settings of the generation.
        progress: called after every token with the tokens so far, where a response that has ended counts as full.
        log: keeps every batch. Responses that it holds already are not generated again.
        openings: the beginning of each response, one per prompt. Without them no response has one.

    Raises:
        ValueError: no prompts, several samples without a temperature, a prompt that fills the model's context, or an
            engine that cannot use a model in memory.
    """
    refuse_other_engine(options)
    refuse_equal_samples(options)
    asked = ask(model, tokenizer, prompts, openings, options.num_samples)
    responses = _joined({} if log is None else log.known)
    lengths = [len(prompt.prompt_ids) for prompt in asked]
    warn_of_context(model, lengths, options)
    batches = _batches(model, lengths, options)
    devices = [model.device] if model.device.type == "cuda" else []
    rooms = rooms_for_responses(model, lengths, options.max_new_tokens)
    label, before = _label(len(prompts), len(asked)), 0
    if not responses:
        progress(label, 0, sum(rooms))
    with torch.random.fork_rng(devices=devices):
        orders = range(len(batches))
        for order in orders if is_sharded(model) else share(orders):
            batch = batches[order]
            if not all(position in responses for position in batch):
                torch.manual_seed(seed_from([options.seed, order]))
                until = before + sum(rooms[position] for position in batch)
                report = _Report(progress, label, before, until, sum(rooms))
                new_responses = _answer_batch(model, tokenizer, asked, batch, options, report)
                responses |= new_responses
                if log is not None:
                    log.add(new_responses)
            before = sum(rooms[position] for done in batches[: order + 1] for position in done)
            progress(label, before, sum(rooms))
    responses = _joined(responses)
    return [responses[position] for position in range(len(asked))]


def _label(num_prompts: int, num_responses: int) -> str:
    """Names the step in its progress, with the number of responses where a prompt gets several."""
    several = f" with {counted(num_responses, 'response')}" if num_responses > num_prompts else ""
    return f"answering {counted(num_prompts, 'prompt')}{several}, tokens"


@dataclass(frozen=True)
class _Report:
    """Reports the tokens of a batch as a part of all tokens that the responses could have."""

    progress: Progress
    label: str
    before: int
    """Tokens of earlier batches."""
    until: int
    """Tokens when this batch is done, which is reported once it is kept."""
    total: int

    def __call__(self, tokens: int) -> None:
        self.progress(self.label, min(self.before + tokens, self.until - 1), self.total)


def _joined(responses: Mapping[int, Response]) -> dict[int, Response]:
    """Returns the responses of all processes together. If several hold one, that of the first process counts."""
    return {position: response for part in reversed(gathered(dict(responses))) for position, response in part.items()}


def continue_prompts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, encoded: list[list[int]], options: GenerateOptions
) -> list[list[int]]:
    """Returns one continuation per sequence, in order, without end token and padding."""
    continuations: dict[int, list[int]] = {}
    ends = end_ids(model, tokenizer)
    for batch in _batches(model, [len(ids) for ids in encoded], options):
        continued = _continue(model, tokenizer, [encoded[position] for position in batch], options)
        for position, row in zip(batch, continued, strict=True):
            continuations[position] = until_end(row.token_ids, ends)
    return [continuations[position] for position in range(len(encoded))]


def _answer_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    asked: Sequence[Asked],
    batch: list[int],
    options: GenerateOptions,
    report: Callable[[int], None],
) -> dict[int, Response]:
    continued = _continue(model, tokenizer, [asked[position].prompt_ids for position in batch], options, report)
    ends, responses = end_ids(model, tokenizer), {}
    for position, row in zip(batch, continued, strict=True):
        prompt = asked[position]
        response = read_response(tokenizer, prompt, row.token_ids, ends)
        # Tokens after a response's end are computed only because other rows of the batch go on.
        if row.first_broken is not None and row.first_broken <= len(response.token_ids):
            response = Response(prompt.prompt, prompt.prompt_ids, [], "", finished=False, broken=True)
        responses[position] = response
    return responses


def _continue(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoded: list[list[int]],
    options: GenerateOptions,
    report: Callable[[int], None] | None = None,
) -> list[Continued]:
    return continue_batch(
        model,
        encoded,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        end_ids=end_ids(model, tokenizer),
        pad_id=pad_id_for(model, tokenizer),
        report=report,
    )


def _batches(model: PreTrainedModel, lengths: Sequence[int], options: GenerateOptions) -> list[list[int]]:
    """Returns batches of positions of prompts with similar lengths.

    The prompts and responses of a batch together stay within the token budget.
    """
    rooms = rooms_for_responses(model, lengths, options.max_new_tokens)
    whole = [length + room for length, room in zip(lengths, rooms, strict=True)]
    return batches_by_length(whole, options.token_budget)
