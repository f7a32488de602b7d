"""peak of a stage = weights + other tensors that the stage keeps + the largest need of any of its passes   (bytes)

With P parameters, S scored entries, k selected entries and b bytes of a stored value, a stage keeps beside the weights:

    scoring         4 S    the first half's sums, on the host, during the second half's pass
                    12 S   three scores, on the host, which replace both halves' sums parameter by parameter
                    16 L   the sums, mean and score of the largest parameter (L entries), on the device
                    28 S   the three scores, two of the curve and two sums of it, on the host, with convergence
    enhance, mask   (40 + b) k   mask, old and former values (12 + b, on the host), positions, SparseAdamW's masters and
                    moments, where on a CPU positions take 8 bytes and not 4, twice
    enhance, full   8 t    AdamW's moments of t trained entries (the pass counts their gradients)
    adapt           8 t, and 24 k (32 k on a CPU) where a mask is held: the mask (8, on the host), positions and values,
                    each twice
    adapt, LoRA     12 a, and 24 k (32 k)   weights and moments of a adapter entries, with the base in float32
    verify          20 k (24 k)   mask, positions, saved values, noise

Training uses float32 weights (4 P) for every dtype of the checkpoint, with one exception: SET of a mask keeps half
precision where the device computes in it. All other stages use weights as `load_model` loads them.

In N processes with the whole model each, dense training also keeps the buckets of DistributedDataParallel (4 t). For a
sharded model (`spread.py`):
- weights, sums, optimizer state and gradients (which the pass counts) are split into N parts
- mask (8 k) and old values (b k) are whole in every process
- the first process gathers all weights (b P) on the host to save them
bfloat16 products of float32 weights use copies (2 t), which autocast makes. For a sharded model they use the gathered
weights, in bfloat16 (`load_model`, mixed_precision).

Sources: the files named beside each formula. Passes run on the meta device (`trace.py`).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn

from holdfast.intervene.options import AdaptOptions, SftOptions
from holdfast.intervene.train.adapters import adapters
from holdfast.intervene.train.frozen import frozen_roles
from holdfast.models.load import HALF_PRECISION, Outline
from holdfast.models.sites import list_sites
from holdfast.plan.passes import Batch, Step, sites_to_score, training
from holdfast.plan.spread import IN_ONE, Spread
from holdfast.plan.trace import NOTHING, Cost
from holdfast.select.ranking import count_selected

PROCESS = 520 * 2**20
"""Bytes of a Python process with all imports and no model, measured by `benchmarks/plan.py`."""
TRAINER = 8 * 2**20
"""Bytes of the trainer and its data set without tensors, for any model: `benchmarks/plan.py` measured 3 to 9 MB."""


@dataclass(frozen=True)
class Need:
    """Memory and work of a stage or of a part of it."""

    device: int = 0
    """Peak bytes on the device. On a CPU this is host memory too."""
    host: int = 0
    """Peak bytes in host memory, without the process itself and the device's bytes."""
    work: Cost = NOTHING

    def then(self, other: "Need") -> "Need":
        """Combines the needs of two parts that run one after the other."""
        return Need(max(self.device, other.device), max(self.host, other.host), self.work + other.work)


@dataclass(frozen=True)
class Subject:
    """A model known only by its config, and the device that it would run on."""

    name: str
    outline: Outline
    place: torch.device
    fraction: float
    """Selected share of the scored entries."""

    @property
    def model(self) -> nn.Module:
        """The model on the meta device, with names and shapes only."""
        return self.outline.model

    @cached_property
    def entries(self) -> int:
        """Number of entries of all parameters, P."""
        return sum(weight.numel() for weight in self.model.parameters())

    @cached_property
    def scored(self) -> int:
        """Number of scored entries, S."""
        return sum(site.num_entries for site in sites_to_score(self.outline.model))

    @cached_property
    def selected(self) -> int:
        """Number of selected entries, k."""
        return count_selected(self.fraction, self.scored)

    @property
    def position(self) -> int:
        """Bytes of a selected entry's position (`intervene/entries.py`)."""
        return 8 if self.place.type == "cpu" else 4

    @property
    def loaded(self) -> int:
        """Bytes of the loaded weights and buffers."""
        return self.loaded_in(IN_ONE)

    def loaded_in(self, spread: Spread) -> int:
        """Bytes of the loaded weights and buffers in the first process."""
        buffers = sum(buffer.nbytes for buffer in self.model.buffers())
        return sum(weight.itemsize * spread.held([weight]) for weight in self.model.parameters()) + buffers

    @property
    def width(self) -> int:
        """Bytes of a loaded value."""
        return self.outline.model.dtype.itemsize

    @property
    def stored(self) -> int:
        """Bytes of the stored checkpoint."""
        return self.outline.storage_dtype.itemsize * self.entries

    @property
    def half(self) -> bool:
        """True where training computes products in bfloat16 (`intervene/train/trainer.py`)."""
        return self.place.type != "cpu" and self.outline.storage_dtype in HALF_PRECISION


def enhancing(subject: Subject, options: SftOptions, longest: int, *, full: bool, processes: int = 1) -> Need:
    """Need of SET: training of the mask's entries (`intervene/train/sparse_adamw.py`), or of all weights."""
    spread = Spread(processes, options.shard)
    if full:
        return _dense(subject, options, longest, (), spread)
    k, of_value = subject.selected, subject.outline.storage_dtype.itemsize
    trained = {site.name for site in sites_to_score(subject.outline.model)}
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
    """Need of SPA (`intervene/hold/protect.py`) or plain fine-tuning. Adapters are trained in one process only."""
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
    before = subject.stored  # a copy, to count the changes that rounding undoes (`intervene/train/precision.py`)
    return _with_host(subject, Need(4 * subject.entries + adapter + held + work.peak, TRAINER, work), mask + before)


def _dense(
    subject: Subject, options: SftOptions, longest: int, freeze: tuple, spread: Spread, held: int = 0, mask: int = 0
) -> Need:
    """Need of fused AdamW on all parameters that are not frozen (`intervene/train/trainer.py`)."""
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
    before = subject.outline.storage_dtype.itemsize * entries  # a copy, to count the changes that rounding undoes
    return _with_host(subject, need, mask + before).then(_saved(subject, spread, 4))


def _with_host(subject: Subject, need: Need, count: int) -> Need:
    """Adds bytes in host memory to a need. On a CPU they count as the device's."""
    if subject.place.type == "cpu":
        return replace(need, device=need.device + count)
    return replace(need, host=need.host + count)


def _saved(subject: Subject, spread: Spread, width: int) -> Need:
    """Need to save a sharded model: all stored weights on the host, one gathered parameter (`pipeline/saving.py`)."""
    if spread.parts == 1:
        return Need()
    weights = list(subject.model.parameters())
    here = width * (spread.held(weights) + max(weight.numel() for weight in weights))
    return Need(here + subject.stored) if subject.place.type == "cpu" else Need(here, subject.stored)


def _steps(subject: Subject, options: SftOptions, longest: int, step: Step) -> Cost:
    """Cost of one process's share of the passes of all steps."""
    processes = step.spread.processes
    micro = min(options.micro_batch_size or max(options.batch_size // processes, 1), options.batch_size)
    parts = max(options.batch_size // (micro * processes), 1)
    batch = Batch(micro, min(longest, options.max_length))
    cost = training(subject.outline.model, batch, replace(step, accumulates=parts > 1))
    return cost.times(parts * options.iterations)
