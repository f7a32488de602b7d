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
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from holdfast.models.caches import cache_argument, cache_of
from holdfast.models.logits import logits_at
from holdfast.models.sites import scorable_sites
from holdfast.objective.completions import (
    Completion,
    completion_logits,
    expected_gains,
    reduce_completions,
    said_log_probabilities,
)
from holdfast.plan.fused_head import fused_log_probabilities
from holdfast.plan.spread import IN_ONE, Spread
from holdfast.plan.trace import Cost, traced
from holdfast.score.gradient import sum_gradients, token_budget_of


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
def scoring_budget(
    model: PreTrainedModel, length: int, read: int, place: torch.device, *, judge_width: int | None
) -> int:
    """Tokens of a batch, as scoring chooses them for items of that length where no budget is set."""
    weights = dict(model.named_parameters())
    sums = {site.name: weights[site.name] for site in scorable_sites(model)}
    objective = _Unknown(model, Batch(1, length, read), judge_width)
    with traced(model):
        return token_budget_of(model, sums, objective, [0], place)


@dataclass(frozen=True)
class Step:
    """How a micro-batch is trained on."""

    trained: frozenset[str]
    """Names of the parameters that get a gradient."""
    dtype: torch.dtype = torch.float32
    """That weights are computed with in."""
    gradient: torch.dtype = torch.float32
    """Of a gradient that is kept."""
    half: bool = False
    """Whether products are taken in bfloat16, by autocast."""
    keeps_gradients: bool = True
    """Whether gradients live until the step, or are taken as soon as they are complete."""
    accumulates: bool = False
    """Whether gradients of earlier micro-batches are there already."""
    spread: Spread = IN_ONE
    """Processes of a sharded model keep a part of every gradient."""


@lru_cache(maxsize=128)
def training(model: PreTrainedModel, batch: Batch, step: Step) -> Cost:
    """Forward and backward of one micro-batch under TRL's fused head; the model is given back in its own dtype."""
    loaded = model.dtype
    nn.Module.to(model, step.dtype)
    try:
        return _trained(model, batch, step)
    finally:
        nn.Module.to(model, loaded)


def _trained(model: PreTrainedModel, batch: Batch, step: Step) -> Cost:
    weights = [weight for name, weight in model.named_parameters() if name in step.trained]
    with traced(model, torch.bfloat16 if step.half else None) as trace:
        model.train()
        for weight in model.parameters():
            weight.requires_grad_(False)
        for weight in weights:
            weight.requires_grad_(True)
        hooks, _kept = _gradients(weights, step)
        hidden = model.base_model(**_inputs(batch), use_cache=False).last_hidden_state[:, :-1]
        head = cast(nn.Module, model.get_output_embeddings())
        fused_log_probabilities(hidden.reshape(-1, hidden.shape[-1]), head, step.half).sum().backward()
    for hook in hooks:
        hook.remove()
    return trace.cost


def _gradients(weights: Sequence[Tensor], step: Step) -> tuple[list[RemovableHandle], list[Tensor]]:
    """Gradients that are there before the pass, and hooks on those that come; the list is what is kept of either."""
    kept = (
        [_part(weight, step.spread, step.gradient) for weight in weights]
        if step.keeps_gradients and step.accumulates
        else []
    )
    if step.keeps_gradients and step.spread.parts == 1:
        for weight, gradient in zip(weights, kept, strict=False):
            weight.grad = gradient.view_as(weight)
        return [], kept

    def take(weight: Tensor) -> None:
        weight.grad = None
        if step.keeps_gradients and not step.accumulates:
            kept.append(_part(weight, step.spread, step.gradient))

    return [weight.register_post_accumulate_grad_hook(take) for weight in weights], kept


def _part(weight: Tensor, spread: Spread, dtype: torch.dtype) -> Tensor:
    return torch.empty(spread.held([weight]), dtype=dtype, device=weight.device)


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
        cache = cache_of(model(**_inputs(whole), use_cache=True, **kept))
        built = trace.cost
        trace.forget()
        output = model(
            input_ids=_zeros(batch.rows, 1),
            attention_mask=_zeros(batch.rows, batch.length),
            **cache_argument(cache),
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
    """Losses of given responses, from the logits at their tokens."""
    rows = torch.arange(batch.rows).repeat_interleave(batch.read)
    columns = torch.arange(batch.length - batch.read, batch.length).repeat(batch.rows) - 1
    with torch.no_grad(), traced(model) as trace:
        predicted = logits_at(model, rows, columns, _inputs(batch))
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
