"""SET, safety enhancement tuning: trains only the selected entries, so that the model refuses harmful prompts.

Harmful prompts are paired with safe responses (Qi et al. 2026, arXiv 2604.08297: 100 iterations on 1% of the weights).
Our additions:

- By default every second example is a harmless exchange, because refusals alone teach a model to refuse everything.
- A check shows that every entry outside the mask kept every bit.
- Without a mask, the same examples tune the whole model, as a control.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from holdfast.arguments import checked_call, require_options
from holdfast.intervene.entries import refuse_adapters
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import EnhanceOptions, share_batch
from holdfast.intervene.train.afterwards import make_patch_and_compare_rest
from holdfast.intervene.train.default_rate import warn_of_default_rate
from holdfast.intervene.train.dpo import Preference, make_preferences, preferences
from holdfast.intervene.train.examples import shuffled_positions, spread_positions
from holdfast.intervene.train.frozen import frozen_roles
from holdfast.intervene.train.holds import ALL_BUT_MASK
from holdfast.intervene.train.identity import identity_of
from holdfast.intervene.train.methods import Method, method_for, refuse_idle, refuse_several_processes, usual_method
from holdfast.intervene.train.one_tuning import Tuning
from holdfast.intervene.train.parts import Parts
from holdfast.intervene.train.preserve.response_loss import per_step, response_loss
from holdfast.intervene.train.result import TuningResult
from holdfast.intervene.train.sparse_adamw import WITHOUT_ADAPTERS
from holdfast.intervene.train.start import refuse_wrong_start
from holdfast.intervene.train.train_by import train_by
from holdfast.intervene.train.trainer import SUPERVISED, Steps, dense_adamw
from holdfast.judge.refusing_sets import refuse_swapped
from holdfast.made_by import model_entry, prompts_entry, version
from holdfast.models.load import LoadedModel, require_loaded
from holdfast.models.sites import list_sites
from holdfast.progress import Progress, silent
from holdfast.records import Exchange, require_records
from holdfast.value_or_path import as_mask, as_path
from holdfast.values import Mask, Meta, Patch

logger = logging.getLogger(__name__)

UNUSED = (
    "harmless_share is 0, so the model learns nothing from the harmless exchanges, and the patch does not record them. "
    "A model that learns from refusals alone soon refuses everything."
)
"""Warning for harmless exchanges that play no part."""


@dataclass(frozen=True, kw_only=True)
class EnhanceResult(TuningResult):
    """A model that was trained to refuse, with its patch and the entries that were trained."""

    patch: Patch | None
    """The difference to the checkpoint. None without a mask."""
    entries_trained: int
    share_trained: float
    """Share of the model's entries that were trained, in [0, 1]."""
    untouched_identical: bool | None
    """True after a check that every other entry kept every bit. None without a mask."""

    def __repr__(self) -> str:
        return f"<EnhanceResult: {self.entries_trained:,} weights trained, {self.described}>"


