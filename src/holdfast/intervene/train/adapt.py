"""SPA, safety preserving adaptation: fine-tunes the whole model on a task, except the entries that hold its safety.

The entries of the mask keep their values bit for bit, under any optimizer, with weight decay and momentum on. Qi et al.
2026 (arXiv 2604.08297) report a loss of at most one point of safety in 1,000 iterations. SPA protects against
accidents, not against an attacker who wants to remove the safety (arXiv 2402.05162). Without a mask this is plain
fine-tuning on the same batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from holdfast.arguments import checked_call, require_options
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.afterwards import compare_held
from holdfast.intervene.train.examples import shuffled_positions
from holdfast.intervene.train.frozen import frozen_roles
from holdfast.intervene.train.holds import MASK, NOTHING
from holdfast.intervene.train.identity import identity_of
from holdfast.intervene.train.methods import (
    Method,
    method_for,
    refuse_adapters,
    refuse_idle,
    refuse_several_processes,
    usual_method,
)
from holdfast.intervene.train.one_tuning import MakeOptimizer, Refresh, Tuning
from holdfast.intervene.train.parts import Parts
from holdfast.intervene.train.preserve.mixed import mixed
from holdfast.intervene.train.preserve.response_loss import per_step, response_loss
from holdfast.intervene.train.preserve.safety import Safety, check_safety, safety_exchanges
from holdfast.intervene.train.result import TuningResult
from holdfast.intervene.train.start import refuse_wrong_start
from holdfast.intervene.train.train_by import train_by
from holdfast.intervene.train.trainer import SUPERVISED, Steps, dense_adamw
from holdfast.models.load import LoadedModel, require_loaded
from holdfast.models.options import Role
from holdfast.progress import Progress, silent
from holdfast.records import Exchange, Prompt, require_records
from holdfast.value_or_path import as_mask, as_path
from holdfast.values import Mask


@dataclass(frozen=True, kw_only=True)
class AdaptResult(TuningResult):
    """A fine-tuned model, with its losses and the entries that were protected."""

    entries_protected: int
    protected_identical: bool | None
    """True after a check that every protected entry kept every bit. None without a mask, and if the mask changed."""
    frozen: tuple[Role, ...] = ()
    """Roles of the parameters that were not trained."""
    safety_read: int | None = None
    """Number of safety exchanges that training read, repeats included. None for a method that mixes none in."""
    safety_given: int | None = None
    """Number of different safety exchanges. None for a method that mixes none in."""

    def __repr__(self) -> str:
        return f"<AdaptResult: {self.entries_protected:,} weights held, {self.described}>"


@checked_call
def adapt(
    loaded: LoadedModel,
    mask: Mask | str | Path | None,
    exchanges: Sequence[Exchange],
    options: AdaptOptions = AdaptOptions(),
    progress: Progress = silent,
    output_dir: str | Path | None = None,
    make_optimizer: MakeOptimizer | None = None,
    adapter_dir: str | Path | None = None,
    *,
    method: str | None = None,
    method_options: MethodOptions = MethodOptions(),
    safety: Safety = (),
    held_out: Sequence[Prompt | Exchange] = (),
    check_base: bool = True,
    just_loaded: bool = False,
    refresh: Refresh | None = None,
) -> AdaptResult:
    """Fine-tunes the model in place. For another arm, load the model again.

    Example:
        >>> task = load_exchanges("testbed:task_train")
        >>> result = adapt(load_model("testbed:aligned"), mask, task, AdaptOptions(iterations=4, learning_rate=1e-3))
        >>> result.tuned.model.save_pretrained("tuned")

    Args:
        loaded: the model to tune, unchanged since loading.
        mask: entries to protect, or the path of a mask file. None protects nothing.
        exchanges: examples of the task.
        options: number of steps, learning rate and other training options.
        progress: called after each step.
        output_dir: folder for checkpoints, needed with `checkpoint_every`.
        make_optimizer: makes any torch optimizer for the model. None makes fused AdamW.
        adapter_dir: with `lora`, folder for the adapter and the mask, saved before the adapter is merged.
        method: name of a row in `methods.py`, or several joined by +, such as spa+replay. None is SPA with a mask, and
            plain fine-tuning without one.
        method_options: options of the method.
        safety: safety data of the method: exchanges with refusals, or prompts to which the start model answers. What
            `own_answers` returns is used as it is.
        held_out: prompts that evaluate the model. A safety prompt among them is refused.
        check_base: True refuses a mask of another model.
        just_loaded: True trusts the hash that `load_model` has just made. False hashes the weights again and refuses a
            model that has changed since loading.
        refresh: makes a new mask of the model in training, for the method refresh. See `top_mask_refresh`.

    Raises:
        ValueError: the mask, the exchanges or the safety data do not fit the model and the method, nothing is left
            to train, or the loss or a weight is not finite.
        InvariantError: a protected entry has changed.
    """
    _check(loaded, exchanges, options)
    mask = None if mask is None else as_mask(mask)
    chosen = check_adapting(method, mask, options, method_options)
    check_safety(chosen, safety, held_out)
    refuse_wrong_start(loaded, mask, check_base=check_base, just_loaded=just_loaded)
    extra = safety_exchanges(chosen, loaded, safety, method_options.answer_tokens, progress)
    roles = () if options.lora else frozen_roles(loaded.model, options.freeze, train_routers=options.train_routers)
    make = make_optimizer or partial(dense_adamw, options=options)
    tuning = Tuning(loaded, mask, options, make, roles, method_options, extra, refresh)
    return _train(chosen, tuning, exchanges, progress, as_path(output_dir), as_path(adapter_dir))


def _train(
    method: Method,
    tuning: Tuning,
    task: Sequence[Exchange],
    progress: Progress,
    output_dir: Path | None,
    adapter_dir: Path | None,
) -> AdaptResult:
    """Trains by the method on the task and the safety exchanges that it mixes in."""
    parts, examples, order = _examples(method, tuning, task)
    identity = identity_of("adapt", tuning.loaded, tuning.mask, method, tuning.method, tuning.extra)
    steps = Steps(SUPERVISED, examples, order, "adapting", progress, output_dir, identity)
    last_batch = [examples[place] for place in order[-tuning.options.batch_size :]]
    trained, _ = train_by(parts, tuning, steps, read=task, last_batch=last_batch, adapter_dir=adapter_dir)
    return _result(tuning, parts, trained, _safety_read(method, tuning, len(task), order))


def check_adapting(method: str | None, mask: object, options: AdaptOptions, method_options: MethodOptions) -> Method:
    """Returns the method that `adapt` trains by: the named one, or the default with or without a mask.

    Raises:
        ValueError: the method does not exist, or does not fit the mask, the options or the number of processes.
    """
    chosen = method_for(method or usual_method("adapt", mask), mask)
    refuse_idle(chosen, method_options)
    refuse_adapters(chosen, options.lora)
    refuse_several_processes(chosen)
    return chosen


def _result(tuning: Tuning, parts: Parts, trained: TuningResult, safety_read: int | None) -> AdaptResult:
    """Returns the result. `safety_read` is the number of safety exchanges that training read, None without any."""
    return AdaptResult(
        **vars(trained),
        entries_protected=0 if parts.hold is NOTHING else len(tuning.selected),
        protected_identical=True if parts.hold is MASK else None,
        frozen=tuning.frozen,
        safety_read=safety_read,
        safety_given=None if safety_read is None else len(tuning.extra),
    )


def _safety_read(method: Method, tuning: Tuning, num_task: int, order: Sequence[int]) -> int | None:
    """Counts the safety exchanges that training reads: those among the examples, or those of a loss apart.

    None for a method that mixes none in.
    """
    if not method.is_mixed:
        return None
    if method.parts.combine:
        return tuning.options.iterations * per_step(tuning.method.safety_share, tuning.options.batch_size)
    return sum(place >= num_task for place in order)


def _examples(
    method: Method, tuning: Tuning, task: Sequence[Exchange]
) -> tuple[Parts, Sequence[Exchange], Sequence[int]]:
    """Returns the method's parts, all examples, and their order. Safety exchanges are mixed in, or a loss apart."""
    options, parts = tuning.options, method.parts
    length = options.iterations * options.batch_size
    order = shuffled_positions(len(task), length, options.seed)
    if not method.is_mixed:
        return parts, task, order
    share = tuning.method.safety_share
    if parts.combine:
        loss = response_loss(per_step(share, options.batch_size))
        return replace(parts, losses=(*parts.losses, loss)), task, order
    return parts, *mixed(task, tuning.extra, share=share, length=length, seed=options.seed)


def _check(loaded: LoadedModel, exchanges: Sequence[Exchange], options: AdaptOptions) -> None:
    """Raises ValueError for an argument of the wrong kind, or for an empty task."""
    require_loaded(loaded)
    require_options(options, AdaptOptions)
    require_records("the task", exchanges, Exchange)
    if not exchanges:
        raise ValueError("there are no exchanges to adapt to; give at least one.")


PARTS = Parts(hold=MASK, afterwards=compare_held)
"""SPA: the mask's entries are held."""
