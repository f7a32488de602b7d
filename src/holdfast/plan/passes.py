"""The passes of a stage, run on the meta device to count memory beside the weights, and work.

Every pass calls the stage's own code on one batch of a given shape: the scoring of `score.gradient`, the logits of
`models.logits`, the cache of transformers. TRL's fused head needs the device's autocast and can't run on the meta
device, so `fused_head.py` makes its allocations.
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
from holdfast.models.sites import Site, scorable_sites
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
from holdfast.score.passes import Pass


@dataclass(frozen=True)
class Batch:
    """The shape of a batch."""

    rows: int
    length: int
    """Tokens in a row, padding included."""
    read: int = 0
    """Tokens of the response in a row."""

    @property
    def tokens(self) -> int:
        """Tokens in the batch, padding included."""
        return self.rows * self.length


@lru_cache(maxsize=16)
def sites_to_score(model: PreTrainedModel) -> tuple[Site, ...]:
    """Returns the sites that are scored. They are listed once for a model that is only planned with."""
    return tuple(scorable_sites(model))


@lru_cache(maxsize=128)  # arms, and the settings that advice tries, share passes
def scoring(model: PreTrainedModel, batch: Batch, *, judge_width: int | None) -> Cost:
    """Cost of one half's sums and a batch's pass.

    The pass is the gradient through a judge of this embedding width, or of the likelihood of responses for None.
    """
    names = [site.name for site in sites_to_score(model)]
    objective = _Unknown(model, batch, judge_width)
    with traced(model) as trace:
        sum_gradients(model, names, objective, range(batch.rows), Pass(token_budget=batch.tokens))
    return trace.cost


@lru_cache(maxsize=128)
def scoring_budget(
    model: PreTrainedModel, length: int, read: int, place: torch.device, *, judge_width: int | None
) -> int:
    """Token budget of a batch that scoring chooses for items of this length, where the config sets none."""
    weights = dict(model.named_parameters())
    sums = {site.name: weights[site.name] for site in sites_to_score(model)}
    objective = _Unknown(model, Batch(1, length, read), judge_width)
    with traced(model):
        return token_budget_of(model, sums, objective, [0], place)


@dataclass(frozen=True)
class Step:
    """Settings of training on a micro-batch."""

    trained: frozenset[str]
    """Names of the parameters that get a gradient."""
    dtype: torch.dtype = torch.float32
    """Dtype of the weights in the pass."""
    gradient: torch.dtype = torch.float32
    """Dtype of the gradients that are kept."""
    half: bool = False
    """True where autocast computes products in bfloat16."""
    keeps_gradients: bool = True
    """True where gradients stay until the step. False where each is used and freed as soon as it is complete."""
    accumulates: bool = False
    """True where gradients of earlier micro-batches are in memory already."""
    spread: Spread = IN_ONE
    """Processes that share the work. Those of a sharded model keep a part of every gradient."""


@lru_cache(maxsize=128)
def training(model: PreTrainedModel, batch: Batch, step: Step) -> Cost:
    """Cost of forward and backward of one micro-batch under TRL's fused head. The model keeps its dtype afterwards."""
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
    """Allocates the gradients of earlier micro-batches, and registers hooks that keep or free the new ones.

    Returns the hooks, and the list of all gradients that are kept.
    """
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
    """Cost of reading prompts and generating `batch.read` tokens, with the key-value cache at its longest."""
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
    """Cost of verdicts on a batch of exchanges, and of their gradient for the judge's embeddings if asked."""
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
    """Cost of the losses of given responses, from the logits at their tokens."""
    rows = torch.arange(batch.rows).repeat_interleave(batch.read)
    columns = torch.arange(batch.length - batch.read, batch.length).repeat(batch.rows) - 1
    with torch.no_grad(), traced(model) as trace:
        predicted = logits_at(model, rows, columns, _inputs(batch))
        torch.nn.functional.cross_entropy(predicted, _zeros(len(rows)), reduction="none")
    return trace.cost


class _Unknown:
    """An objective on responses of known lengths and unknown tokens: the judge's gradient, or the likelihood."""

    unit = ""

    def __init__(self, model: PreTrainedModel, batch: Batch, judge_width: int | None) -> None:
        positions = list(range(max(1, batch.length - batch.read), batch.length))
        self.completions = [Completion("", [0] * batch.length, positions) for _ in range(batch.rows)]
        self._width = judge_width
        self._vocabulary = model.config.get_text_config().vocab_size

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Computes the contributions as `JudgeGradient` and `ResponseLikelihood` do, on the meta device."""
        completions = [self.completions[item] for item in items]
        with torch.device("meta"):
            return self._value(model, completions)

    def _value(self, model: PreTrainedModel, completions: Sequence[Completion]) -> Float[Tensor, " batch"]:
        if self._width is None:
            log_probabilities = completion_logits(model, completions).log_softmax(-1)
            return reduce_completions(said_log_probabilities(log_probabilities, completions), completions, "mean")
        gains = self._gains(sum(len(completion.positions) for completion in completions), self._width)
        probabilities = completion_logits(model, completions).softmax(-1)
        return reduce_completions(expected_gains(probabilities, gains), completions, "mean")

    def _gains(self, num_tokens: int, width: int) -> Float[Tensor, "token d_vocab"]:
        """Allocates the gains as `JudgeGains.gains` does."""
        gradients, embeddings = torch.empty(num_tokens, width), torch.empty(self._vocabulary, width)
        gains = gradients @ embeddings.T - (gradients * gradients).sum(1, keepdim=True)
        readable = torch.empty(self._vocabulary, dtype=torch.bool)
        return gains * readable * torch.empty(num_tokens, 1, dtype=torch.bool)

    def describe(self) -> Mapping[str, object]:
        """Returns an empty description."""
        return {}


def _choose(logits: Float[Tensor, "batch token d_vocab"], samples: bool) -> None:
    """Chooses the next token with the operations of transformers after `BrokenLogits`."""
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
