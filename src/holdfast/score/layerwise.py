"""Sums the gradients of gradient.py one layer l at a time, from the last to the first:

    dL/dw_l = dL/dh_{l+1} dh_{l+1}/dw_l,        dL/dh_l = dL/dh_{l+1} dh_{l+1}/dh_l

h_l are the hidden states before layer l, L the objective. The forward pass runs each layer over all batches and stores
its outputs off the device. The head gives dL/dh at the last boundary. The backward pass goes from the last layer to the
first. It runs each layer again on the stored inputs, sums its gradients in float32 over all batches, hands them over
and frees them. So the device holds the weights outside the layers, one layer with its sums, and one batch.

The sums equal those of the whole model up to float32 rounding. The operations and batches are the same, and hidden
states and their gradients are stored between layers in their own dtype.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.models.layer_calls import LayerCall, call_of, ending_in
from holdfast.models.layered import LayeredModel
from holdfast.models.logits import LARGEST_BUDGET
from holdfast.models.shards import is_sharded
from holdfast.models.sites import Site, scorable_sites
from holdfast.objective.completions import Objective, check_completions, completion_logits
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length
from holdfast.score.boundaries import Boundaries
from holdfast.score.gradient import collecting, refuse_not_finite
from holdfast.score.sums import Sums


@dataclass(frozen=True, eq=False)
class LayerSums:
    """The sums of one layer, over each part of the items."""

    number: int
    sites: Sequence[Site]
    """The layer's scored sites."""
    weights: Mapping[str, Tensor]
    """The layer's scored parameters by name."""
    parts: tuple[Sums, ...]


def sum_by_layer(
    layered: LayeredModel,
    objective: Objective,
    parts: Sequence[Sequence[int]],
    *,
    token_budget: int | None = None,
    progress: Progress = silent,
    folder: Path | None = None,
    keep_layers: bool = True,
) -> Generator[LayerSums]:
    """Sums the objective's gradient over each part of its items, one layer after another, from the last to the first.

    A layer counts as done once the caller asks for the next one. The model is as it was when the iterator is exhausted
    or closed.

    Args:
        layered: the model.
        objective: objective to differentiate.
        parts: lists of positions in the objective's completions. Each list has a sum of its own.
        token_budget: most tokens of a batch, padding counted. None takes 4096.
        progress: called after every layer, forward and backward.
        folder: folder for hidden states and gradients, from which an interrupted pass resumes. None keeps them in
            memory.
        keep_layers: True does not yield layers again that were done before an interruption.

    Raises:
        ValueError: the layers can't run one by one, the objective is not finite for an item, or a completion is longer
            than the model's context or has a token that the model lacks.
    """
    if is_sharded(layered.loaded.model):
        raise ValueError("a sharded model can't be scored layer by layer; choose one of the two.")
    check_completions(layered.loaded, objective)
    boundaries = Boundaries(folder)
    passes = _Passes(layered, objective, _batches(objective, parts, token_budget), boundaries)
    depth = len(layered.layers)
    done = boundaries.steps_done if keep_layers else min(boundaries.steps_done, depth)
    progress("scoring layers", done, 2 * depth + 1)
    with collecting(layered.loaded.model, {}):
        for step in range(done, 2 * depth + 1):
            if step < depth:
                passes.forward(step)
            elif step == depth:
                passes.head()
            else:
                yield passes.backward(2 * depth - step, len(parts))
            boundaries.steps_done = step + 1
            boundaries.drop("gradient", 2 * depth - step + 1, len(passes.batches))
            progress("scoring layers", step + 1, 2 * depth + 1)


@dataclass(frozen=True)
class _Batch:
    part: int
    items: list[int]


def _batches(objective: Objective, parts: Sequence[Sequence[int]], token_budget: int | None) -> list[_Batch]:
    """Returns every part's own batches, as if it were summed alone."""
    all_batches = []
    for part, items in enumerate(parts):
        lengths = [len(objective.completions[item].token_ids) for item in items]
        for batch in batches_by_length(lengths, token_budget or LARGEST_BUDGET):
            all_batches.append(_Batch(part, [items[position] for position in batch]))
    return all_batches


@dataclass(frozen=True, eq=False)
class _Passes:
    """The three kinds of steps, each over all batches."""

    layered: LayeredModel
    objective: Objective
    batches: Sequence[_Batch]
    boundaries: Boundaries

    @torch.no_grad()
    def forward(self, number: int) -> None:
        """Runs a layer from boundary n to boundary n + 1. Boundary 0, the embedding's output, is recomputed."""
        layer = self.layered.read(number)
        for place, batch in enumerate(self.batches):
            call = self._call(number, batch)
            output = call.run(layer, self._before(number, place, call))
            self.boundaries.put("hidden", number + 1, place, output)

    def head(self) -> None:
        """Computes the objective from the hidden states behind the last layer, and its gradient there."""
        depth = len(self.layered.layers)
        for place, batch in enumerate(self.batches):
            leaves: list[Tensor] = []

            def last(like: Tensor, place: int = place, leaves: list[Tensor] = leaves) -> Tensor:
                leaves.append(self.boundaries.get("hidden", depth, place, like).requires_grad_())
                return leaves[0]

            with torch.enable_grad(), ending_in(self.layered.layers, last):
                contributions = self.objective.contributions(self.layered.loaded.model, batch.items)
            refuse_not_finite(contributions, self.objective, batch.items)
            contributions.sum().backward()
            assert leaves[0].grad is not None
            self.boundaries.put("gradient", depth, place, leaves[0].grad)

    def backward(self, number: int, num_parts: int) -> LayerSums:
        """Returns the layer's sums, and stores the gradient at the boundary before it."""
        layer, before = self.layered.read(number), f"{self.layered.path}{number}."
        sites = [site for site in scorable_sites(self.layered.loaded.model) if site.layer == number]
        weights = {site.name: layer.get_parameter(site.name.removeprefix(before)) for site in sites}
        parts = []
        for part in range(num_parts):
            sums = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}
            with collecting(layer, {name.removeprefix(before): total for name, total in sums.items()}):
                for place, batch in enumerate(self.batches):
                    if batch.part == part:
                        self._backward(number, layer, place, batch)
            parts.append(Sums(sums, sum(len(batch.items) for batch in self.batches if batch.part == part)))
        return LayerSums(number, sites, weights, tuple(parts))

    def _backward(self, number: int, layer: torch.nn.Module, place: int, batch: _Batch) -> None:
        call = self._call(number, batch)
        hidden = self._before(number, place, call).requires_grad_()
        with torch.enable_grad():
            output = call.run(layer, hidden)
        torch.autograd.backward(output, self.boundaries.get("gradient", number + 1, place, output))
        if number:
            assert hidden.grad is not None
            self.boundaries.put("gradient", number, place, hidden.grad)

    def _call(self, number: int, batch: _Batch) -> LayerCall:
        completions = [self.objective.completions[item] for item in batch.items]
        with torch.no_grad():
            return call_of(
                self.layered.layers, number, lambda: completion_logits(self.layered.loaded.model, completions)
            )

    def _before(self, number: int, place: int, call: LayerCall) -> Float[Tensor, "batch token d_model"]:
        return self.boundaries.get("hidden", number, place, call.hidden) if number else call.hidden
