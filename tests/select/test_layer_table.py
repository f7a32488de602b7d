"""The table of a mask or of scores in Python: a row for each component of each layer."""

import pytest
import torch

from holdfast import layer_table, save_mask, save_scores, select_top
from holdfast.values import Scores

NAMES = [f"model.layers.{layer}.self_attn.{part}.weight" for layer in (0, 1) for part in ("q_proj", "v_proj")]
SCORES = Scores({name: torch.arange(10.0) + 10 * at for at, name in enumerate(NAMES)}, "unit", "base", 100)


def test_a_mask_is_counted_by_layer_and_component():
    rows = layer_table(select_top(SCORES, 0.3))
    assert [(row["layer"], row["component"], row["selected"]) for row in rows] == [
        (0, "self_attn.q_proj", 0),
        (0, "self_attn.v_proj", 0),
        (1, "self_attn.q_proj", 2),
        (1, "self_attn.v_proj", 10),
    ]
    assert rows[3]["relative_density"] == pytest.approx(1 / 0.3)
    assert "mean_score" not in rows[0]


def test_scores_have_their_means_and_the_count_of_the_largest():
    rows = layer_table(SCORES, fraction=0.3)
    assert [row["selected"] for row in rows] == [0, 0, 2, 10]
    assert [row["mean_score"] for row in rows] == [4.5, 14.5, 24.5, 34.5]
    assert len({tuple(row) for row in rows}) == 1


def test_a_path_gives_the_same_table(tmp_path):
    mask = select_top(SCORES, 0.3)
    save_mask(tmp_path / "mask", mask)
    save_scores(tmp_path / "scores", SCORES)
    assert layer_table(tmp_path / "mask") == layer_table(mask)
    assert layer_table(str(tmp_path / "scores"), fraction=0.3) == layer_table(SCORES, fraction=0.3)


def test_a_mask_takes_no_fraction():
    with pytest.raises(ValueError, match=r"a mask has its selection, and got fraction=0.1; leave the fraction out"):
        layer_table(select_top(SCORES, 0.3), fraction=0.1)
