import pytest
import torch

from holdfast.intervene.train.preserve.extra_rows import Draws, ExtraRows
from tests.intervene.given import load_tiny
from tests.intervene.train.preserve.toys import logits_of, start_of


def test_every_exchange_is_read_once_a_round_and_a_step_is_the_same_however_it_is_divided():
    whole, parts = Draws(6, 4, 1, seed=3), Draws(6, 4, 2, seed=3)
    steps = [whole.positions(step) for step in range(3)]
    assert sorted(steps[0] + steps[1][:2]) == list(range(6)), "the first round"
    assert sorted(steps[1][2:] + steps[2]) == list(range(6)), "the second round"
    assert [parts.positions(2 * step) + parts.positions(2 * step + 1) for step in range(3)] == steps
    assert Draws(6, 4, 1, seed=3).positions(2) == steps[2], "a resumed run needs no state"
    assert Draws(6, 4, 1, seed=4).positions(0) != steps[0]


def test_micro_batches_that_do_not_divide_the_draws_are_refused():
    with pytest.raises(ValueError, match=r"the 3 exchanges .* its 2 micro-batches; choose a multiple of 2"):
        Draws(6, 3, 2, seed=0)


def test_padded_rows_have_the_logits_of_rows_alone():
    loaded = load_tiny(torch.float32)
    start = start_of(loaded)
    rows = ExtraRows(start, 4)
    positions = [2, 0, 5]
    for read in rows.read_at(loaded.model, positions):
        logits, targets = logits_of(loaded.model, rows._rows[read.position])
        assert torch.allclose(read.logits, logits, atol=1e-5)  # a batch sums in another order
        assert read.targets.tolist() == targets
    assert len(rows) == 6
