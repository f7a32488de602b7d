"""The k largest scores, where parameters are scored one after another and no parameter's scores are kept.

The result is exactly the mask that `top` would select from all scores at once. A histogram of the upper 16 bits of all
scores so far gives the bucket of the k-th largest. Scores below that bucket are dropped, since later scores can only
push them further down. The others are the candidates. At the end `ranking` cuts the mask from the candidates, by its
own rule for equal scores: the earlier parameter by name, then the lower index. The order in which parameters are added
therefore changes nothing.

A bucket is 1/128 of its magnitude wide, so there are only a few per cent more candidates than k. Each takes 8 or 12
bytes. A score of 0 is never a candidate, because a selection that would need zeros raises an error.
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
"""Candidates over those still possible, at which the others are dropped: 1.25 drops when a fifth can go."""
INT32_MAX = 2**31 - 1


class Candidates:
    """The scores added so far that may be among the k largest of the whole model."""

    def __init__(self, outline: Scores, options: TopOptions = TopOptions()) -> None:
        """Starts without candidates.

        Args:
            outline: names, shapes and metadata of all the scores to come, without their values.
            options: the fraction of the whole model to select.

        Raises:
            ValueError: the fraction selects nothing, or the options name layers or components.
        """
        if options.layers or options.components:
            raise ValueError(
                "a mask that is selected during scoring covers the whole model; leave layers and components out."
            )
        self.outline, self.options = outline, options
        self.num_selected = count_selected(options.fraction, outline.num_entries)
        self._counts = np.zeros(2**HALF_BITS, dtype=np.int64)
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def num_kept(self) -> int:
        """Number of candidates in memory."""
        return sum(len(index) for index, _ in self._kept.values())

    def add(self, name: str, scores: Float[Tensor, "..."]) -> None:
        """Adds the scores of one parameter.

        Raises:
            ValueError: a score is NaN, infinite or negative.
        """
        self._counts += count_upper(replace(self.outline, entries={name: scores}), name, None)
        values = scores.detach().reshape(-1).to("cpu", torch.float32).numpy()
        self._keep(name, np.arange(len(values)), values)
        if self.num_kept > SLACK * self._counts[self._lowest() :].sum():
            for candidate, (index, kept_values) in list(self._kept.items()):
                self._keep(candidate, index, kept_values)

    def select(self, made_by: Meta | None = None, num_selected: int | None = None) -> Mask:
        """Selects the k largest of all scores that were added, as `top` does.

        Args:
            made_by: how the scores were made. None takes it from the outline.
            num_selected: a smaller k than that of the options.

        Raises:
            ValueError: fewer than k scores are above 0.
        """
        num_selected = num_selected or self.num_selected
        if self.num_kept < num_selected:
            refuse_zeros(self.num_kept, num_selected)
        values = {name: torch.from_numpy(kept_values) for name, (_, kept_values) in self._kept.items()}
        whole = self.outline
        chosen = select_extreme(
            Scores(values, whole.unit, whole.base, whole.num_parameters),
            num_selected,
            largest=True,
            made_by=cut_by("top", self.options, replace(whole, made_by=made_by or whole.made_by)),
        )
        indices = {
            name: torch.from_numpy(self._kept[name][0].astype(np.int64))[chosen[name]] for name in chosen.indices
        }
        return Mask(indices, whole.shapes, whole.base, whole.num_parameters, chosen.made_by)

    def _lowest(self) -> int:
        """The bucket of the k-th largest score so far, or 0 while there are fewer than k scores."""
        above = self._counts[::-1].cumsum()
        return max(0, len(above) - 1 - int(above.searchsorted(self.num_selected)))

    def _keep(self, name: str, index: np.ndarray, values: np.ndarray) -> None:
        least = np.uint32(self._lowest() << HALF_BITS).view(np.float32)
        zeros_too = self.num_selected == self.outline.num_entries  # all entries are selected, so zeros are no choice
        positions = np.flatnonzero((values >= least) & ((values > 0) | zeros_too))
        small = entries_in(self.outline.shapes[name]) <= INT32_MAX
        self._kept[name] = (index[positions].astype(np.int32 if small else np.int64), values[positions])
