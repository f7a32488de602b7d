"""SET, safety enhancement tuning: trains only the selected entries, so that the model refuses harmful prompts.

Harmful prompts are paired with safe responses (Qi et al. 2026, arXiv 2604.08297: 100 iterations on 1% of the weights).
Our additions:

- By default every second example is a harmless exchange, because refusals alone teach a model to refuse everything.
- A check shows that every entry outside the mask kept every bit.
- Without a mask, the same examples tune the whole model, as a control.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from holdfast.arguments import checked_call, require_options
from holdfast.intervene.entries import refuse_adapters
from holdfast.intervene.options import EnhanceOptions
from holdfast.intervene.train.dpo import Preference, make_preferences, preferences
from holdfast.intervene.train.examples import shuffled_positions
from holdfast.intervene.train.frozen import frozen_roles
from holdfast.intervene.train.methods import Method, identity_of, method_for, usual_method
from holdfast.intervene.train.one_tuning import Tuning
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
from holdfast.value_or_path import as_mask
from holdfast.values import Mask, Meta, Patch


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
    check_base: bool = True,
    check_sets: bool = True,
    just_loaded: bool = False,
) -> EnhanceResult:
    """Trains the model in place. For another arm, load the model again.

    Args:
        loaded: the model to tune, unchanged since loading.
        mask: entries to train, or the path of a mask file. None trains all entries by dense AdamW on the same examples.
        refusals: harmful prompts with safe responses.
        harmless: harmless prompts with helpful responses.
        options: number of steps, learning rate, shares and other training options.
        progress: called after each step.
        output_dir: folder for checkpoints, needed with `checkpoint_every`.
        method: name of a row in `methods.py`. None is SET with a mask, and plain fine-tuning without one.
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
    refuse_none(refusals, harmless, options)
    if check_sets:
        refuse_swapped(refusals, harmless, way_round=", or pass check_sets=False to train on them anyway")
    mask = None if mask is None else as_mask(mask)
    refuse_wrong_start(loaded, mask, check_base=check_base, just_loaded=just_loaded)
    chosen = method_for(method or usual_method("enhance", mask), mask)
    roles = frozen_roles(loaded.model, (), train_routers=options.train_routers)
    tuning = Tuning(loaded, mask, options, partial(dense_adamw, options=options), roles)
    identity = identity_of("enhance", loaded, mask, chosen)
    folder = None if output_dir is None else Path(output_dir)
    read, order = [*refusals, *harmless], mix(len(refusals), len(harmless), options)
    last: Sequence[int] = order[-options.batch_size :]
    steps: Steps = Steps(SUPERVISED, read, order, "enhancing", progress, folder, identity)
    if options.objective == "dpo":
        pairs, order = _preferences(loaded, refusals, harmless, options, progress)
        steps = replace(steps, training=preferences(options.beta), examples=pairs, order=order)
        last = ()
    trained, patch = train_by(chosen, tuning, steps, read=read, last_batch=[read[place] for place in last])
    made_by = _made_by(loaded, mask, refusals, harmless, options, trained.tuned.base)
    return _result(tuning, chosen, trained, patch and replace(patch, made_by=made_by))


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
        "harmless": prompts_entry(harmless),
        "tuned": {"fingerprint": base},
    }


def _result(tuning: Tuning, method: Method, trained: TuningResult, patch: Patch | None) -> EnhanceResult:
    model, is_sparse = tuning.loaded.model, method.hold.is_sparse
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
    share, num_examples = options.harmless_share, options.iterations * options.batch_size
    is_harmless = [int((place + 1) * share) > int(place * share) for place in range(num_examples)]
    num_harmless = sum(is_harmless)
    positions = {
        False: iter(shuffled_positions(num_unsafe, num_examples - num_harmless, options.seed)),
        True: iter(shuffled_positions(num_safe, num_harmless, options.seed + 1)),
    }
    offset = {False: 0, True: num_unsafe}
    return [offset[kind] + next(positions[kind]) for kind in is_harmless]
