"""peak of a stage = weights + what the stage holds beside them + the most that any of its passes takes   (bytes)

With P parameters, S scored entries, k selected ones and b bytes of a stored value, what is held beside the weights:

    scoring         4 S    the first half's sums, on the host, while the second half's pass makes its own
                    12 S   three scores, on the host; parameter by parameter they take the room of both halves' sums
                    16 L   beside them, where L is the largest parameter: its sums, mean and score; on the device
                    28 S   the three scores, two of the curve and two sums of it, on the host, with convergence
    enhance, mask   (40 + b) k   mask, old and former values (12 + b: on the host), positions, SparseAdamW's masters and
                    moments; on a CPU positions take 8 bytes and not 4, twice
    enhance, full   8 t    AdamW's moments of t trained entries; their gradients are the pass's
    adapt           8 t, and 24 k (32 k on a CPU) where a mask is held: the mask (8: on the host), positions and values,
                    each twice
    adapt, LoRA     12 a, and 24 k (32 k)   weights and moments of a adapter entries; the base stays in float32
    verify          20 k (24 k)   mask, positions, saved values, noise

Training is on float32 weights (4 P), whatever the checkpoint's dtype, but for SET's of a mask: half precision stays as
it is where a device computes in it. All else is on weights as `load_model` loads them.

In N processes, each with the whole model, dense training also holds the buckets of DistributedDataParallel (4 t). Where
they share it (`spread.py`), weights, sums and an optimizer's state are N parts, and so are gradients, which the pass
counts; mask (8 k) and old values (b k) are in each; the first gathers all weights (b P) on the host to save them.
Products in bfloat16 of float32 weights are of copies (2 t), which autocast makes; of a sharded model they are of what
is gathered, in bfloat16 (`load_model`, mixed_precision).

Sources: the files named beside each formula. Passes are followed on the meta device (`trace.py`).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn

from holdfast.intervene.options import AdaptOptions, SftOptions
from holdfast.intervene.train.adapters import adapters
from holdfast.intervene.train.frozen import frozen_roles
from holdfast.models.load import HALF_PRECISION, Outline
from holdfast.models.sites import list_sites, scorable_sites
from holdfast.plan.passes import Batch, Step, training
from holdfast.plan.spread import IN_ONE, Spread
from holdfast.plan.trace import NOTHING, Cost
from holdfast.select.ranking import count_selected

PROCESS = 520 * 2**20
"""Bytes of a Python process that has imported all this and loaded nothing: what `benchmarks/plan.py` measured."""
TRAINER = 8 * 2**20
"""Bytes of trainer and data set beside all tensors, whatever the model: measured there, 3 to 9 MB."""


@dataclass(frozen=True)
class Need:
    """What a stage, or a part of it, needs."""

    device: int = 0
    """Bytes at most, on the device; on a CPU this is host memory too."""
    host: int = 0
    """Bytes at most beside the process itself and what is on the device."""
    work: Cost = NOTHING

    def then(self, other: "Need") -> "Need":
        """Of one part and then another."""
        return Need(max(self.device, other.device), max(self.host, other.host), self.work + other.work)


@dataclass(frozen=True)
class Subject:
    """A model of which nothing but the config is there, and the device that it would be on."""

    name: str
    outline: Outline
    place: torch.device
    fraction: float
    """Share of the scored entries that is selected."""

    @property
    def model(self) -> nn.Module:
        """Names and shapes."""
        return self.outline.model

    @cached_property
    def entries(self) -> int:
        """All parameters' entries: P."""
        return sum(weight.numel() for weight in self.model.parameters())

    @cached_property
    def scored(self) -> int:
        """Scored entries: S."""
        return sum(site.num_entries for site in scorable_sites(self.outline.model))

    @cached_property
    def selected(self) -> int:
        """Entries of a mask: k."""
        return count_selected(self.fraction, self.scored)

    @property
    def position(self) -> int:
        """Bytes of a selected entry's position (`intervene/entries.py`)."""
        return 8 if self.place.type == "cpu" else 4

    @property
    def loaded(self) -> int:
        """Bytes of the weights and buffers, as they are loaded."""
        return self.loaded_in(IN_ONE)

    def loaded_in(self, spread: Spread) -> int:
        """Those of the first process."""
        buffers = sum(buffer.nbytes for buffer in self.model.buffers())
        return sum(weight.itemsize * spread.held([weight]) for weight in self.model.parameters()) + buffers

    @property
    def width(self) -> int:
        """Bytes of a value as it is loaded."""
        return self.outline.model.dtype.itemsize

    @property
    def stored(self) -> int:
        """Bytes of the checkpoint."""
        return self.outline.storage_dtype.itemsize * self.entries

    @property
    def half(self) -> bool:
        """Whether training takes its products in bfloat16 (`intervene/train/trainer.py`)."""
        return self.place.type != "cpu" and self.outline.storage_dtype in HALF_PRECISION


