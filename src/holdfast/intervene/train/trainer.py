"""Fine-tunes with TRL's trainers, for SET and SPA alike: quiet, seeded and resumable.

The order of the examples depends only on the seed, so all arms of a comparison read the same batches. Training runs on
float32 weights (`precision.py`).
"""

import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypedDict, Unpack

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_scheduler,
)
from transformers.trainer_callback import TrainerControl, TrainerState
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from holdfast.artifacts import digest
from holdfast.distributed import all_sum, first, world_size
from holdfast.intervene.options import SftOptions, share_batch
from holdfast.intervene.train.checkpoints import claim_folder, load_losses, save_losses, steps_in
from holdfast.intervene.train.examples import training_row, warn_without_end
from holdfast.intervene.train.parts import Batch
from holdfast.intervene.train.sharded_checkpoint import ShardedCheckpoints, last_state, load_state
from holdfast.intervene.train.sparse_adamw import SparseAdamW
from holdfast.intervene.train.terms import Added, Terms
from holdfast.intervene.train.untouched import left_as_found
from holdfast.intervene.train.within_context import Example, MakeRow, Row, rows_within_context
from holdfast.models.load import HALF_PRECISION, LoadedModel
from holdfast.models.shards import is_sharded
from holdfast.progress import Progress


@dataclass(frozen=True)
class Training(Generic[Example]):
    """A kind of training: TRL's trainer, its config, and its rows of token ids."""

    trainer: type["Quiet"]
    config: Callable[..., TrainingArguments]
    rows: MakeRow[Example]
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of the config, in addition to those that all kinds share."""


@dataclass(frozen=True)
class Steps(Generic[Example]):
    """The examples of a fine-tuning in the order in which its steps read them, and the folder of its checkpoints."""

    training: Training[Example]
    """Kind of training that reads the examples."""
    examples: Sequence[Example]
    order: Sequence[int]
    """Positions in `examples`, `iterations * batch_size` of them."""
    label: str
    """Label of the progress bar."""
    progress: Progress
    """Called after each step."""
    output_dir: Path | None = None
    """Folder for checkpoints, needed with `checkpoint_every`."""
    identity: object = None
    """Identifies the run together with its options and examples, so that a folder of another run is refused."""


def dense_adamw(model: nn.Module, options: SftOptions) -> torch.optim.Optimizer:
    """Makes fused AdamW over all parameters that need a gradient, without weight decay on vectors (norms, biases)."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": options.weight_decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=options.learning_rate, fused=True)


def fine_tune(
    loaded: LoadedModel,
    steps: Steps[Example],
    optimizer: torch.optim.Optimizer,
    options: SftOptions,
    *,
    clip: bool,
    add: Callable[[Sequence[Row]], Added] = lambda _: Added(),
) -> tuple[float, ...]:
    """Trains the model in place, and returns the loss of each step, resumed ones included.

    Args:
        loaded: the model, in float32.
        steps: the examples in their order.
        optimizer: optimizer of the parameters to train.
        options: number of steps, learning rate and other training options.
        clip: True has the trainer clip the dense gradients. SparseAdamW clips its own.
        add: makes the losses and callbacks of a method, given the rows of the examples.

    Raises:
        ValueError: the loss is not finite, the batch does not divide, or the folder holds another run.
    """
    with ExitStack() as stack:
        stack.enter_context(left_as_found(loaded))
        warn_without_end(loaded.tokenizer)
        rows = rows_within_context(loaded, steps.examples, steps.training.rows, options.max_length)
        run = digest([options.model_dump(), steps.identity, rows, steps.order])
        folder = steps.output_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        checkpoint = first(lambda: claim_folder(folder, run, options, is_kept=steps.output_dir is not None))
        sharded = is_sharded(loaded.model)
        added = add(rows)  # from the weights of the start, before a checkpoint is loaded
        done = _go_on(folder, loaded.model, optimizer) if sharded else 0
        args = _trainer_arguments(steps.training, loaded, options, folder, clip, steps_done=done)
        trainer = steps.training.trainer(
            model=loaded.model,
            args=args,
            train_dataset=Dataset.from_list(rows).select(steps.order[done * options.batch_size :]),
            processing_class=loaded.tokenizer,
            optimizers=(optimizer, _schedule(optimizer, args, options, done) if sharded else None),
            callbacks=[_ProgressCallback(steps.label, steps.progress, done), *added.callbacks],
        )
        trainer.terms = Terms(trainer, added)
        earlier = first(lambda: load_losses(folder, done or steps_in(checkpoint)))
        kept = _keep(trainer, folder, options, done, earlier)
        if done < options.iterations:
            trainer.train(resume_from_checkpoint=checkpoint)
    return tuple(kept.losses.values())


