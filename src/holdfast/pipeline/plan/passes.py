"""The passes that stages are made of, on the meta device: what each takes beside the weights.

Every pass calls the code that the stage calls, on one batch of a given shape: the scoring of `score.gradient`, the
logits of `models.logits`, the cache of transformers. TRL's fused head asks for the device's autocast and can't run on
the meta device; `fused_head.py` has its sizes.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from holdfast.models.logits import logits_at
from holdfast.models.sites import scorable_sites
from holdfast.pipeline.plan.fused_head import fused_log_probabilities
from holdfast.pipeline.plan.trace import Cost, traced
from holdfast.score.gradient import sum_gradients
from holdfast.score.objective.completions import (
    Completion,
    completion_logits,
    expected_gains,
    reduce_completions,
    said_log_probabilities,
)


@dataclass(frozen=True)
class Batch:
    """The shape of a batch."""

    rows: int
    length: int
    """Tokens of a row, padding counted."""
    read: int = 0
    """Tokens of a row that are the response."""

    @property
    def tokens(self) -> int:
        """Tokens of the batch, padding counted."""
        return self.rows * self.length


@lru_cache(maxsize=128)  # arms, and settings that are tried, have passes in common
def scoring(model: PreTrainedModel, batch: Batch, *, judge_width: int | None) -> Cost:
    """One half's sums and a batch's pass: through a judge of that embedding width, or the likelihood of responses."""
    names = [site.name for site in scorable_sites(model)]
    objective = _Unknown(model, batch, judge_width)
    with traced(model) as trace:
        sum_gradients(model, names, objective, range(batch.rows), token_budget=batch.tokens)
    return trace.cost


@lru_cache(maxsize=128)
def training(
    model: PreTrainedModel,
    batch: Batch,
    *,
    dtype: torch.dtype,
    trained: frozenset[str],
    keeps_gradients: bool,
    accumulates: bool,
    half: bool,
) -> Cost:
    """Forward and backward of one micro-batch under TRL's fused head.

    Args:
        model: names and shapes; given back in its own dtype.
        batch: the longest micro-batch.
        dtype: of the weights while they are trained.
        trained: names of the parameters that get a gradient.
        keeps_gradients: whether they live until the step, or are taken as soon as they are complete.
        accumulates: whether gradients of earlier micro-batches are there already.
        half: whether products are taken in bfloat16, by autocast.
    """
    loaded = model.dtype
    nn.Module.to(model, dtype)
    try:
        return _trained(model, batch, trained, keeps_gradients, accumulates, half)
    finally:
        nn.Module.to(model, loaded)


def _trained(
    model: PreTrainedModel, batch: Batch, trained: frozenset[str], keeps_gradients: bool, accumulates: bool, half: bool
) -> Cost:
    weights = [weight for name, weight in model.named_parameters() if name in trained]
    with traced(model, torch.bfloat16 if half else None) as trace:
        model.train()
        for weight in model.parameters():
            weight.requires_grad_(False)
        for weight in weights:
            weight.requires_grad_(True)
            weight.grad = torch.zeros_like(weight) if accumulates and keeps_gradients else None
        hooks = [] if keeps_gradients else [one.register_post_accumulate_grad_hook(_drop) for one in weights]
        hidden = model.base_model(**_inputs(batch), use_cache=False).last_hidden_state[:, :-1]
        head = cast(nn.Module, model.get_output_embeddings())
        fused_log_probabilities(hidden.reshape(-1, hidden.shape[-1]), head, half).sum().backward()
    for hook in hooks:
        hook.remove()
    return trace.cost


@lru_cache(maxsize=128)
def answering(model: PreTrainedModel, batch: Batch, *, samples: bool) -> Cost:
    """Prompts read and `batch.read` tokens said, with the cache of keys and values at its longest."""
    kept = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    prompts, whole = Batch(batch.rows, batch.length - batch.read), Batch(batch.rows, max(1, batch.length - 1))
    with torch.no_grad(), traced(model) as trace:
        output = model(**_inputs(prompts), use_cache=True, **kept)
        _choose(output.logits, samples)
        prefill = trace.cost
        del output
        cache = model(**_inputs(whole), use_cache=True, **kept).past_key_values
        built = trace.cost
        trace.forget()
        output = model(
            input_ids=_zeros(batch.rows, 1),
            attention_mask=_zeros(batch.rows, batch.length),
            past_key_values=cache,
            use_cache=True,
        )
        _choose(output.logits, samples)
        step = trace.cost - built
    return prefill + step.times(batch.read)


@lru_cache(maxsize=128)
def judging(judge: PreTrainedModel, batch: Batch, *, differentiates: bool) -> Cost:
    """Verdicts on a batch of exchanges, and their gradient with respect to the judge's embeddings where it is taken."""
    embedding = judge.get_input_embeddings()
    assert isinstance(embedding, nn.Module)
    with torch.set_grad_enabled(differentiates), traced(judge) as trace:
        embeddings = embedding(_zeros(batch.rows, batch.length))
        if differentiates:
            embeddings = embeddings.detach().requires_grad_()
        inputs = {"inputs_embeds": embeddings, "attention_mask": _zeros(batch.rows, batch.length)}
        if judge.get_output_embeddings() is None:  # a sequence classifier
            logits = judge(**inputs).logits
        else:
            last = torch.full((batch.rows,), batch.length - 1)
            logits = logits_at(judge, torch.arange(batch.rows), last, inputs)
        if differentiates:
            torch.autograd.grad(logits.sum(), embeddings)
    return trace.cost


