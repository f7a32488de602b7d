import math

import pytest
import torch

from holdfast.intervene.train.preserve.extra_rows import ExtraRows
from holdfast.intervene.train.preserve.kl import make
from tests.intervene.given import REFUSALS, bits, load_tiny
from tests.intervene.train.preserve.toys import logits_of, moved_from, start_of, tuned


def by_loop(row, start, now, kept):
    """KL of one exchange by a loop over tokens and words, with all words that are not kept as one."""
    total, count = 0.0, 0
    for before, after in zip(logits_of(start, row)[0].tolist(), logits_of(now, row)[0].tolist(), strict=True):
        p, q = ([math.exp(value) for value in values] for values in (before, after))
        p, q = [value / sum(p) for value in p], [value / sum(q) for value in q]
        largest = sorted(range(len(p)), key=before.__getitem__, reverse=True)[:kept]
        pairs = [(p[word], q[word]) for word in largest]
        if kept < len(p):
            pairs.append((1 - sum(p[word] for word in largest), 1 - sum(q[word] for word in largest)))
        total += sum(old * math.log(old / new) for old, new in pairs)
        count += 1
    return total / count


@pytest.mark.parametrize("kept", [5, 10_000], ids=["five", "all"])
def test_the_loss_is_the_mean_divergence_over_tokens_and_then_over_exchanges(kept):
    loaded = load_tiny(torch.float32)
    start = start_of(loaded, stored_logits=kept, safety_batch=3, safety_weight=2.0)
    loss, rows, now = make(start), ExtraRows(start, 3), moved_from(loaded.model)
    expected = [by_loop(rows._rows[place], loaded.model, now, kept) for place in rows._draws.positions(7)]
    assert loss(now, {}, 7).item() == pytest.approx(2 * sum(expected) / 3, rel=1e-4)
    assert expected[0] > 1e-3


def test_the_start_model_has_no_divergence():
    loaded = load_tiny(torch.float32)
    assert abs(make(start_of(loaded))(loaded.model, {}, 0).item()) < 1e-6


def test_fewer_kept_logits_give_a_lower_bound():
    loaded = load_tiny(torch.float32)
    now = moved_from(loaded.model)
    few, all_of_them = (make(start_of(loaded, stored_logits=kept))(now, {}, 0).item() for kept in (2, 10_000))
    assert 0 < few < all_of_them


def test_a_large_weight_keeps_the_answers_of_the_start_and_moves_less():
    def divergence(method, **options):
        loaded, _ = tuned(method, safety=REFUSALS if options else (), method_options=options, iterations=8)
        start = start_of(load_tiny(torch.float32), safety_batch=6)
        return make(start)(loaded.model, {}, 0).item()

    assert divergence("kl", safety_weight=10.0, safety_batch=6) < 0.8 * divergence("plain")


def test_a_batch_in_parts_trains_as_a_whole_one():
    options = {"safety_batch": 2}
    whole, parts = (tuned("kl", safety=REFUSALS, method_options=options, micro_batch_size=size) for size in (None, 2))
    assert parts[1].losses == pytest.approx(whole[1].losses, rel=1e-4)
    for name, weight in bits(whole[0].model).items():
        assert torch.allclose(bits(parts[0].model)[name], weight, atol=1e-3)
