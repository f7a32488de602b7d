import math

import pytest
import torch

from holdfast.intervene.train.preserve.constrained import make, token_weights
from tests.intervene.given import HARMLESS, bits, load_tiny
from tests.intervene.train.preserve.toys import logits_of, moved_from, start_of, tuned

BETAS = (0.5, 2.0, 0.1)


def batch_of(rows):
    """A batch padded on the right, as the trainer's collator makes it."""
    longest = max(len(row["input_ids"]) for row in rows)
    pad = [longest - len(row["input_ids"]) for row in rows]
    return {
        "input_ids": torch.tensor([row["input_ids"] + [0] * n for row, n in zip(rows, pad, strict=True)]),
        "labels": torch.tensor([row["labels"] + [-100] * n for row, n in zip(rows, pad, strict=True)]),
        "attention_mask": torch.tensor([[1] * (longest - n) + [0] * n for n in pad]),
    }


def by_loop(rows, start, now):
    total, count = 0.0, 0
    for row in rows:
        (before, tokens), (after, _) = logits_of(start, row), logits_of(now, row)
        for place, token in enumerate(tokens, start=1):
            old, new = (float(values[place - 1].log_softmax(dim=0)[token]) for values in (before, after))
            beta = BETAS[0] if place == 1 else BETAS[1] if place <= 5 else BETAS[2]
            total += max(1e-3, 2 * (1 - 1 / (1 + math.exp(-beta * (new - old))))) * -new
            count += 1
    return total, count


def test_the_loss_is_the_weighted_mean_over_response_tokens():
    loaded = load_tiny(torch.float32)
    start = start_of(loaded)
    loss, now, rows = make(start), moved_from(loaded.model), list(start.rows())[1:4]
    total, count = by_loop(rows, loaded.model, now)
    assert loss(now, batch_of(rows), None).item() == pytest.approx(total / count, rel=1e-5)
    assert loss(now, batch_of(rows), 50).item() == pytest.approx(total / 50, rel=1e-5), "a share of a larger step"


def test_beta_zero_is_plain_fine_tuning():
    plain, plain_result = tuned("plain", iterations=3)
    free, free_result = tuned("constrained", method_options={"constraint": (0, 0, 0)}, iterations=3)
    assert free_result.losses == pytest.approx(plain_result.losses, abs=1e-6)
    # AdamW divides by the root of tiny squares, so the weights are compared under SGD
    sgd = {"make_optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=1e-2), "iterations": 3}
    plain, _ = tuned("plain", **sgd)
    free, _ = tuned("constrained", method_options={"constraint": (0, 0, 0)}, **sgd)
    assert all(torch.allclose(bits(free.model)[name], weight, atol=1e-6) for name, weight in bits(plain.model).items())


@pytest.mark.parametrize(("gain", "weight"), [(0.0, 1.0), (100.0, 1e-3), (-100.0, 2.0)])
def test_a_token_that_became_likelier_weighs_less_and_never_nothing(gain, weight):
    labels = torch.tensor([[-100, 7]])
    got = token_weights(torch.tensor([[gain]]), torch.zeros(1, 1), labels, BETAS)
    assert float(got) == pytest.approx(weight)


def test_tokens_are_counted_within_each_response_of_a_row():
    labels = torch.tensor([[-100, 5, 5, 5, 5, 5, 5, -100, 5, 5]])
    one = torch.ones(1, 9)
    got = token_weights(one, torch.zeros(1, 9), labels, BETAS)[0].tolist()
    first, few, later = (2 / (1 + math.exp(beta)) for beta in BETAS)
    assert got[:6] == pytest.approx([first, few, few, few, few, later])
    assert got[7:] == pytest.approx([first, few])


def test_a_row_that_is_not_in_the_data_set_is_refused():
    loaded = load_tiny(torch.float32)
    loss = make(start_of(loaded, exchanges=HARMLESS[:2]))
    other = list(start_of(loaded).rows())[3:4]
    with pytest.raises(ValueError, match="another row than those of its data set"):
        loss(loaded.model, batch_of(other), None)
