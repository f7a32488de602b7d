"""Puts the aligned model's values back on few of the weights that a fine-tuning moved, on files.

The folder that `holdfast restore` writes:
    patch.safetensors   the restored weights with the values before, so that the patch can be reverted
    model/              the restored checkpoint
    result.json         counts, and the task scores of the line search

Memory holds one parameter's scores and the chosen entries. Only the selector `effect`, which needs a gradient, and a
line search on task examples load the tuned model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from holdfast.arguments import checked_call, require_name, require_options
from holdfast.artifacts import save_json
from holdfast.evaluate.predicted import predicted_share
from holdfast.intervene.entries import select_entries
from holdfast.intervene.patch.low_rank import is_adapter
from holdfast.intervene.patch.patch_files import PatchFile, PatchWriter, open_patch
from holdfast.intervene.patch.restore import Ends, open_ends, write_cut, write_merged
from holdfast.intervene.patch.restore_options import RestoreOptions, SafeLoraOptions
from holdfast.intervene.patch.safe_lora import Projected, write_projected
from holdfast.intervene.patch.stored_patch import new_values, write_values
from holdfast.made_by import model_entry, version
from holdfast.models.checkpoints import copy_checkpoint
from holdfast.models.load import LoadedModel, load_model, require_model_name
from holdfast.models.stored import open_stored, stored_fingerprint
from holdfast.pipeline.given_exchanges import load_given
from holdfast.pipeline.options import ScoringOptions
from holdfast.pipeline.outputs import refuse_existing, written_whole
from holdfast.pipeline.restore_choice import Choice, Ranking, at_random, by_effect, from_file, mask_of_moved
from holdfast.progress import Progress, silent
from holdfast.prompts.sources import load_exchanges
from holdfast.records import Exchange
from holdfast.values import Mask, entries_in
from holdfast.wrong_files import require_kind

HALVINGS = 7
"""Most numbers of weights that a line search tries, each half of the one before."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A restoration's patch and counts."""

    patch: PatchFile
    moved: int
    """Number of scored weights that the tuning had moved."""
    scored: int
    """Number of scored weights of the model."""
    left_alone: tuple[str, ...] = ()
    """Embeddings and heads with another number of rows. They were not restored."""
    task_before: float | None = None
    """Task score of the tuned model. None without task examples."""
    tried: tuple[tuple[int, float], ...] = ()
    """Numbers of weights that the line search tried, each with the task score of the restored model."""

    @property
    def restored(self) -> int:
        """Number of weights put back."""
        return len(self.patch)

    def as_json(self) -> dict[str, object]:
        """Returns the counts as one JSON object."""
        counts: dict[str, object] = {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        return {"restored": self.restored, **counts}


@checked_call
def restore(
    aligned: str | Path,
    tuned: str | Path,
    out: str | Path,
    options: RestoreOptions | None = None,
    progress: Progress = silent,
) -> Restored:
    """Writes a tuned model with the aligned model's values on few of the weights that moved, and the patch to it.

    Args:
        aligned: the checkpoint before the tuning.
        tuned: the tuned checkpoint, or the folder of a LoRA adapter.
        out: new folder for the patch, the restored model and the counts.
        options: the inputs, the selector and the budget. The selector effect needs refusals, and top needs scores.
        progress: called after each step.

    Raises:
        ValueError: an input is missing or does not belong to the models, the tuned model was not made from the aligned
            one or does not differ from it, or the task suffers at every number of weights.
    """
    require_model_name(aligned)
    require_model_name(tuned)
    require_name(out, "a folder to write to", "give a path such as 'restored'")
    options = RestoreOptions() if options is None else options
    require_options(options, RestoreOptions)
    out = Path(out)
    refuse_existing(out)
    for path, kind in ((options.scores, "scores"), (options.utility, "scores"), (options.mask, "mask")):
        if path is not None:
            require_kind(path, kind)
    refusals = load_given(options.refusals, ScoringOptions(objective="refusal_likelihood")) if options.refusals else []
    task = load_exchanges(options.task) if options.task else []
    ends = open_ends(str(aligned), str(tuned), beside=options.beside)
    bases = stored_fingerprint(ends.aligned, progress), stored_fingerprint(ends.tuned, progress)
    if bases[0] == bases[1]:
        raise ValueError(
            f"{str(aligned)!r} and {str(tuned)!r} hold the same weights, so there is nothing to restore; give the "
            "checkpoint before the tuning and the one after it."
        )
    return _Restoration(ends, bases, options, refusals, task, progress).write(str(aligned), str(tuned), out)


@checked_call
def safe_lora(
    aligned: str | Path,
    base: str | Path,
    adapter: str | Path,
    out: str | Path,
    options: SafeLoraOptions = SafeLoraOptions(),
    progress: Progress = silent,
) -> list[Projected]:
    """Writes a LoRA adapter whose matrices are projected as SafeLoRA does, an alternative to `restore`.

    Args:
        aligned: the model that the adapter was trained on.
        base: the model before alignment.
        adapter: folder of the adapter.
        out: new folder for the projected adapter.
        options: the threshold.
        progress: called after each matrix.

    Raises:
        ValueError: the adapter is no plain LoRA, or the three do not belong to each other.
    """
    for name in (aligned, base, adapter):
        require_model_name(name)
    require_name(out, "a folder to write to", "give a path such as 'projected'")
    require_options(options, SafeLoraOptions)
    if not is_adapter(str(adapter)):
        raise ValueError(f"SafeLoRA projects a LoRA adapter, and {str(adapter)!r} is none; leave the base model out.")
    with written_whole(Path(out)) as folder:
        ends = open_stored(str(aligned)), open_stored(str(base))
        return write_projected(*ends, str(adapter), folder, options.threshold, progress)


@dataclass(frozen=True)
class _Choice:
    """The weights to put back, with the counts and task scores behind them."""

    mask: Mask
    moved: int
    task_before: float | None = None
    tried: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class _Restoration:
    """All opened inputs of a restoration."""

    ends: Ends
    bases: tuple[str, str]
    """Fingerprints of the aligned and of the tuned model."""
    options: RestoreOptions
    refusals: Sequence[Exchange]
    task: Sequence[Exchange]
    progress: Progress

    def write(self, aligned: str, tuned: str, out: Path) -> Restored:
        """Chooses the weights and writes all files."""
        chosen, before = self._choose(), self.bases[0 if self.options.beside else 1]
        ends = {"model": model_entry(tuned, self.bases[1]), "aligned": model_entry(aligned, self.bases[0])}
        selector = "mask" if self.options.mask else self.options.selector
        made_by = {
            "method": "restore", "selector": selector, **ends, **version(), "mask": dict(chosen.mask.made_by)
        }  # fmt: skip
        with written_whole(out) as folder:
            copy_checkpoint(self.ends.start.checkpoint, folder / "model", self.progress)
            with PatchWriter(folder, self.ends.shapes) as writer:
                write_cut(self.ends, chosen.mask, writer, self.progress)
                writer.save(folder / "patch.safetensors", before, made_by)
            stored, patch = open_stored(str(folder / "model")), open_patch(folder / "patch.safetensors")
            write_merged(self.ends, stored)
            write_values(stored, patch, new_values, self.progress)
            result = self._result(patch, chosen)
            save_json(folder / "result.json", {**result.as_json(), "options": self.options.model_dump(mode="json")})
        return replace(result, patch=open_patch(out / "patch.safetensors"))

    def _result(self, patch: PatchFile, chosen: _Choice) -> Restored:
        return Restored(
            patch=patch,
            moved=chosen.moved,
            scored=sum(map(entries_in, self.ends.shapes.values())),
            left_alone=self.ends.left_alone,
            task_before=chosen.task_before,
            tried=chosen.tried,
        )

    def _choose(self) -> _Choice:
        if self.options.mask:
            return _Choice(*mask_of_moved(self.ends, self.options.mask, self.bases))
        choice = Choice(self.ends, self._ranking(), self.options.fraction, self.progress)
        return self._search(choice) if self.task else _Choice(choice.mask(choice.size), choice.moved)

    def _ranking(self) -> Ranking:
        options, tuned_base = self.options, self.bases[1]
        if options.selector == "random":
            return at_random(self.ends, tuned_base, options.seed)
        if options.scores:
            return from_file(self.ends, options.scores, options.utility, options, self.bases)
        return by_effect(self.ends, self._tuned, self.refusals, tuned_base, self.progress)

    def _search(self, choice: Choice) -> _Choice:
        """Halves the number of weights until the task score falls by at most the margin."""
        self.progress("halving the weights to put back", 0, HALVINGS)
        before, tried, size = predicted_share(self._tuned, self.task), [], choice.size
        while size and len(tried) < HALVINGS:
            mask = choice.mask(size)
            tried.append((size, self._task_score(mask)))
            fits = before - tried[-1][1] <= self.options.margin
            self.progress("halving the weights to put back", HALVINGS if fits else len(tried), HALVINGS)
            if fits:
                return _Choice(mask, choice.moved, before, tuple(tried))
            size //= 2
        raise ValueError(
            f"the task score falls from {before:.3f} to {tried[-1][1]:.3f} even with {tried[-1][0]:,} weights put "
            f"back, and the margin is {self.options.margin:g}; allow a larger margin, or choose another selector."
        )

    def _task_score(self, mask: Mask) -> float:
        """Measures the task score with the weights of a mask put back. Afterwards the model is as it was."""
        entries = select_entries(self._tuned.model, mask.indices, mask.shapes, mask.made_by)
        before = [entry.read() for entry in entries]
        try:
            for entry in entries:
                entry.write(self.ends.restored(entry.name, mask[entry.name]))
            return predicted_share(self._tuned, self.task)
        finally:
            for entry, values in zip(entries, before, strict=True):
                entry.write(values)

    @cached_property
    def _tuned(self) -> LoadedModel:
        """The tuned model, with an adapter merged."""
        source = self.ends.aligned if self.ends.changes else self.ends.tuned
        loaded = load_model(source.name, progress=self.progress)
        weights = dict(loaded.model.named_parameters())
        for name in self.ends.changes:
            parameter = self.ends.tuned.parameters[name]
            weights[name].data.copy_(parameter.read(0, parameter.num_entries).view(parameter.shape))
        return loaded