@checked_call
def enhance(
    loaded: LoadedModel,
    mask: Mask | str | Path | None,
    *,
    refusals: Sequence[Exchange],
    harmless: Sequence[Exchange],
    options: EnhanceOptions = EnhanceOptions(),
    progress: Progress = silent,
    output_dir: str | Path | None = None,
    method: str | None = None,
    method_options: MethodOptions = MethodOptions(),
    check_base: bool = True,
    check_sets: bool = True,
    just_loaded: bool = False,
) -> EnhanceResult:
    """Trains the model in place. For another arm, load the model again.

    Example:
        >>> sets = {"refusals": refusals, "harmless": load_exchanges("testbed:harmless_exchanges")}
        >>> safer = enhance(load_model("testbed:aligned"), mask, **sets, options=EnhanceOptions(iterations=4))
        >>> save_patch("patch.safetensors", safer.patch)

    Args:
        loaded: the model to tune, unchanged since loading.
        mask: entries to train, or the path of a mask file. None trains all entries by dense AdamW on the same examples.
        refusals: harmful prompts with safe responses.
        harmless: harmless prompts with helpful responses.
        options: number of steps, learning rate, shares and other training options.
        progress: called after each step.
        output_dir: folder for checkpoints, needed with `checkpoint_every`.
        method: name of a row in `methods.py`. None is SET with a mask, and plain fine-tuning without one. `set+gapo`
            combines the gradients of refusals and harmless exchanges in place of their fixed mixture.
        method_options: options of the method.
        check_base: True refuses a mask of another model.
        check_sets: True lets the refusal rules read both sets, and refuses swapped ones. False trains on any.
        just_loaded: True trusts the hash that `load_model` has just made. False hashes the weights again and refuses a
            model that has changed since loading.

    Raises:
        ValueError: the mask or the exchanges do not fit the model, most harmless responses refuse, hardly any refusal
            does, or the loss or a weight is not finite.
        InvariantError: an entry outside the mask has changed.
    """
    _check(loaded, refusals, harmless, options)
    mask = None if mask is None else as_mask(mask)
    chosen = check_method(method or usual_method("enhance", mask), mask, options, method_options)
    refuse_none(refusals, harmless, options)
    if check_sets:
        refuse_swapped(refusals, harmless, way_round=", or pass check_sets=False to train on them anyway")
    refuse_wrong_start(loaded, mask, check_base=check_base, just_loaded=just_loaded)
    if harmless and not options.harmless_share:
        logger.warning("%s", UNUSED)
        harmless = ()
    if mask is not None:
        warn_of_default_rate(loaded.model.num_parameters(), options)
    roles = frozen_roles(loaded.model, (), train_routers=options.train_routers)
    tuning = Tuning(loaded, mask, options, partial(dense_adamw, options=options), roles, method_options)
    identity = identity_of("enhance", loaded, mask, chosen, method_options)
    read, order = [*refusals, *harmless], mix(len(refusals), len(harmless), options)
    steps = Steps(SUPERVISED, read, order, "enhancing", progress, as_path(output_dir), identity)
    return _train(chosen.parts, tuning, steps, refusals, harmless)


def _train(
    parts: Parts, tuning: Tuning, steps: Steps, refusals: Sequence[Exchange], harmless: Sequence[Exchange]
) -> EnhanceResult:
    """Trains on the mixture of `steps`, on preferences (dpo), or on two losses that the method combines."""
    loaded, mask, options, read = tuning.loaded, tuning.mask, tuning.options, steps.examples
    assert isinstance(options, EnhanceOptions)
    last_batch = [read[place] for place in steps.order[-options.batch_size :]]
    if options.objective == "dpo":
        pairs, order = _preferences(loaded, refusals, harmless, options, steps.progress)
        steps = replace(steps, training=preferences(options.beta), examples=pairs, order=order)
        last_batch = []
    elif parts.combine:
        parts, tuning, steps = _apart(parts, tuning, steps, refusals, harmless)
    trained, patch = train_by(parts, tuning, steps, read=read, last_batch=last_batch)
    made_by = _made_by(loaded, mask, refusals, harmless, options, trained.tuned.base)
    return _result(tuning, parts, trained, patch and replace(patch, made_by=made_by))


def check_method(name: str, mask: object, options: EnhanceOptions, method_options: MethodOptions) -> Method:
    """Returns the row of the method.

    Raises:
        ValueError: the method or its options do not fit SET.
    """
    chosen = method_for(name, mask)
    refuse_idle(chosen, method_options)
    if chosen.safety:
        raise ValueError(
            f"method {name} keeps the safety of a model that learns a task, and enhance teaches safety; use it with "
            "adapt."
        )
    if chosen.parts.combine and options.objective == "dpo":
        raise ValueError(
            f"method {name} combines the losses of refusals and of harmless exchanges, and objective dpo has one loss "
            "of preferences; choose objective sft, or leave the method out."
        )
    if chosen.parts.combine and not options.harmless_share:
        raise ValueError(
            f"method {name} combines the losses of refusals and of harmless exchanges; give a harmless_share above 0."
        )
    refuse_several_processes(chosen)
    return chosen