def _go_on(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Loads a sharded model's last checkpoint, if there is one, and returns its number of steps."""
    last = first(lambda: last_state(folder))
    return load_state(last, model, optimizer) if last else 0


def _schedule(optimizer: torch.optim.Optimizer, args: TrainingArguments, options: SftOptions, done: int) -> LRScheduler:
    """Makes the trainer's schedule of all steps, advanced by the steps that are done."""
    schedule = get_scheduler(
        args.lr_scheduler_type, optimizer, args.get_warmup_steps(options.iterations), options.iterations
    )
    with warnings.catch_warnings():
        # torch warns because the optimizer made its steps in an earlier call.
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(done):
            schedule.step()
    return schedule


class _Parts(TypedDict):
    """Arguments of a trainer."""

    model: PreTrainedModel
    args: TrainingArguments
    train_dataset: Dataset
    processing_class: PreTrainedTokenizerBase
    optimizers: tuple[torch.optim.Optimizer, LRScheduler | None]
    callbacks: list[TrainerCallback]


class Quiet(Trainer):
    """A mixin for TRL's trainers: no telemetry, no model cards, and a stop when the loss is not finite."""

    def __init__(self, **parts: Unpack["_Parts"]) -> None:
        super().__init__(**parts)  # pyright: ignore[reportArgumentType]  # transformers names one kind of schedule
        self.losses: dict[int, float] = {}
        """Loss of each step of this call: the mean per response token, plus the other losses."""
        self.terms = Terms(self, Added())

    @property
    def unwrapped(self) -> nn.Module:
        """The model itself, without the trainer's wrappers."""
        assert isinstance(self.model, nn.Module)
        return self.model

    def training_step(self, model: nn.Module, inputs: Batch, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Runs one micro-batch. Its loss is a share of the step's mean, so the shares of a step add up."""
        loss = self.terms.step(super().training_step, model, inputs, num_items_in_batch)
        step = self.state.global_step
        mean = all_sum(loss.detach().clone()).item() / world_size()
        self.losses[step] = self.losses.get(step, 0.0) + mean
        if not math.isfinite(self.losses[step]):
            raise ValueError(
                f"the loss became {mean} at step {step + 1} of {self.state.max_steps}; the weights are "
                f"still those of step {step}. Lower learning_rate={self.args.learning_rate}, or look at the exchanges."
            )
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, object]:
        """Computes the loss of the examples, or that of the method in its place."""
        return self.terms.own(super().compute_loss, model, inputs, return_outputs, num_items_in_batch)

    def _wrap_model(self, model: nn.Module, training: bool = True, dataloader: DataLoader | None = None) -> nn.Module:
        """Keeps the model out of DistributedDataParallel when SparseAdamW adds up its gradients itself."""
        takes_gradients = isinstance(self.optimizer, SparseAdamW) and not self.optimizer.is_sharded
        if world_size() > 1 and takes_gradients and model is self.model:
            # DataParallel on one device only calls the model, and the trainer does not wrap a wrapped model again.
            return nn.DataParallel(model, [] if self.args.use_cpu else [self.args.device])
        return super()._wrap_model(model, training, dataloader)

    def _send_telemetry(self) -> None:
        """Sends nothing."""

    def create_model_card(self, *args: object, **kwargs: object) -> None:
        """Writes no card into checkpoints."""


class QuietTrainer(Quiet, SFTTrainer):
    """Supervised fine-tuning."""


class _ProgressCallback(TrainerCallback):
    def __init__(self, label: str, progress: Progress, before: int) -> None:
        self.label, self.progress, self.before = label, progress, before

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self.on_step_end(args, state, control)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        self.progress(self.label, self.before + state.global_step, self.before + state.max_steps)


class _LossesCallback(TrainerCallback):
    """Keeps the losses of every step beside the checkpoints."""

    def __init__(
        self, trainer: Quiet, folder: Path, every: int | None, steps_before: int, earlier: dict[int, float]
    ) -> None:
        self._trainer, self._folder, self._every, self._before = trainer, folder, every, steps_before
        self._earlier = earlier

    @property
    def losses(self) -> dict[int, float]:
        """Losses by step, from the first step on as far as they are known."""
        return self._earlier | {self._before + step: loss for step, loss in self._trainer.losses.items()}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if self._every and (self._before + state.global_step) % self._every == 0:
            first(lambda: save_losses(self._folder, self.losses))


def _keep(
    trainer: Quiet, folder: Path, options: SftOptions, steps_before: int, earlier: dict[int, float]
) -> _LossesCallback:
    """Has the trainer keep its losses and, for a sharded model, checkpoints. It prints nothing."""
    kept = _LossesCallback(trainer, folder, options.checkpoint_every, steps_before, earlier)
    trainer.add_callback(kept)  # before the checkpoint of the same step is saved
    if is_sharded(trainer.unwrapped) and options.checkpoint_every:
        trainer.add_callback(ShardedCheckpoints(folder, options.checkpoint_every, steps_before))
    trainer.remove_callback(PrinterCallback)
    return kept


def _trainer_arguments(
    kind: Training[Example], loaded: LoadedModel, options: SftOptions, folder: Path, clip: bool, *, steps_done: int
) -> TrainingArguments:
    micro_batch = share_batch(options, world_size())
    on_cpu = loaded.model.device.type == "cpu"
    return kind.config(
        output_dir=str(folder),
        max_steps=options.iterations - steps_done,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=options.batch_size // (micro_batch * world_size()),
        learning_rate=options.learning_rate,
        max_grad_norm=options.max_grad_norm if clip else 0.0,
        warmup_steps=options.warmup_share,
        lr_scheduler_type=options.scheduler,
        train_sampling_strategy="sequential",  # the order is in the data set
        max_length=None,  # rows are cut already
        save_strategy="steps" if options.checkpoint_every and not options.shard else "no",
        save_steps=options.checkpoint_every or options.iterations,
        save_total_limit=1,
        use_cpu=on_cpu,
        bf16=not on_cpu and loaded.storage_dtype in HALF_PRECISION,
        dataloader_pin_memory=not on_cpu,
        activation_checkpointing=False,
        gradient_checkpointing=None,  # the old name, or it warns
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        seed=options.seed,
        **kind.settings,
    )


SUPERVISED = Training(QuietTrainer, SFTConfig, training_row)
