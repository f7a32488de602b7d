"""Strengthens a direction in a checkpoint for good, as a patch and a patched checkpoint (`intervene/edit/strengthen`).

A bias takes the shift as it is. A matrix without one needs prompts, which the model answers. Four of five, with the
responses, make the shift even, and each fifth is left out, to measure how even it is over tokens that did not make it.
Some tokens begin every prompt, such as a system prompt. They count once among the tokens that make the shift, and not
at all among those left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.arguments import checked_call, require_name
from holdfast.artifacts import load_direction, refuse_other_base
from holdfast.directions.states import encode_prompts
from holdfast.directions.token_neurons import Batches, Stretch, neurons_at, shared_beginning, thinned
from holdfast.intervene.edit.amounts import require_strength
from holdfast.intervene.edit.steer import require_width
from holdfast.intervene.edit.strengthen import gain_of, shift_along, with_bias, with_rank_one
from holdfast.intervene.patch.patch_files import Chunk, PatchFile, open_patch
from holdfast.made_by import Meta, model_entry, prompts_entry, version
from holdfast.models.generate import generate
from holdfast.models.load import LoadedModel, load_model, require_model_name
from holdfast.models.options import GenerateOptions
from holdfast.models.stored import StoredModel, open_stored, stored_fingerprint
from holdfast.models.stream_writers import StreamWriter, find_writer, require_unchanged
from holdfast.models.tables import pad_id_for
from holdfast.pipeline.direction_sides import refuse_away_from_harm
from holdfast.pipeline.directions import warn_of_random
from holdfast.pipeline.edited_checkpoint import PATCH, write_edit
from holdfast.pipeline.outputs import refuse_existing, written_whole
from holdfast.progress import Progress, silent
from holdfast.prompts.sources import load_prompts
from holdfast.records import Prompt
from holdfast.values import Direction

FEWEST_PROMPTS = 10
HELD_OUT = 5
"""Each fifth prompt is left out."""
RESPONSE_TOKENS = 32
"""Longest response to a prompt. Its tokens have other neurons than those of prompts, and an edit must reach both."""


@dataclass(frozen=True, kw_only=True)
class ShiftByToken:
    """The shift along the direction over some tokens, as shares of the shift that steering makes."""

    tokens: int
    mean: float
    """Mean share. At 1 the edit moves tokens as far as steering does, on average."""
    variation: float
    """Standard deviation divided by the mean: 0 if every token moves by the same."""
    below_half: float
    """Share of the tokens that move by less than half of what steering moves them by."""


@dataclass(frozen=True, kw_only=True)
class Evenness:
    """Shift of a rank-one matrix over the tokens that made it, and over tokens that were left out."""

    made_on: ShiftByToken
    """Over the tokens that made it, at most 4,096 of them. The mean of all is 1 but for rounding."""
    prompts: ShiftByToken
    """Over the tokens of the prompts that were left out."""
    responses: ShiftByToken | None
    """Over the tokens of the responses to them. None if there are none."""
    num_held_out: int
    """Number of prompts that were left out."""


@dataclass(frozen=True, kw_only=True)
class DirectionEdit:
    """The patch of an edit along a direction, and how constant its shift is."""

    patch: PatchFile
    parameter: str
    """The parameter that was changed."""
    evenness: Evenness | None = None
    """None with a bias, which moves every token by the same."""

    @property
    def form(self) -> Literal["bias", "rank_one"]:
        """The changed part: the bias, or a matrix by a rank-one update."""
        return "rank_one" if self.evenness else "bias"


@checked_call
def edit_direction(
    model: str | Path,
    direction: str | Path,
    coefficient: float,
    out: str | Path,
    prompts: str | Path | None = None,
    progress: Progress = silent,
) -> DirectionEdit:
    """Moves the residual stream along a direction for good: writes the patch that does it, and the patched checkpoint.

    It adds c * norm * u to the bias of the matrix by which the MLP of the direction's layer writes. If the matrix has
    no bias, it adds a rank-one matrix, whose shift is c * norm * u on average over the tokens of the prompts and of the
    model's responses. The shift varies from token to token, and the result says by how much on prompts that were left
    out. Before you use the edited checkpoint, compare it with the model: `holdfast evaluate`, then `compare`.

    Args:
        model: the checkpoint that the direction was found in: a folder, a hub id or testbed:NAME.
        direction: the direction's file.
        coefficient: c, how far, in units of the usual length of the states. It must be above 0.
        out: new folder for the patch, `patch.safetensors`, and the checkpoint, `model`.
        prompts: ten prompts or more, of all kinds that the model will read. Only for a matrix without a bias.
        progress: called as the model is read and written.

    Raises:
        ValueError: the coefficient is not above 0, the direction is of another model or points away from harmful
            prompts, the layer has experts or a norm behind its MLP, prompts are missing, too few, or given to a matrix
            with a bias, the checkpoint is broken, or `out` exists.
    """
    require_strength(coefficient)
    require_model_name(model)
    require_name(direction, "a direction's file", "give the file that `holdfast direction find` wrote")
    require_name(out, "the folder for the edit", "give a new one")
    out, along = Path(out), load_direction(direction)
    refuse_away_from_harm(str(direction), along)
    if isinstance(recognised := along.made_by.get("recognised"), dict):
        warn_of_random(recognised["direction"], recognised["random"])
    refuse_existing(out)
    given = None if prompts is None else load_prompts(prompts)
    with written_whole(out) as partial:
        stored = open_stored(str(model))
        writer = _find_writer(stored, along, given)
        refuse_other_base(f"the direction {str(direction)!r}", along, stored_fingerprint(stored, progress), str(model))
        edit = _Edit(stored, writer, along, coefficient)
        loaded = load_model(model, progress=progress)
        require_unchanged(loaded.model, writer, shift_along(along, 1.0).float())
        chunk, evenness = (edit.of_bias(), None) if given is None else edit.of_matrix(loaded, given, progress)
        made_by: Meta = {
            **version(),
            "method": "direction_edit",
            "coefficient": coefficient,
            "model": model_entry(str(model), along.base),
            "direction": {"file": str(direction), "layer": along.layer, "made_by": dict(along.made_by)},
            **({} if given is None else {"prompts": prompts_entry(given, str(prompts))}),
            **({"evenness": asdict(evenness)} if evenness else {}),
        }
        write_edit(partial, out, stored, along.base, lambda: iter([(edit.parameter, chunk)]), made_by, progress)
    return DirectionEdit(patch=open_patch(out / PATCH), parameter=edit.parameter, evenness=evenness)


def _find_writer(stored: StoredModel, direction: Direction, prompts: Sequence[Prompt] | None) -> StreamWriter:
    """Finds the matrix to edit, and checks what can be checked without values."""
    require_width(direction, stored.model, repr(stored.name))
    writer = find_writer(stored.model, direction.layer)
    if writer.bias and prompts is not None:
        raise ValueError(
            f"{writer.path} has a bias, which takes the shift as it is, so prompts have no effect; leave them out."
        )
    if not writer.bias and prompts is None:
        raise ValueError(
            f"{writer.path} has no bias, so the edit needs prompts, over which it makes the shift even; give "
            "prompts of all kinds that the model will read."
        )
    if prompts is not None and len(prompts) < FEWEST_PROMPTS:
        raise ValueError(f"the edit needs {FEWEST_PROMPTS} prompts or more, got {len(prompts)}; a hundred are better.")
    return writer


@dataclass(frozen=True)
class _Edit:
    """A checkpoint, the matrix to edit, and how far the stream is to move."""

    stored: StoredModel
    writer: StreamWriter
    direction: Direction
    coefficient: float

    @property
    def shift(self) -> Float[Tensor, " d_model"]:
        return shift_along(self.direction, self.coefficient)

    @property
    def parameter(self) -> str:
        return self.writer.bias or self.writer.weight

    def of_bias(self) -> Chunk:
        """Returns the changed entries of the bias."""
        old = self._old()
        return _changed(self.parameter, old, with_bias(old, self.shift))

    def of_matrix(self, loaded: LoadedModel, prompts: Sequence[Prompt], progress: Progress) -> tuple[Chunk, Evenness]:
        """Returns the changed entries of the matrix, and how even the shift is."""
        texts = _answered(loaded, prompts, bool(self.direction.made_by.get("as_text")), progress)
        shared = shared_beginning([answered.prompt_ids for answered in texts])
        held_out, making = texts[HELD_OUT - 1 :: HELD_OUT], [*texts]
        del making[HELD_OUT - 1 :: HELD_OUT]
        made_from = [Stretch(shared), *(Stretch(answered.token_ids, len(shared)) for answered in making)]
        pad_id = pad_id_for(loaded.model, loaded.tokenizer)

        def neurons(stretches: Sequence[Stretch]) -> Batches:
            return neurons_at(loaded.model, self.writer, stretches, pad_id, progress)

        old, inputs_first = self._old(), self.writer.inputs_first
        kept, mean = thinned(neurons(made_from), sum(map(len, made_from)))
        new = with_rank_one(old, self.shift, gain_of(kept, mean), inputs_first=inputs_first)
        change = new.double() - old.double()  # as the checkpoint's dtype rounds it
        along = (change if inputs_first else change.T) @ (self.shift / (self.shift @ self.shift))
        in_prompts = [Stretch(answered.prompt_ids, len(shared)) for answered in held_out]
        in_responses = [Stretch(answered.token_ids, len(answered.prompt_ids)) for answered in held_out]
        evenness = Evenness(
            made_on=_by_token(iter([kept]), along),
            prompts=_by_token(neurons(in_prompts), along),
            responses=_by_token(neurons(in_responses), along) if any(map(len, in_responses)) else None,
            num_held_out=len(held_out),
        )
        return _changed(self.parameter, old, new), evenness

    def _old(self) -> Tensor:
        parameter = self.stored.parameters[self.parameter]
        return parameter.read(0, parameter.num_entries).view(parameter.shape)


def _changed(name: str, old: Tensor, new: Tensor) -> Chunk:
    """Returns the entries that differ. Raises ValueError if none does."""
    index = (new != old).flatten().nonzero().flatten()
    if not len(index):
        raise ValueError(f"the coefficient is so small that {name} in {old.dtype} stays as it is; give a larger one.")
    return Chunk(index, new.flatten()[index], old.flatten()[index])


@dataclass(frozen=True)
class _Answered:
    """A prompt with the model's response to it."""

    prompt_ids: Sequence[int]
    token_ids: Sequence[int]
    """Tokens of the prompt, then those of the response."""


def _answered(loaded: LoadedModel, prompts: Sequence[Prompt], as_text: bool, progress: Progress) -> list[_Answered]:
    """Lets the model answer the prompts. A direction of texts without a chat template gets the texts alone."""
    texts = [record.prompt for record in prompts]
    if as_text:
        return [_Answered(ids, ids) for ids in encode_prompts(loaded.model, loaded.tokenizer, texts, as_text=True)]
    options = GenerateOptions(max_new_tokens=RESPONSE_TOKENS)
    responses = generate(loaded.model, loaded.tokenizer, texts, options, progress)
    return [_Answered(made.prompt_ids, [*made.prompt_ids, *made.token_ids]) for made in responses]


def _by_token(batches: Iterator[Float[Tensor, "token d_mlp"]], along: Float[Tensor, " d_mlp"]) -> ShiftByToken:
    """Measures the share of the wanted shift at every token."""
    shares = torch.cat([neurons.double() @ along for neurons in batches])
    mean = float(shares.mean())
    return ShiftByToken(
        tokens=len(shares),
        mean=mean,
        variation=float(shares.std(correction=0)) / abs(mean) if mean else float("inf"),
        below_half=float((shares < 0.5).double().mean()),
    )
