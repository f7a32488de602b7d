"""sum over items of dL/dw for every scored weight, accumulated in float32   (additive over batches, halves and ranks)

As soon as backward has a parameter's gradient, it is added to a float32 sum and freed. So at most one dense gradient in
the model's own dtype exists at a time. Items are batched by length. The order of items and batches changes the sums by
float32 rounding only.

Several processes share the batches. Where each has the whole model, their sums are added in the end. Where FSDP2 has
sharded it, each process sums the rows that it holds. A process without batches left repeats its last one with weight
zero, because the others may need its part of the model or of the judge.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from holdfast.distributed import all_sum, rank, world_size
from holdfast.models.shards import is_sharded, local
from holdfast.objective.completions import Objective
from holdfast.prompts.batching import batches_by_length
from holdfast.score.batch_memory import allowed_bytes, fitting_budget
from holdfast.score.host_sums import HostSums
from holdfast.score.passes import Pass
from holdfast.score.sums import Sums


def sum_gradients(
    model: PreTrainedModel, names: Sequence[str], objective: Objective, items: Sequence[int], how: Pass = Pass()
) -> Sums:
    """Sums the objective's gradient over some of its items, with respect to the named parameters.

    A parameter that no item reached (an idle expert) sums to zero. The model is left as it was. For a sharded model the
    sums have the rows that this process holds.

    Args:
        model: the model that the objective runs.
        names: parameters to differentiate by.
        objective: objective to differentiate.
        items: positions in the objective's completions.
        how: settings of the pass.

    Raises:
        ValueError: the objective is not finite for an item.
    """
    checkpoint, progress = how.checkpoint, how.progress
    weights = dict(model.named_parameters())
    zeros = {"dtype": torch.float32, "requires_grad": False, "device": "cpu" if how.on_host else None}
    sums = {name: torch.zeros_like(local(weights[name]), **zeros) for name in names}
    lengths = [len(objective.completions[item].token_ids) for item in items]
    token_budget = how.token_budget
    if token_budget is None:
        choose = partial(token_budget_of, model, sums, objective, items, model.device)
        token_budget = checkpoint.token_budget(choose) if checkpoint else choose()
    batches = batches_by_length(lengths, token_budget)
    sharded, rounds = is_sharded(model), range(0, len(batches), world_size())
    remaining = checkpoint.remaining(len(rounds), sums) if checkpoint else range(len(rounds))
    with collecting(model, sums) as finish, torch.enable_grad():
        for order in remaining:
            if not order:
                progress("scoring weights", 0, len(items))
            place = rounds[order] + rank()
            chosen = [items[position] for position in batches[min(place, len(batches) - 1)]]
            contributions = objective.contributions(model, chosen)
            refuse_not_finite(contributions, objective, chosen)
            (contributions.sum() * (place < len(batches))).backward()
            finish()
            progress("scoring weights", sum(map(len, batches[: rounds[order] + world_size()])), len(items))
    for total in sums.values():
        if sharded:
            total.mul_(world_size())  # FSDP2 takes the mean over the processes
        else:
            all_sum(total)
    return Sums(sums, len(items))


def token_budget_of(
    model: PreTrainedModel, sums: Mapping[str, Tensor], objective: Objective, items: Sequence[int], place: torch.device
) -> int:
    """Returns the tokens of a batch that fit into the memory of `place`, with gradients for all of `sums`."""
    with collecting(model, sums):
        return fitting_budget(model, objective, items, allowed_bytes(place))


@contextmanager
def collecting(model: nn.Module, sums: Mapping[str, Tensor]) -> Iterator[Callable[[], None]]:
    """Makes backward add to `sums` and leave no gradient. Afterwards the model is as it was.

    Sums in host memory are complete after a call of the function that this context manager yields.
    """
    weights = dict(model.named_parameters())
    before = {name: (weight.requires_grad, weight.grad) for name, weight in weights.items()}
    training = [(module, module.training) for module in model.modules()]
    hooks, on_host = [], {weight.device: HostSums(weight.device) for weight in weights.values()}
    try:
        model.eval()  # dropout would add noise to the scores
        for name, weight in weights.items():
            weight.grad = None
            weight.requires_grad_(name in sums)
            if name in sums:
                hooks.append(weight.register_post_accumulate_grad_hook(_moves_gradient_into(sums[name], on_host)))

        def finish() -> None:
            for host_sums in on_host.values():
                host_sums.finish()

        yield finish
    finally:
        for hook in hooks:
            hook.remove()
        for name, (requires_grad, gradient) in before.items():
            weights[name].requires_grad_(requires_grad)
            weights[name].grad = gradient
        for module, was_training in training:
            module.training = was_training


def _moves_gradient_into(total: Tensor, on_host: Mapping[torch.device, HostSums]):
    def move(weight: Tensor) -> None:
        assert weight.grad is not None
        gradient = local(weight.grad)
        if gradient.device == total.device:
            total.add_(gradient)  # float32, whatever the gradient's dtype: a sum in bfloat16 stalls at 256 items
        else:
            on_host[gradient.device].add(total, gradient)
        weight.grad = None

    return move


def refuse_not_finite(contributions: Float[Tensor, " batch"], objective: Objective, items: Sequence[int]) -> None:
    broken = contributions.isfinite().logical_not().nonzero().flatten().tolist()
    if broken:
        prompt = objective.completions[items[broken[0]]].prompt
        raise ValueError(
            f"the objective is not finite for the prompt {prompt[:80]!r} (and {len(broken) - 1} more of its batch); "
            "load model and judge in float32, or leave it out."
        )