def _apart(
    parts: Parts, tuning: Tuning, steps: Steps, refusals: Sequence[Exchange], harmless: Sequence[Exchange]
) -> tuple[Parts, Tuning, Steps]:
    """Makes the harmless exchanges a loss of their own. Each step reads as many of each kind as the mixture would.

    Raises:
        ValueError: a step is too small for both kinds.
    """
    options = tuning.options
    assert isinstance(options, EnhanceOptions)
    beside = per_step(options.harmless_share, options.batch_size)
    size = options.batch_size - beside
    if size < 1:
        raise ValueError(f"batch_size={options.batch_size} leaves no refusal in a step; choose a larger one.")
    smaller = options.model_copy(update={"batch_size": size})
    share_batch(smaller, 1)
    order = shuffled_positions(len(refusals), options.iterations * size, options.seed)
    return (
        replace(parts, losses=(response_loss(beside),)),
        replace(tuning, options=smaller, extra=harmless),
        replace(steps, examples=refusals, order=order),
    )


def _check(
    loaded: LoadedModel, refusals: Sequence[Exchange], harmless: Sequence[Exchange], options: EnhanceOptions
) -> None:
    """Raises ValueError for an argument of the wrong kind."""
    require_loaded(loaded)
    require_options(options, EnhanceOptions)
    for name, records in (("refusals", refusals), ("harmless", harmless)):
        require_records(name, records, Exchange)
    refuse_adapters(loaded.model, WITHOUT_ADAPTERS)


def _preferences(
    loaded: LoadedModel,
    refusals: Sequence[Exchange],
    harmless: Sequence[Exchange],
    options: EnhanceOptions,
    progress: Progress,
) -> tuple[list[Preference], list[int]]:
    """Makes the preferences, and their order."""
    settings = {"max_new_tokens": options.own_tokens, "seed": options.seed, "progress": progress}
    unsafe, safe = make_preferences(loaded, refusals, harmless if options.harmless_share else (), **settings)
    return [*unsafe, *safe], mix(len(unsafe), len(safe), options)


def _made_by(
    loaded: LoadedModel,
    mask: Mask | None,
    refusals: Sequence[Exchange],
    harmless: Sequence[Exchange],
    options: EnhanceOptions,
    base: str,
) -> Meta:
    """Returns the patch's metadata: its method, options, model, mask and prompts."""
    return {
        "method": "enhance",
        "options": options.model_dump(),
        "model": model_entry(loaded.name, loaded.base),
        **version(),
        "mask": dict(mask.made_by) if mask is not None else None,
        "refusals": prompts_entry(refusals),
        "harmless": prompts_entry(harmless) if harmless else None,
        "tuned": {"fingerprint": base},
    }


def _result(tuning: Tuning, parts: Parts, trained: TuningResult, patch: Patch | None) -> EnhanceResult:
    model, is_sparse = tuning.loaded.model, parts.hold.is_sparse
    trainable = sum(site.num_entries for site in list_sites(model) if site.role not in tuning.frozen)
    num_trained = len(tuning.selected) if is_sparse else trainable
    return EnhanceResult(
        **vars(trained),
        patch=patch,
        entries_trained=num_trained,
        share_trained=num_trained / model.num_parameters(),
        untouched_identical=True if is_sparse else None,
    )


def refuse_none(refusals: Sequence[Exchange], harmless: Sequence[Exchange], options: EnhanceOptions) -> None:
    """Raises ValueError when a kind of example has a share above 0 and no exchange."""
    for what, records, share in (
        ("refusal", refusals, 1 - options.harmless_share),
        ("harmless", harmless, options.harmless_share),
    ):
        if share and not records:
            raise ValueError(
                f"there are no {what} exchanges to learn from; give at least one, or change harmless_share."
            )


def mix(num_unsafe: int, num_safe: int, options: EnhanceOptions) -> list[int]:
    """Returns each example's position in the list of harmful exchanges followed by harmless ones.

    Harmless examples are spread evenly among the others. Each kind comes in shuffled order.
    """
    length = options.iterations * options.batch_size
    return spread_positions(num_unsafe, num_safe, options.harmless_share, length, options.seed)


PARTS = Parts(hold=ALL_BUT_MASK, afterwards=make_patch_and_compare_rest)
"""SET: only the mask's entries are trained."""
