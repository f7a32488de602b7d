"""Adds a method to any Hugging Face or TRL trainer of a script, in one line before training

    preserve(trainer, "kl", safety=prompts)
    trainer.train()

Losses, combinations and callbacks are those of `holdfast adapt`. Where a method mixes exchanges into the task's, they
become a loss of their own, because the data set is the trainer's. `safety_share` sets its weight. ProtectCallback holds
a mask beside any method.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from peft import PeftModel
from tqdm.auto import tqdm
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from holdfast.arguments import checked_call, require, require_options
from holdfast.counts import counted
from holdfast.intervene.entries import require_trainable
from holdfast.intervene.hold.hook_arguments import HookArguments
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.train.methods import Method, method_named, refuse_idle
from holdfast.intervene.train.parts import NOTHING, Parts, Start
from holdfast.intervene.train.preserve.response_loss import per_step, response_loss
from holdfast.intervene.train.preserve.safety import Safety, check_safety, read_safety, safety_exchanges
from holdfast.intervene.train.terms import Terms, added
from holdfast.intervene.train.within_context import Row
from holdfast.models.load import LoadedModel
from holdfast.prompts.sources import load_prompts
from holdfast.records import Exchange, Prompt

MOST_TOKENS = 2048
"""Largest number of tokens in a safety exchange, where the trainer has no maximum."""


@checked_call
def preserve(
    trainer: Trainer,
    method: str,
    *,
    safety: Safety | str | Path = (),
    held_out: Sequence[Prompt | Exchange] | str | Path = (),
    options: MethodOptions = MethodOptions(),
) -> None:
    """Has a trainer train by a method, from its model as it is now. Call it once, before `trainer.train()`.

    The trainer logs the sum of all losses as `loss`, and the losses that the method adds to its own as `safety_loss`.

    Args:
        trainer: a trainer of transformers or TRL, in one process.
        method: name of a method that `holdfast adapt --help` lists, or several joined by +. A mask is held by
            `ProtectCallback(mask)` instead of spa, and trained by `train_only` instead of set.
        safety: safety data of the method, or the path of a file with it: exchanges with refusals, or prompts to which
            the model answers now.
        held_out: prompts that evaluate the model, or the path of a file with them. A safety prompt among them is
            refused.
        options: options of the method.

    Raises:
        ValueError: the method does not exist, does not fit the trainer, or lacks what it needs. Or every weight is
            frozen.
    """
    require(trainer, Trainer, "give the trainer itself, such as SFTTrainer(model, ...)")
    require_options(options, MethodOptions)
    chosen = method_named(method)
    refuse_idle(chosen, options)
    data = read_safety(chosen, safety)
    evaluating = load_prompts(str(held_out)) if isinstance(held_out, str | Path) else held_out
    check_safety(chosen, data, evaluating)
    _refuse_unfit(trainer, chosen)
    start, parts = _start(trainer, chosen, data, options), _parts(trainer, chosen, options)
    terms = Terms(trainer, adds := added(parts, start))
    # The trainer calls the first two by position.
    trainer.training_step = partial(terms.step, trainer.training_step)  # pyright: ignore[reportAttributeAccessIssue]
    trainer.compute_loss = partial(terms.own, trainer.compute_loss)
    trainer.log = partial(terms.log, trainer.log)  # pyright: ignore[reportAttributeAccessIssue]
    for callback in adds.callbacks:
        _add(trainer, callback)
    trainer.add_callback(_Summary(chosen, len(start.extra), options))


class _Summary(TrainerCallback):
    """Prints one line at the end of training: which method trained, and from how many safety exchanges it learned."""

    def __init__(self, method: Method, num_safety: int, options: MethodOptions) -> None:
        learned = f", with {counted(num_safety, 'safety exchange')}" if num_safety else ""
        share = f" at a safety share of {options.safety_share:g}" if method.is_mixed else ""
        self._line = f"trained by {method.name}{learned}{share}"

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if state.is_world_process_zero:
            tqdm.write(f"{self._line}, in {counted(state.global_step, 'step')}")  # a progress bar may be open


def _refuse_unfit(trainer: Trainer, method: Method) -> None:
    """Raises ValueError where the trainer can't train by the method."""
    args = trainer.args
    if method.parts.hold is not NOTHING:
        raise ValueError(
            f"method {method.name} holds weights, which a callback does in a trainer: give it ProtectCallback(mask) to "
            "hold a mask's weights, or use train_only to train them alone, and leave the method out."
        )
    if "training_step" in vars(trainer):
        raise ValueError("the trainer has a method already; join several by +, such as kl+ema.")
    if args.world_size > 1 or args.n_gpu > 1 or trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        raise ValueError(f"method {method.name} trains in one process and on one device; start the script alone.")
    if method.parts.combine and trainer.accelerator.scaler is not None:
        raise ValueError(
            f"method {method.name} compares gradients, which fp16 scales; train in bf16 or float32, or leave it out."
        )


def _start(trainer: Trainer, method: Method, safety: Safety, options: MethodOptions) -> Start:
    model, tokenizer, args = trainer.model, trainer.processing_class, trainer.args
    if not isinstance(model, PreTrainedModel | PeftModel):
        raise ValueError(f"a model of transformers or PEFT was expected in the trainer, got {type(model).__name__}.")
    require_trainable(model)
    extra: list[Exchange] = []
    if method.safety:
        require(tokenizer, PreTrainedTokenizerBase, "give the trainer its processing_class=tokenizer")
        base = cast(PreTrainedModel, model.get_base_model() if isinstance(model, PeftModel) else model)
        loaded = LoadedModel(base, cast(PreTrainedTokenizerBase, tokenizer), "the trainer's model", "", base.dtype)
        was_training = model.training
        model.eval()
        extra = safety_exchanges(method, loaded, safety, options.answer_tokens)
        model.train(was_training)
    return Start(
        cast(PreTrainedModel, model),
        cast(PreTrainedTokenizerBase, tokenizer),
        options,
        extra,
        lambda: _rows(trainer),
        args.gradient_accumulation_steps,
        getattr(args, "max_length", None) or MOST_TOKENS,
        args.seed,
    )


def _parts(trainer: Trainer, method: Method, options: MethodOptions) -> Parts:
    """Returns the method's parts, with a loss over the exchanges that would be mixed into the task's.

    Its weight stands for the share. A combination of gradients sets its own weights.
    """
    if not method.is_mixed:
        return method.parts
    args, share = trainer.args, options.safety_share
    count = per_step(share, args.per_device_train_batch_size) * args.gradient_accumulation_steps
    weight = 1.0 if method.parts.combine else share / (1 - share)
    return replace(method.parts, losses=(*method.parts.losses, response_loss(count, weight)))


def _rows(trainer: Trainer) -> list[Row]:
    """Returns the token ids and labels of the trainer's data set, as its collator makes them."""
    batches = [trainer.data_collator([row]) for row in cast("Sequence[dict[str, object]]", trainer.train_dataset)]
    return [{name: batch[name][0].tolist() for name in ("input_ids", "labels")} for batch in batches]


def _add(trainer: Trainer, callback: TrainerCallback) -> None:
    """Adds a callback, with the event that the trainer had when it was made."""
    trainer.add_callback(callback)
    given: HookArguments = {"model": trainer.model, "optimizer": trainer.optimizer}  # pyright: ignore[reportAssignmentType]
    callback.on_init_end(trainer.args, trainer.state, trainer.control, **given)
