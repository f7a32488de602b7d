"""Memory and work of generating responses, judging them and scoring by them: scoring, verification, evaluation."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import cast

from torch import nn

from holdfast.judge.guard import GuardJudge
from holdfast.models.load import Outline
from holdfast.models.logits import logits_budget
from holdfast.models.options import GenerateOptions
from holdfast.objective.material import TRIED
from holdfast.objective.registry import OBJECTIVES, takes_gradient
from holdfast.pipeline.objectives import sampled
from holdfast.pipeline.options import JudgeOptions, ScoringOptions
from holdfast.plan.lengths import TEMPLATE, Lengths
from holdfast.plan.memory import Need, Subject
from holdfast.plan.passes import (
    Batch,
    answering,
    judging,
    measuring_perplexity,
    scoring,
    scoring_budget,
    sites_to_score,
)
from holdfast.plan.spread import IN_ONE, Spread
from holdfast.plan.trace import NOTHING, Cost
from holdfast.prompts.batching import batches_by_length
from holdfast.prompts.chat import encode_prompt
from holdfast.score.host_sums import AHEAD
from holdfast.score.registry import SCORES

JUDGE_TEMPLATE = 256
"""Guessed number of tokens in a judge's template, where its tokenizer is missing."""


@dataclass(frozen=True)
class PlannedJudge:
    """A judge known only by its config, and by its tokenizer where that is present."""

    outline: Outline | None
    """Shapes of its weights. None for a judge without local weights: one behind an API, or the refusal rules."""
    options: JudgeOptions
    template: int = JUDGE_TEMPLATE - TEMPLATE
    """Tokens of the judge's template beyond those of the model's template, which are in the prompts' lengths."""
    ratio: float = 1.0
    """Tokens of the judge for one token of the model."""

    spread: Spread = IN_ONE
    """Processes that hold parts of the judge."""

    @property
    def read(self) -> int:
        """Bytes of the judge's weights, which each process reads."""
        model = self.outline and self.outline.model
        return sum(one.nbytes for one in (*model.parameters(), *model.buffers())) if model else 0

    @property
    def loaded(self) -> int:
        """Bytes of the judge's weights that stay in a process.

        A sharded judge has its whole embedding and a part of the other weights in every process.
        """
        if self.outline is None or self.spread.parts == 1:
            return self.read
        model = self.outline.model
        table = [weight for module in [cast(nn.Module, model.get_input_embeddings())] for weight in module.parameters()]
        others = [weight for weight in model.parameters() if all(weight is not one for one in table)]
        elsewhere = sum(one.numel() for one in others) - self.spread.held(others)
        return self.read - model.dtype.itemsize * elsewhere

    @property
    def gathered(self) -> int:
        """Most bytes of other processes' parts that a pass gathers."""
        model = self.outline and self.outline.model
        return self.spread.gathered(model, model.dtype.itemsize) if model else 0

    @property
    def budget(self) -> int:
        """Most tokens in a batch of the judge."""
        is_guard = self.outline is not None and self.outline.model.get_output_embeddings() is not None
        return self.options.guard.token_budget if is_guard else self.options.classifier.token_budget

    def lengths(self, asked: Sequence[int], said: int) -> list[int]:
        """Lengths of exchanges in the judge's tokens, from the model's tokens of prompts and response."""
        return [self.template + ceil((length + said) * self.ratio) for length in asked]

    def fitted(self, model: Outline, prompts: Sequence[str]) -> "PlannedJudge":
        """Returns this judge with `template` and `ratio` measured by both tokenizers on the same prompts."""
        if self.outline is None or self.outline.tokenizer is None or model.tokenizer is None or not prompts:
            return self
        ours, theirs = (
            sum(len(one(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts)
            for one in (self.outline.tokenizer, model.tokenizer)
        )
        template, ratio = self.template, ours / max(1, theirs)
        if self.outline.model.get_output_embeddings() is not None:
            shown = GuardJudge(self.outline.model, self.outline.tokenizer, self.options.guard).show("a", "a")
            template = len(shown.token_ids) - 2 - round(ratio * (len(encode_prompt(model.tokenizer, "a")) - 1))
        return replace(self, template=template, ratio=ratio)


@dataclass(frozen=True)
class Asking:
    """A model, a judge and the settings of generation."""

    subject: Subject
    judge: PlannedJudge
    generation: GenerateOptions
    spread: Spread = IN_ONE
    """Processes that share the work, and the model where it is sharded."""

    @property
    def weights(self) -> int:
        """Bytes of both models' weights, which stay in memory."""
        return self.subject.loaded_in(self.spread) + self.judge.loaded

    @cached_property
    def scored_here(self) -> int:
        """Number of scored entries in the first process."""
        weights = dict(self.subject.model.named_parameters())
        return self.spread.held(weights[site.name] for site in sites_to_score(self.subject.outline.model))

    @cached_property
    def largest_here(self) -> int:
        """Number of entries of the largest scored parameter in the first process."""
        weights = dict(self.subject.model.named_parameters())
        return max(self.spread.held([weights[site.name]]) for site in sites_to_score(self.subject.outline.model))

    @cached_property
    def loading(self) -> Need:
        """Need while the weights are loaded. They pass through host memory on their way to a device."""
        on_cpu = self.subject.place.type == "cpu"
        on_device = max(self.weights, self.judge.read)  # which is there before the model
        return Need(on_device, 0 if on_cpu else max(self.subject.loaded_in(self.spread), self.judge.read))

    def answer(self, lengths: Sequence[int], samples: int = 1) -> Need:
        """Need to generate responses of the largest length to prompts of these lengths.

        Processes share the batches. A sharded model needs all processes for each batch.
        """
        new = self.generation.max_new_tokens
        whole = [length + new for length in lengths for _ in range(samples)]

        def one(rows: int, length: int) -> Cost:
            batch = Batch(rows, length, min(new, length - 1))
            cost = answering(self.subject.outline.model, batch, samples=self.generation.temperature > 0)
            return replace(cost, peak=cost.peak + self._gathered())

        return self._over(whole, self.generation.token_budget, one, 1 if self.spread.shard else self.spread.processes)

    def judged(self, lengths: Sequence[int], *, differentiates: bool = False) -> Need:
        """Need to judge the responses, or to take the gradients of the judge's scores."""
        outline = self.judge.outline
        if outline is None:
            return Need(self.weights)
        shown = self.judge.lengths(lengths, self.generation.max_new_tokens)

        def one(rows: int, length: int) -> Cost:
            cost = judging(outline.model, Batch(rows, length), differentiates=differentiates)
            return replace(cost, peak=cost.peak + self.judge.gathered)

        return self._over(shown, self.judge.budget, one)

    def evaluated(self, lengths: Sequence[int], harmful: Sequence[int], questions: Lengths) -> Need:
        """Need of an evaluation: all responses, verdicts on those to harmful prompts, perplexity of known answers."""
        samples = self.generation.num_samples
        need = self.loading.then(self.answer(lengths, samples)).then(self.judged([*harmful] * samples))
        if not questions.prompts:
            return need
        read = max(1, round(sum(questions.responses) / len(questions.responses)))

        def one(rows: int, length: int) -> Cost:
            return measuring_perplexity(self.subject.outline.model, Batch(rows, length, min(read, length - 1)))

        return need.then(self._over(questions.exchanges, logits_budget(self.subject.outline.model), one))

    def scored(self, lengths: Lengths, options: ScoringOptions) -> Need:
        """Need of scoring by a judge: responses, gradients through the judge, scores of all prompts and of halves."""
        record, prompts = OBJECTIVES[options.objective], lengths.prompts
        differentiates = takes_gradient(record)
        samples = (sampled(self.generation) if record.samples else self.generation).num_samples
        tried = prompts[:TRIED] if differentiates else prompts
        need = self.loading.then(self.answer(prompts, samples)).then(self.judged(tried))
        if SCORES[options.method].needs != "gradient":
            return need.then(_sums(self, Cost(0), options))
        whole = [length + self.generation.max_new_tokens for length in _half(prompts) for _ in range(samples)]
        outline = self.judge.outline if differentiates else None
        width = _width(outline) if outline else None
        new = self.generation.max_new_tokens
        budget = options.token_budget or self._budget(whole, new, width)
        passes = self._over(
            whole,
            budget,
            lambda rows, length: self._pass(rows, length, new, width, on_host=options.sums_on_host),
            self.spread.processes,
        )
        if outline:  # the judge's pass is let go of before the model's begins
            rows = self._rows(whole, budget)
            judged = self.judged([max(prompts)] * rows, differentiates=True).device - self.weights
            sums = 4 * self.scored_here
            on_device = sums if self.sums_on_device(options.sums_on_host) else 0
            need = need.then(_beside(self, on_device + judged, 2 * sums - on_device))
        return need.then(_sums(self, passes.work, options))

    def likelihood(self, lengths: Lengths, options: ScoringOptions) -> Need:
        """Need of scoring by the likelihood of given responses, without a judge."""
        alone = replace(self, judge=replace(self.judge, outline=None))
        read = max(1, round(sum(lengths.responses) / len(lengths.responses)))
        whole = _half(lengths.exchanges)
        passes = alone._over(
            whole,
            options.token_budget or alone._budget(whole, read, None),
            lambda rows, length: alone._pass(rows, length, read, None, on_host=options.sums_on_host),
            self.spread.processes,
        )
        return alone.loading.then(_sums(alone, passes.work, options))

    def _pass(self, rows: int, length: int, read: int, width: int | None, *, on_host: bool) -> Cost:
        cost = scoring(self.subject.outline.model, Batch(rows, length, min(read, length - 1)), judge_width=width)
        here, on_the_way = 4 * self.scored_here, 0
        if not self.sums_on_device(on_host):
            here, on_the_way = 0, AHEAD * self.subject.width * self.largest_here
        elsewhere = 4 * self.subject.scored - here  # of the sums that the pass makes
        names = {site.name for site in sites_to_score(self.subject.outline.model)}
        return replace(cost, peak=cost.peak - elsewhere + on_the_way + self._gathered(names))

    def _budget(self, lengths: Sequence[int], read: int, width: int | None) -> int:
        """Token budget of a batch where the config sets none."""
        model, longest = self.subject.outline.model, max(lengths)
        return scoring_budget(model, longest, min(read, longest - 1), self.subject.place, judge_width=width)

    def sums_on_device(self, on_host: bool) -> bool:
        """True where sums of gradients lie in the same memory as the weights. A CPU has only host memory."""
        return not on_host or self.subject.place.type == "cpu"

    def _gathered(self, trained: Collection[str] = ()) -> int:
        return self.spread.gathered(self.subject.outline.model, self.subject.width, trained)

    def _rows(self, lengths: Sequence[int], budget: int) -> int:
        return max(map(len, batches_by_length(lengths, budget)))

    def _over(self, lengths: Sequence[int], budget: int, one: Callable[[int, int], Cost], processes: int = 1) -> Need:
        """Need of passes over batches: the peak of the largest batch, and the work of one process's share of all."""
        if not lengths:
            return Need(self.weights)
        batches = [(len(batch), lengths[batch[0]]) for batch in batches_by_length(lengths, budget)]
        rows, length = max(batches, key=lambda shape: (shape[0] * shape[1], shape[1]))
        cost = one(rows, length)
        tokens = sum(rows * length for rows, length in batches)
        share = ceil(len(batches) / processes) / len(batches)
        return Need(self.weights + cost.peak, work=cost.times(share * tokens / (rows * length)))


def _width(judge: Outline) -> int:
    """Width of the judge's embeddings."""
    return cast(nn.Embedding, judge.model.get_input_embeddings()).embedding_dim


def _half(lengths: Sequence[int]) -> Sequence[int]:
    """Lengths of one half of the prompts. Scoring takes one half after the other."""
    return sorted(lengths)[1::2] or lengths


def _sums(asking: Asking, work: Cost, options: ScoringOptions) -> Need:
    """Need of two halves' passes, then of three scores (`score/scoring.py`), then of the convergence curve."""
    scored, largest = asking.scored_here, asking.largest_here
    on_host = 4 * scored if asking.sums_on_device(options.sums_on_host) else 8 * scored
    need = _beside(asking, work.peak, on_host, work.times(2))
    need = need.then(_beside(asking, 16 * largest + _whole_for_sigma(asking), 12 * scored))
    if options.convergence:
        need = need.then(_beside(asking, work.peak, 24 * scored + on_host, work.times(2)))
    return need


def _beside(asking: Asking, device: int, host: int, work: Cost = NOTHING) -> Need:
    """Need of bytes on the device beside the weights, and of bytes on the host. A CPU's memory serves as both."""
    if asking.subject.place.type == "cpu":
        return Need(asking.weights + device + host, work=work)
    return Need(asking.weights + device, host, work)


def _whole_for_sigma(asking: Asking) -> int:
    """Bytes to compute sigma of a sharded model, which gathers one parameter and takes one matrix in float32."""
    if asking.spread.parts == 1:
        return 0
    model, width = asking.subject.outline.model, asking.subject.width
    return max(
        width * site.num_entries + 4 * site.num_entries // max(1, site.layout.num_experts)
        for site in sites_to_score(model)
    )
