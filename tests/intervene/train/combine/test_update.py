import torch

from holdfast.intervene.train.combine.update import Update

TASK = ([1.0, 0.0], [0.0, 3.0])
"""Coefficients of a linear loss on the two micro-batches of a step. They are its gradient."""
SAFETY = ([2.0, 2.0], [-1.0, 0.0])


def linear(weight, coefficients):
    def propagate():
        loss = (weight * torch.tensor(coefficients)).sum()
        loss.backward()
        return loss.detach()

    return propagate


def test_the_gradients_of_a_whole_step_are_combined_at_its_last_micro_batch():
    seen = []

    def combine(gram):
        seen.append(gram)
        return torch.tensor([10.0, 100.0])

    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    update = Update(combine)
    first = update([linear(weight, TASK[0]), linear(weight, SAFETY[0])], [weight], is_last=False)
    assert weight.grad is None
    assert float(first) == 1 + (2 - 4)
    update([linear(weight, TASK[1]), linear(weight, SAFETY[1])], [weight], is_last=True)
    assert weight.grad.tolist() == [10 * 1 + 100 * (2 - 1), 10 * 3 + 100 * 2]
    assert seen[0].tolist() == [[1 + 9, 1 * 1 + 3 * 2], [1 * 1 + 3 * 2, 1 + 4]]


def test_nothing_of_a_step_is_left_for_the_next():
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    update = Update(lambda gram: torch.ones(len(gram)))
    for _ in range(2):
        weight.grad = None
        update([linear(weight, TASK[0]), linear(weight, SAFETY[0])], [weight], is_last=True)
    assert weight.grad.tolist() == [3.0, 2.0]


def test_a_weight_that_no_loss_reaches_keeps_no_gradient():
    weight, idle = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    Update(lambda gram: torch.ones(len(gram)))([linear(weight, [1.0, 1.0])] * 2, [weight, idle], is_last=True)
    assert idle.grad is None
    assert weight.grad.tolist() == [2.0, 2.0]
