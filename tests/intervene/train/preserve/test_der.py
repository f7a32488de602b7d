import pytest
import torch

from holdfast.intervene.train.preserve.der import make
from holdfast.intervene.train.preserve.extra_rows import ExtraRows
from tests.intervene.given import load_tiny
from tests.intervene.train.preserve.toys import logits_of, moved_from, start_of


def by_loop(row, start, now, kept):
    squares = []
    for before, after in zip(logits_of(start, row)[0].tolist(), logits_of(now, row)[0].tolist(), strict=True):
        largest = sorted(range(len(before)), key=before.__getitem__, reverse=True)[:kept]
        squares += [(after[word] - before[word]) ** 2 for word in largest]
    return sum(squares) / len(squares)


def test_the_loss_is_the_mean_square_over_kept_logits_and_then_over_exchanges():
    loaded = load_tiny(torch.float32)
    start = start_of(loaded, stored_logits=4, safety_batch=3, safety_weight=0.5)
    loss, rows, now = make(start), ExtraRows(start, 3), moved_from(loaded.model)
    expected = [by_loop(rows._rows[place], loaded.model, now, 4) for place in rows._draws.positions(2)]
    assert loss(now, {}, 2).item() == pytest.approx(0.5 * sum(expected) / 3, rel=1e-4)
    assert loss(loaded.model, {}, 2).item() < 1e-8
