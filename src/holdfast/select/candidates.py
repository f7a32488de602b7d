"""The k largest of scores that come one parameter after another and are not kept: exactly what `top` selects of all.

A histogram of the upper 16 bits of all scores so far tells the bucket that the k-th largest of them lies in. What lies
below that bucket can't be among the k largest of all, whatever is still to come, and is let go; the rest are
candidates. Of these the cut is made in the end, by `ranking`, with the same rule for equal scores: the earlier
parameter by name, then the lower index. So the order in which parameters come plays no part.

Candidates are the k and what shares the lowest bucket with the k-th, 1/128 of its magnitude wide: a few per cent more,
8 or 12 bytes each. Scores of 0 are none, because a selection that needs them is refused.
"""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.select.blocks import HALF_BITS
from holdfast.select.origin import cut_by
from holdfast.select.ranking import count_selected, count_upper, refuse_zeros, select_extreme
from holdfast.select.top import TopOptions
from holdfast.values import Mask, Meta, Scores, entries_in

SLACK = 1.25
"""Candidates are gone through when a fifth of them can be let go."""
INT32_MAX = 2**31 - 1


class Candidates:
    """What may be among the largest, of the scores added so far."""

    def __init__(self, outline: Scores, options: TopOptions = TopOptions()) -> None:
        """Nothing is added yet.

        Args:
            outline: names and shapes of all the scores that will be, and their metadata; no values.
            options: the fraction that is selected; of the whole model.

        Raises:
            ValueError: the fraction selects nothing, or keeps to a part of the model.
        """
        if options.layers or options.components:
            raise ValueError("a mask that is cut while scores are made is of the whole model; leave the parts out.")
        self.outline, self.options = outline, options
        self.num_selected = count_selected(options.fraction, outline.num_entries)
        self._counts = np.zeros(2**HALF_BITS, dtype=np.int64)
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def num_kept(self) -> int:
        """Candidates that are held."""
        return sum(len(index) for index, _ in self._kept.values())

    def add(self, name: str, scores: Float[Tensor, "..."]) -> None:
        """Takes in the scores of one parameter.

        Raises:
            ValueError: a score is NaN, infinite or negative.
        """
        self._counts += count_upper(replace(self.outline, entries={name: scores}), name, None)
        values = scores.detach().reshape(-1).to("cpu", torch.float32).numpy()
        self._keep(name, np.arange(len(values)), values)
        if self.num_kept > SLACK * self._counts[self._lowest() :].sum():
            for kept, (index, of) in list(self._kept.items()):
                self._keep(kept, index, of)

    def select(self, made_by: Meta | None = None) -> Mask:
        """The mask that `top` cuts from all scores that were added.

        Args:
            made_by: how the scores were made; as the outline says when None.

        Raises:
            ValueError: fewer scores than are wanted are above 0.
        """
        if self.num_kept < self.num_selected:
            refuse_zeros(self.num_kept, self.num_selected)
        values = {name: torch.from_numpy(of) for name, (_, of) in self._kept.items()}
        whole = self.outline
        chosen = select_extreme(
            Scores(values, whole.unit, whole.base, whole.num_parameters),
            self.num_selected,
            largest=True,
            made_by=cut_by("top", self.options, replace(whole, made_by=made_by or whole.made_by)),
        )
        indices = {
            name: torch.from_numpy(self._kept[name][0].astype(np.int64))[chosen[name]] for name in chosen.indices
        }
        return Mask(indices, whole.shapes, whole.base, whole.num_parameters, chosen.made_by)

    def _lowest(self) -> int:
        """The bucket of the k-th largest so far; 0 while there are fewer."""
        above = self._counts[::-1].cumsum()
        return max(0, len(above) - 1 - int(above.searchsorted(self.num_selected)))

    def _keep(self, name: str, index: np.ndarray, values: np.ndarray) -> None:
        least = np.uint32(self._lowest() << HALF_BITS).view(np.float32)
        zeros_too = self.num_selected == self.outline.num_entries  # then all are selected, and none is arbitrary
        found = np.flatnonzero((values >= least) & ((values > 0) | zeros_too))
        small = entries_in(self.outline.shapes[name]) <= INT32_MAX
        self._kept[name] = (index[found].astype(np.int32 if small else np.int64), values[found])
