"""Scales the neurons or weights of a mask in a checkpoint, as a patch and a patched checkpoint. It loads no model."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from holdfast.artifacts import load_mask, refuse_other_base
from holdfast.intervene.edit.amounts import require_scale
from holdfast.intervene.edit.scale import scaled
from holdfast.intervene.patch.patch_files import Chunk, PatchFile, open_patch
from holdfast.made_by import Meta, model_entry, set_name, version
from holdfast.models.stored import open_stored, stored_fingerprint
from holdfast.objective.registry import OBJECTIVES, is_safety
from holdfast.pipeline.direction_sides import kind_of_set
from holdfast.pipeline.edited_checkpoint import PATCH, write_edit
from holdfast.pipeline.outputs import written_whole
from holdfast.progress import Progress, silent
from holdfast.select.neurons import neuron_weights
from holdfast.values import Mask

CONTROLS = ("random", "bottom")
"""Selectors of controls, which select no safety-critical units."""


def edit_model(model: str, mask: Path, scale: float, out: Path, progress: Progress = silent) -> PatchFile:
    """Writes a patch that scales what neurons write, or the weights of a mask of weights, and the patched checkpoint.

    Raises:
        ValueError: the scale is 1, negative or too large, the mask is of another model, the scale is below 1 and the
            mask was selected for safety, the checkpoint is broken, or `out` exists.
    """
    require_scale(scale)
    selected = load_mask(mask)
    refuse_weakening(str(mask), selected, scale)
    with written_whole(out) as partial:
        stored = open_stored(model)
        weights = neuron_weights(stored.model, selected, ("down",))
        refuse_other_base(f"mask {str(mask)!r}", selected, stored_fingerprint(stored, progress), model)
        made_by: Meta = {
            "method": "edit", "scale": scale, "model": model_entry(model, selected.base),
            "mask": dict(selected.made_by), **version(),
        }  # fmt: skip

        def changes() -> Iterator[tuple[str, Chunk]]:
            for name, index in weights.indices.items():
                old = stored.parameters[name].take(index)
                yield name, Chunk(index, scaled(old, scale), old)

        write_edit(partial, out, stored, weights.base, changes, made_by, progress)
    return open_patch(out / PATCH)


def refuse_weakening(name: str, mask: Mask, scale: float) -> None:
    """Raises ValueError when a scale below 1 would weaken what was selected for safety."""
    if scale < 1 and (objective := safety_objective(mask.made_by)):
        raise ValueError(
            f"mask {name!r} was selected for safety ({objective}), and a scale of {scale:g} would weaken it "
            "for good; give a scale above 1, or use `holdfast verify`, which measures what depends on the mask and "
            "restores every weight."
        )


def safety_objective(made_by: Meta) -> str | None:
    """Names the objective or the method by which a mask was selected for safety. None for other masks and for controls.

    The objective is one of safety. Or a contrast or probe compared harmful prompts with safe ones. holdfast knows the
    kinds of built-in and public sets, and not those of other files.
    """
    if made_by.get("selector") in CONTROLS:
        return None
    objective = made_by.get("objective")
    if isinstance(objective, str) and objective in OBJECTIVES and is_safety(OBJECTIVES[objective]):
        return f"objective {objective}"
    sets = {kind_of_set(set_name(made_by, name)) for name in ("prompts", "against")}
    if sets == {"harmful", "safe"}:
        return f"{made_by.get('method', 'scores')} of harmful prompts against safe ones"
    nested = [value for key, value in made_by.items() if key not in ("like", "utility")]
    lists = [inner for value in nested if isinstance(value, list | tuple) for inner in value]
    maps = [value for value in (*nested, *lists) if isinstance(value, Mapping)]
    return next(filter(None, map(safety_objective, maps)), None)