def enhancing(subject: Subject, options: SftOptions, longest: int, *, full: bool, processes: int = 1) -> Need:
    """SET: the mask's entries (`intervene/train/sparse_adamw.py`), or all weights."""
    spread = Spread(processes, options.shard)
    if full:
        return _dense(subject, options, longest, (), spread)
    k, of_value = subject.selected, subject.outline.storage_dtype.itemsize
    trained = {site.name for site in scorable_sites(subject.outline.model)}
    dtype = subject.outline.model.dtype if subject.half else torch.float32
    step = Step(frozenset(trained), dtype, half=subject.half, keeps_gradients=False, spread=spread)
    work = _steps(subject, options, longest, step)
    weights = dtype.itemsize * spread.held(subject.model.parameters())
    beside = (
        (20 + 2 * subject.position) * k // spread.parts
        + work.peak
        + spread.gathered(subject.outline.model, dtype.itemsize, trained)
    )
    need = _with_host(subject, Need(weights + beside, TRAINER, work), (8 + 4 + of_value) * k)
    return need.then(_saved(subject, spread, dtype.itemsize))


def adapting(subject: Subject, options: AdaptOptions, longest: int, *, protected: bool, processes: int = 1) -> Need:
    """SPA (`intervene/hold/protect.py`) or plain fine-tuning. Adapters are trained in one process only."""
    spread = Spread(processes, options.shard)
    held = 2 * (4 + subject.position) * subject.selected // spread.parts if protected else 0
    mask = 8 * subject.selected if protected else 0
    if options.lora is None:
        return _dense(subject, options, longest, options.freeze, spread, held, mask)
    model = subject.outline.model
    with torch.device("meta"), adapters(model, options.lora, options.seed):
        trained = {name: weight.numel() for name, weight in model.named_parameters() if weight.requires_grad}
        work = _steps(subject, options, longest, Step(frozenset(trained), half=subject.half))
        adapter = 12 * sum(trained.values())
    before = subject.stored  # a copy, to count what rounding leaves of the training (`intervene/train/precision.py`)
    return _with_host(subject, Need(4 * subject.entries + adapter + held + work.peak, TRAINER, work), mask + before)


def _dense(
    subject: Subject, options: SftOptions, longest: int, freeze: tuple, spread: Spread, held: int = 0, mask: int = 0
) -> Need:
    """Fused AdamW on all that is not frozen (`intervene/train/trainer.py`)."""
    model = subject.outline.model
    roles = frozen_roles(model, freeze, train_routers=options.train_routers)
    trained = {site.name for site in list_sites(model) if site.role not in roles}
    gathered = torch.bfloat16 if subject.half and spread.shard else torch.float32
    step = Step(frozenset(trained), gathered, half=subject.half, spread=spread)
    work = _steps(subject, options, longest, step)
    entries = spread.held(weight for name, weight in model.named_parameters() if name in trained)
    buckets = 4 * entries if spread.processes > 1 and not spread.shard else 0
    weights = 4 * spread.held(model.parameters())
    beside = work.peak + spread.gathered(model, gathered.itemsize, trained)
    need = Need(weights + 8 * entries + buckets + held + beside, TRAINER, work)
    before = subject.outline.storage_dtype.itemsize * entries  # a copy, to count what rounding leaves of the training
    return _with_host(subject, need, mask + before).then(_saved(subject, spread, 4))


def _with_host(subject: Subject, need: Need, count: int) -> Need:
    """The same with so many bytes more in the host's memory, which a CPU works in."""
    if subject.place.type == "cpu":
        return replace(need, device=need.device + count)
    return replace(need, host=need.host + count)


def _saved(subject: Subject, spread: Spread, width: int) -> Need:
    """All weights in the host's memory as they are stored, one parameter gathered at a time (`pipeline/saving.py`)."""
    if spread.parts == 1:
        return Need()
    weights = list(subject.model.parameters())
    here = width * (spread.held(weights) + max(weight.numel() for weight in weights))
    return Need(here + subject.stored) if subject.place.type == "cpu" else Need(here, subject.stored)


def _steps(subject: Subject, options: SftOptions, longest: int, step: Step) -> Cost:
    """The steps' passes, of which every process takes its share."""
    processes = step.spread.processes
    micro = min(options.micro_batch_size or max(options.batch_size // processes, 1), options.batch_size)
    parts = max(options.batch_size // (micro * processes), 1)
    batch = Batch(micro, min(longest, options.max_length))
    cost = training(subject.outline.model, batch, replace(step, accumulates=parts > 1))
    return cost.times(parts * options.iterations)
