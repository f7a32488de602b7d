"""The same sums as gradient.py, one layer l at a time, the last one first:

    dL/dw_l = dL/dh_{l+1} dh_{l+1}/dw_l,        dL/dh_l = dL/dh_{l+1} dh_{l+1}/dh_l

h_l are the hidden states before layer l, L the objective. Forward, each layer is run over all batches, and what it
hands on is kept beside the device. The head gives dL/dh at the last boundary. Backward, from the last layer to the
first, each layer is run again on what was kept, its gradients are summed in float32 over all batches, handed over and
freed. So the device holds what stands outside the layers, one layer with its sums, and one batch.

The sums are those of the whole model up to float32 rounding: the same operations on the same batches, with hidden
states and their gradients stored between layers in the very dtype that they have.
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
    """What of the layer is scored."""
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
    """The objective's gradient summed over each part of its items, for one layer after another, the last one first.

    A layer counts as done when the next one is asked for. The model is given back as it was when the iterator is
    exhausted or closed.

    Args:
        layered: the model.
        objective: what is differentiated.
        parts: positions in the objective's completions; those of a part are summed.
        token_budget: tokens of a batch at most, padding counted; 4096 when left out.
        progress: called after every layer, forward and backward.
        folder: where hidden states and gradients are kept, so that a pass that was stopped goes on; in memory if None.
        keep_layers: whether layers that were handed over stay done when the pass is taken up again.

    Raises:
        ValueError: the layers can't be worked on one by one, the objective is not finite for an item, or a completion
            is longer than the model's context or has a token that the model lacks.
    """
    if is_sharded(layered.loaded.model):
        raise ValueError("a model is scored layer by layer in one process, or sharded over several; choose one.")
    check_completions(layered.loaded, objective)
    boundaries = Boundaries(folder)
    passes = _Passes(layered, objective, _batches(objective, parts, token_budget), boundaries)
    depth = len(layered.layers)
    done = boundaries.steps_done if keep_layers else min(boundaries.steps_done, depth)
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
    """Every part's own batches, as they would be if it were summed alone."""
    found = []
    for part, items in enumerate(parts):
        lengths = [len(objective.completions[item].token_ids) for item in items]
        for batch in batches_by_length(lengths, token_budget or LARGEST_BUDGET):
            found.append(_Batch(part, [items[position] for position in batch]))
    return found


@dataclass(frozen=True, eq=False)
class _Passes:
    """The three kinds of steps, each over all batches."""

    layered: LayeredModel
    objective: Objective
    batches: Sequence[_Batch]
    boundaries: Boundaries

    @torch.no_grad()
    def forward(self, number: int) -> None:
        """Boundary n to boundary n + 1; boundary 0 is the embedding's, which is made anew when it is needed."""
        layer = self.layered.read(number)
        for place, batch in enumerate(self.batches):
            call = self._call(number, batch)
            output = call.run(layer, self._before(number, place, call))
            self.boundaries.put("hidden", number + 1, place, output)

    def head(self) -> None:
        """The objective, as the hidden states behind the last layer give it, and its gradient there."""
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
        """The layer's sums, and the gradient at the boundary before it from the one behind it."""
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
