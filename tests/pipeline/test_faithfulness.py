"""Groups of one model's entries say nothing of another's scores or weights."""

import pytest
import torch

from holdfast.models.load import LoadedModel
from holdfast.pipeline.faithfulness import faithfulness, make_groups, measure_impact
from holdfast.values import Scores
from tests.intervene.given import load_tiny
from tests.tiny import make_llama


class Steady:
    """A measure that finds the same whatever happens."""

    def measure(self, model):
        return 0.0


def scores_of(loaded: LoadedModel):
    entries = {name: torch.ones(shape) for name, shape in make_groups(loaded, 1)[0].shapes.items()}
    return Scores(entries, "unit", loaded.base, loaded.model.num_parameters())


def test_groups_of_another_model_of_the_same_shapes_are_refused():
    loaded, other = load_tiny(torch.float32), load_tiny(torch.float32, make_llama(seed=1))
    groups = make_groups(other, 1)
    with pytest.raises(ValueError, match="the group was made for another model"):
        faithfulness(scores_of(loaded), groups, [0.0] * len(groups))
    with pytest.raises(ValueError, match="the group was made for another model"):
        measure_impact(loaded, Steady(), groups, ratio=0.1, draws=1)
    assert measure_impact(other, Steady(), groups[:1], ratio=0.1, draws=1) == [0.0]
