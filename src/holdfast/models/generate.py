"""Let a model answer prompts: batched by length, left-padded, greedy or sampled.

A model whose logits are not finite chooses no token. What it seems to say is left out, and the response marked broken.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.artifacts import seed_from
from holdfast.distributed import gathered, share
from holdfast.models.asking import Asked, ask, end_ids, read_response, until_end, warn_of_context
from holdfast.models.options import GenerateOptions, refuse_other_engine
from holdfast.models.response_log import Response, ResponseLog
from holdfast.models.shards import is_sharded
from holdfast.models.stretches import Continued, continue_batch
from holdfast.models.tables import pad_id_for, room_for_response
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length


class Generator(Protocol):
    """Whatever answers prompts."""

    def __call__(
        self, prompts: Sequence[str], options: GenerateOptions, progress: Progress, *, openings: Sequence[str] = ()
    ) -> list[Response]:
        """Responses in the order of the prompts, K samples one after another; each begins with its prompt's opening."""
        ...


def refuse_equal_samples(options: GenerateOptions) -> None:
    """Raises ValueError when several samples a prompt would all be the same."""
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
    """Responses in the order of the prompts; K samples of a prompt lie one after another.

    Every batch is sampled under a seed of its own, so a generation that goes on from a log ends as it would have.
    Several processes share the batches, and each gets all responses; a sharded model answers each in all of them.
    Nothing of the checkpoint's generation config takes part but its end tokens. A response has fewer tokens than the
    options allow where the model's context ends before, of which a warning is logged.

    Args:
        model: the model that answers.
        tokenizer: its tokenizer.
        prompts: what it is asked, each as a conversation of one turn.
        options: how responses are made.
        progress: called after every batch with the responses done.
        log: keeps every batch; what it knows already is not generated again.
        openings: what the responses begin with, one a prompt; none has one when left out.

    Raises:
        ValueError: no prompts, several samples without a temperature, a prompt that fills the model's context, or an
            engine that has no use for a model in memory.
    """
    refuse_other_engine(options)
    refuse_equal_samples(options)
    asked = ask(model, tokenizer, prompts, openings, options.num_samples)
    found = _joined({} if log is None else log.known)
    lengths = [len(one.prompt_ids) for one in asked]
    warn_of_context(model, lengths, options)
    batches = _batches(model, lengths, options)
    devices = [model.device] if model.device.type == "cuda" else []
    if not found:
        progress("answering prompts", 0, len(asked))
    with torch.random.fork_rng(devices=devices):
        orders = range(len(batches))
        for order in orders if is_sharded(model) else share(orders):
            batch = batches[order]
            if not all(position in found for position in batch):
                torch.manual_seed(seed_from([options.seed, order]))
                made = _answer_batch(model, tokenizer, asked, batch, options)
                found |= made
                if log is not None:
                    log.add(made)
            progress("answering prompts", sum(map(len, batches[: order + 1])), len(asked))
    found = _joined(found)
    return [found[position] for position in range(len(asked))]


def _joined(found: Mapping[int, Response]) -> dict[int, Response]:
    """What any process has, the first one's where several have it."""
    return {position: one for part in reversed(gathered(dict(found))) for position, one in part.items()}


def continue_prompts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, encoded: list[list[int]], options: GenerateOptions
) -> list[list[int]]:
    """The tokens that follow each sequence, without end token and padding; one continuation each, in order."""
    found: dict[int, list[int]] = {}
    ends = end_ids(model, tokenizer)
    for batch in _batches(model, [len(ids) for ids in encoded], options):
        made = _continue(model, tokenizer, [encoded[position] for position in batch], options)
        found |= {position: until_end(one.token_ids, ends) for position, one in zip(batch, made, strict=True)}
    return [found[position] for position in range(len(encoded))]


def _answer_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    asked: Sequence[Asked],
    batch: list[int],
    options: GenerateOptions,
) -> dict[int, Response]:
    continued = _continue(model, tokenizer, [asked[position].prompt_ids for position in batch], options)
    ends, found = end_ids(model, tokenizer), {}
    for position, made in zip(batch, continued, strict=True):
        one = asked[position]
        response = read_response(tokenizer, one, made.token_ids, ends)
        # Beyond the end of a response its row is only carried along.
        if made.first_broken is not None and made.first_broken <= len(response.token_ids):
            response = Response(one.prompt, one.prompt_ids, [], "", finished=False, broken=True)
        found[position] = response
    return found


def _continue(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, encoded: list[list[int]], options: GenerateOptions
) -> list[Continued]:
    return continue_batch(
        model,
        encoded,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        end_ids=end_ids(model, tokenizer),
        pad_id=pad_id_for(model, tokenizer),
    )


def _batches(model: PreTrainedModel, lengths: Sequence[int], options: GenerateOptions) -> list[list[int]]:
    """Positions of prompts of like length; prompts and responses of a batch stay within the token budget."""
    whole = [length + room_for_response(model, length, options.max_new_tokens) for length in lengths]
    return batches_by_length(whole, options.token_budget)
