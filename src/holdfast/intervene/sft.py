"""Supervised fine-tuning by TRL's SFTTrainer, as SET and SPA share it: quiet, seeded, resumable, and left as found.

An exchange is the prompt, token for token as generation asks it, with the response and the token that ends the turn
behind it; the loss covers these two. The order of the examples depends on the seed alone, so all arms of a comparison
read the same batches. Training runs on float32 weights (`precision.py`).
"""

import logging
import math
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from transformers import (
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

from holdfast.artifacts import digest, load_json, refuse_other_base, save_json
from holdfast.distributed import all_sum, first, world_size
from holdfast.intervene.entries import mask_digest as mask_digest
from holdfast.intervene.options import SftOptions, share_batch
from holdfast.intervene.sharded_checkpoint import ShardedCheckpoints, last_state, load_state
from holdfast.intervene.sparse_adamw import SparseAdamW
from holdfast.intervene.within_context import rows_within_context
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import HALF_PRECISION, LoadedModel, quiet_transformers
from holdfast.models.shards import is_sharded
from holdfast.models.tables import pad_id_for
from holdfast.progress import Progress
from holdfast.prompts.chat import encode_exchange, encode_prompt, end_of_turn
from holdfast.prompts.records import Exchange
from holdfast.values import Mask

logger = logging.getLogger(__name__)
IGNORED = -100
"""Label of a token that the loss leaves out."""
WORSE_BY = 0.1
"""Nats per token by which the saved loss may exceed the loss before training: every token is 10% less likely."""

MARK = "fine_tuning.json"
"""Beside the checkpoints: which run they are of."""


def shuffled_positions(count: int, length: int, seed: int) -> list[int]:
    """`length` positions below `count`: each once before any comes again, newly shuffled each time."""
    generator = torch.Generator().manual_seed(seed)
    positions: list[int] = []
    while len(positions) < length:
        positions += torch.randperm(count, generator=generator).tolist()
    return positions[:length]


def training_row(tokenizer: PreTrainedTokenizerBase, exchange: Exchange, max_length: int) -> dict[str, list[int]]:
    """Token ids and labels of an exchange; the prompt, as generation asks it, is left out of the loss.

    Raises:
        ValueError: nothing of the response is left within `max_length`.
    """
    token_ids = encode_exchange(tokenizer, exchange.prompt, exchange.response).token_ids
    shared = len(encode_prompt(tokenizer, exchange.prompt))
    if shared >= min(len(token_ids), max_length):
        raise ValueError(
            f"an exchange leaves no response within max_length={max_length}: its prompt has {shared} tokens; "
            f"raise max_length, up to the model's context, or remove it: {exchange.prompt[:60]!r}."
        )
    labels = [IGNORED] * shared + token_ids[shared:]
    return {"input_ids": token_ids[:max_length], "labels": labels[:max_length]}


@torch.no_grad()
def mean_loss(loaded: LoadedModel, exchanges: Sequence[Exchange], options: SftOptions) -> float:
    """Mean loss per response token, in nats, of the model as it is: what training reports of a batch."""
    total, num_tokens = 0.0, 0
    for exchange in exchanges:
        row = training_row(loaded.tokenizer, exchange, options.max_length)
        token_ids, labels = (torch.tensor([row[key]], device=loaded.model.device) for key in ("input_ids", "labels"))
        count = sum(label != IGNORED for label in row["labels"][1:])  # nothing predicts the first token
        if count:
            total += count * float(loaded.model(input_ids=token_ids, labels=labels).loss)
            num_tokens += count
    return total / max(num_tokens, 1)


def warn_of_worse(start: float | None, saved: float | None, options: SftOptions) -> None:
    """Warns where the saved model predicts the last batch worse than the model before training did."""
    if start is None or saved is None or saved <= start + WORSE_BY:
        return
    logger.warning(
        "training made the model worse at what it trained on: the loss on the last step's batch was %.3g before "
        "training and is %.3g in the saved checkpoint; lower learning_rate=%g.",
        start,
        saved,
        options.learning_rate,
    )


def warn_without_end(tokenizer: PreTrainedTokenizerBase) -> None:
    """Logs a warning when no token ends a turn, so that a model trained on it does not learn to stop."""
    if end_of_turn(tokenizer) is None:
        logger.warning(
            "no special token ends an assistant's turn in the chat template of %r, so training teaches no end: "
            "responses will run on until their limit; use a template that ends turns with one.",
            tokenizer.name_or_path,
        )


def dense_adamw(model: nn.Module, options: SftOptions) -> torch.optim.Optimizer:
    """Fused AdamW over all parameters that need a gradient; vectors (norms, biases) are not decayed."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": options.weight_decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=options.learning_rate, fused=True)


def refuse_wrong_start(
    loaded: LoadedModel, mask: Mask | None, *, check_base: bool = True, just_loaded: bool = False
) -> None:
    """Raises ValueError when the mask is another model's or the model is no longer the one that was loaded.

    `check_base=False` takes a mask of another model. A model that was `just_loaded` is not hashed again.
    """
    if mask is not None and check_base:
        refuse_other_base("the mask", mask.base, loaded.base)
    if not just_loaded and fingerprint(loaded.model) != loaded.base:
        raise ValueError(f"the weights of {loaded.name!r} were changed after loading; load the model again to tune it.")


@dataclass(frozen=True)
class Training:
    """What the trainers of TRL differ in."""

    trainer: Callable[..., "Quiet"]
    config: Callable[..., TrainingArguments]
    rows: Callable[[PreTrainedTokenizerBase, Any, int], dict[str, list[int]]]
    """Token ids of one example, given the tokenizer, the example and the most tokens that it may have."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Of the config, beside those that all share."""


def fine_tune(
    loaded: LoadedModel,
    examples: Sequence[Any],
    order: Sequence[int],
    optimizer: torch.optim.Optimizer,
    options: SftOptions,
    *,
    label: str,
    clip: bool,
    progress: Progress,
    output_dir: Path | None = None,
    identity: object = None,
    training: Training | None = None,
) -> tuple[float, ...]:
    """Trains the model in place on examples in a given order and returns the loss of each step that was run.

    Args:
        loaded: the model, in float32.
        examples: what may be read: exchanges, unless another training is given.
        order: positions in it, `iterations * batch_size` of them.
        optimizer: steps whatever it was built on.
        options: length, rate and the like.
        label: what progress calls this.
        clip: whether the trainer clips the dense gradients; SparseAdamW clips for itself.
        progress: told after each step.
        output_dir: where checkpoints go; needed when any are wanted.
        identity: names the run beside the options and examples, so that a folder of another run is refused.
        training: how; None is supervised fine-tuning.

    Raises:
        ValueError: the loss is not finite, the batch does not divide, or the folder holds another run.
    """
    how = training or SUPERVISED
    with ExitStack() as stack:
        stack.enter_context(_left_as_found(loaded))
        warn_without_end(loaded.tokenizer)
        rows = rows_within_context(loaded, examples, how.rows, options.max_length)
        run = digest([options.model_dump(), identity, rows, order])
        folder = output_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        checkpoint = first(lambda: _claim_folder(folder, run, options, is_kept=output_dir is not None))
        sharded = is_sharded(loaded.model)
        done = _go_on(folder, loaded.model, optimizer) if sharded else 0
        args = _trainer_arguments(how, loaded, options, folder, clip, steps_done=done)
        trainer = how.trainer(
            model=loaded.model,
            args=args,
            train_dataset=Dataset.from_list(rows).select(order[done * options.batch_size :]),
            processing_class=loaded.tokenizer,
            optimizers=(optimizer, _schedule(optimizer, args, options, done) if sharded else None),
            callbacks=[_ProgressCallback(label, progress, done)],
        )
        if sharded and options.checkpoint_every:
            trainer.add_callback(ShardedCheckpoints(folder, options.checkpoint_every, done))
        trainer.remove_callback(PrinterCallback)
        if done < options.iterations:
            trainer.train(resume_from_checkpoint=checkpoint)
    return tuple(trainer.losses.values())


def _go_on(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Takes a sharded model to its last checkpoint, if there is one; the steps that it has made."""
    last = first(lambda: last_state(folder))
    return load_state(last, model, optimizer) if last else 0


def _schedule(optimizer: torch.optim.Optimizer, args: TrainingArguments, options: SftOptions, done: int) -> LRScheduler:
    """The trainer's schedule of all steps, of which some are done."""
    schedule = get_scheduler(
        args.lr_scheduler_type, optimizer, args.get_warmup_steps(options.iterations), options.iterations
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the optimizer's steps were made before
        for _ in range(done):
            schedule.step()
    return schedule


class Quiet(Trainer):
    """Mixed into a trainer of TRL's: no telemetry, no model cards, and it stops when the loss is not finite."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.losses: dict[int, float] = {}
        """Mean loss per response token of each step that was run."""

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """One micro-batch; its loss is a share of the step's mean, so the shares of a step add up."""
        loss = super().training_step(*args, **kwargs)
        step = self.state.global_step
        mean = all_sum(loss.detach().clone()).item() / world_size()
        self.losses[step] = self.losses.get(step, 0.0) + mean
        if not math.isfinite(self.losses[step]):
            raise ValueError(
                f"the loss became {mean} at step {step + 1} of {self.state.max_steps}; the weights are "
                f"still those of step {step}. Lower learning_rate={self.args.learning_rate}, or look at the exchanges."
            )
        return loss

    def _wrap_model(self, model: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        """Keeps a model out of DistributedDataParallel whose gradients SparseAdamW takes, and adds up itself."""
        takes_gradients = isinstance(self.optimizer, SparseAdamW) and not self.optimizer.is_sharded
        if world_size() > 1 and takes_gradients and model is self.model:
            # A wrapper of one device only calls the model; the trainer leaves models alone that come wrapped.
            return nn.DataParallel(model, [] if self.args.use_cpu else [self.args.device])
        return super()._wrap_model(model, *args, **kwargs)  # pyright: ignore[reportArgumentType]

    def _send_telemetry(self) -> None:
        """Sends nothing."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Writes no card into checkpoints."""


class QuietTrainer(Quiet, SFTTrainer):
    """Supervised fine-tuning."""


class _ProgressCallback(TrainerCallback):
    def __init__(self, label: str, progress: Progress, before: int) -> None:
        self.label, self.progress, self.before = label, progress, before

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.on_step_end(args, state, control)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.progress(self.label, self.before + state.global_step, self.before + state.max_steps)


def _trainer_arguments(
    how: Training, loaded: LoadedModel, options: SftOptions, folder: Path, clip: bool, *, steps_done: int
) -> TrainingArguments:
    micro_batch = share_batch(options, world_size())
    on_cpu = loaded.model.device.type == "cpu"
    return how.config(
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
        **how.settings,
    )


SUPERVISED = Training(QuietTrainer, SFTConfig, training_row)


def _claim_folder(folder: Path, run: str, options: SftOptions, is_kept: bool) -> str | None:
    """Marks the folder as this run's and finds the checkpoint to go on from; refuses a folder of another run."""
    if not is_kept:
        if options.checkpoint_every:
            raise ValueError(f"checkpoint_every={options.checkpoint_every} needs an output folder; give output_dir.")
        return None
    mark = folder / MARK
    # The trainer writes its state last, so a checkpoint with one is whole.
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    if whole and (not mark.is_file() or load_json(mark)["run"] != run):
        raise ValueError(f"{str(folder)!r} holds another fine-tuning run; choose another folder or empty this one.")
    save_json(mark, {"run": run, "options": options.model_dump(mode="json")})
    return str(max(whole, key=lambda path: int(path.name.split("-")[1]))) if whole else None


def discard_checkpoints(folder: Path) -> None:
    """Removes a folder of checkpoints; one that no fine-tuning has marked stays."""
    if (folder / MARK).is_file():
        shutil.rmtree(folder)


@contextmanager
def _left_as_found(loaded: LoadedModel) -> Iterator[None]:
    """Gives back what a trainer leaves on the model and the tokenizer: a patched forward, token ids in the configs."""
    model, tokenizer = loaded.model, loaded.tokenizer
    configs = [vars(config) for config in (model.config, model.generation_config) if config is not None]
    before, attributes, pad_token = [dict(config) for config in configs], set(vars(model)), tokenizer.pad_token
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad_id_for(model, tokenizer))
    try:
        with _global_state_kept(model.device):
            yield
    finally:
        tokenizer.pad_token = pad_token
        for config, values in zip(configs, before, strict=True):
            config.clear()
            config.update(values)
        for name in set(vars(model)) - attributes:
            delattr(model, name)
        model.zero_grad(set_to_none=True)
        model.eval()


@contextmanager
def _global_state_kept(device: torch.device) -> Iterator[None]:
    """The trainer seeds every global generator and warns about its own defaults; neither reaches the caller."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = [device] if device.type == "cuda" else []
    try:
        with quiet_transformers(), torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