@lru_cache(maxsize=128)
def measuring_perplexity(model: PreTrainedModel, batch: Batch) -> Cost:
    """Losses of given responses, the logits of all tokens in memory."""
    rows = torch.arange(batch.rows).repeat_interleave(batch.read)
    columns = torch.arange(batch.length - batch.read, batch.length).repeat(batch.rows) - 1
    with torch.no_grad(), traced(model) as trace:
        logits = model(**_inputs(batch)).logits
        predicted = logits[rows, columns].float()
        torch.nn.functional.cross_entropy(predicted, _zeros(len(rows)), reduction="none")
    return trace.cost


class _Unknown:
    """An objective on responses of known lengths and unknown words: that of the judge's gradient, or likelihood."""

    unit = ""

    def __init__(self, model: PreTrainedModel, batch: Batch, judge_width: int | None) -> None:
        positions = list(range(max(1, batch.length - batch.read), batch.length))
        self.completions = [Completion("", [0] * batch.length, positions) for _ in range(batch.rows)]
        self._width = judge_width
        self._vocabulary = model.config.get_text_config().vocab_size

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """As `JudgeGradient` and `ResponseLikelihood` have it."""
        completions = [self.completions[item] for item in items]
        with torch.device("meta"):
            return self._value(model, completions)

    def _value(self, model: PreTrainedModel, completions: Sequence[Completion]) -> Float[Tensor, " batch"]:
        if self._width is None:
            log_probabilities = completion_logits(model, completions).log_softmax(-1)
            return reduce_completions(said_log_probabilities(log_probabilities, completions), completions, "mean")
        gains = self._gains(sum(len(one.positions) for one in completions), self._width)
        probabilities = completion_logits(model, completions).softmax(-1)
        return reduce_completions(expected_gains(probabilities, gains), completions, "mean")

    def _gains(self, num_tokens: int, width: int) -> Float[Tensor, "token d_vocab"]:
        """As `JudgeGains.gains` makes them."""
        gradients, embeddings = torch.empty(num_tokens, width), torch.empty(self._vocabulary, width)
        gains = gradients @ embeddings.T - (gradients * gradients).sum(1, keepdim=True)
        readable = torch.empty(self._vocabulary, dtype=torch.bool)
        return gains * readable * torch.empty(num_tokens, 1, dtype=torch.bool)

    def describe(self) -> Mapping[str, object]:
        """Nothing."""
        return {}


def _choose(logits: Float[Tensor, "batch token d_vocab"], samples: bool) -> None:
    """As transformers chooses the next token behind `BrokenLogits`."""
    scores = logits[:, -1, :].to(torch.float32, copy=True)
    scores = scores.masked_fill(~scores.amax(-1).isfinite()[:, None], 0.0)
    if samples:
        scores = scores.softmax(-1)
    scores.argmax(-1)


def _inputs(batch: Batch) -> dict[str, Tensor]:
    zeros = _zeros(batch.rows, batch.length)
    return {"input_ids": zeros, "attention_mask": torch.empty_like(zeros)}


def _zeros(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.int64, device="meta")


def _drop(weight: Tensor) -> None:
    weight.grad = None
