"""sum over items of x_i^2 for every input feature i of every scored matrix, in float32   (Wanda's norms, squared)

x are the inputs of a matrix at the positions that predict the item's completion: from the last token of the prompt to
the last token but one. Earlier tokens run first and stay in the key-value cache, so that they are not counted. Items
are batched with others of the same lengths, so that no padding is counted.

The inputs are recorded where torch multiplies them with the parameter, not by hooks on modules. So experts that are
stored as one tensor count only the tokens that each received. The sum for a parameter has its shape, with 1 in place of
its outputs.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from holdfast.models.caches import cache_argument, cache_of
from holdfast.models.logits import LARGEST_BUDGET
from holdfast.models.shards import is_sharded
from holdfast.objective.completions import Completion, Objective
from holdfast.score.passes import Pass
from holdfast.score.sums import Sums


@torch.no_grad()
def sum_input_squares(
    model: PreTrainedModel, names: Sequence[str], objective: Objective, items: Sequence[int], how: Pass = Pass()
) -> Sums:
    """Sums the squares of every named matrix's inputs over the positions that predict the completions of some items.

    Only the completions of the objective count. An expert that no token reached sums to zero. The pass is a single
    forward pass, so it keeps no checkpoint and every process runs all of it.

    Raises:
        ValueError: a parameter outside the experts was never multiplied with an input, so its inputs are not known, or
            the model is sharded.
    """
    if is_sharded(model):
        raise ValueError(
            "a score that reads the inputs of matrices needs them whole, and this model is sharded; leave the sharding "
            "out, or choose a score that uses gradients."
        )
    weights = {name: weight for name, weight in model.named_parameters() if name in set(names)}
    seen = _SeenInputs(weights)
    done = 0
    with _whole_experts_apart(model):
        for batch in _batches_of_equal_lengths(objective.completions, items, how.token_budget or LARGEST_BUDGET):
            _predict([objective.completions[item] for item in batch], model, seen)
            done += len(batch)
            how.progress("reading inputs", done, len(items))
    if unseen := sorted(set(names) - seen.sums.keys() - {name for name in names if weights[name].dim() == 3}):
        raise ValueError(
            f"the inputs of {unseen[0]} were not seen: {type(model).__name__} does not multiply it as a matrix; "
            "choose a score that needs no inputs."
        )
    return Sums({name: seen.total(name) for name in names}, len(items))


class _SeenInputs(TorchFunctionMode):
    """A mode in which every product of an input with one of the weights adds the input's squares to a sum."""

    PRODUCTS: Mapping[Callable, tuple[int, int]] = {
        nn.functional.linear: (0, 1),
        torch.matmul: (0, 1),
        torch.Tensor.matmul: (0, 1),
        torch.Tensor.__matmul__: (0, 1),
        torch.mm: (0, 1),
        torch.bmm: (0, 1),
        torch.addmm: (1, 2),
    }
    """Argument positions of the input and of the weight, for each function."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.weights = weights
        self.sums: dict[str, Tensor] = {}
        self._starts = sorted((weight.data_ptr(), name) for name, weight in weights.items())

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in self.PRODUCTS and len(args) > max(self.PRODUCTS[func]):
            input_position, weight_position = self.PRODUCTS[func]
            name = self._owner(args[weight_position])
            if name is not None:
                self._add(name, args[input_position], args[weight_position], by_rows=func is nn.functional.linear)
        return func(*args, **(kwargs or {}))

    def _owner(self, operand: Tensor) -> str | None:
        """Returns the name of the parameter that a matrix is, or lies in."""
        place = bisect_right(self._starts, (operand.data_ptr(), "\U0010ffff")) - 1
        start, name = self._starts[place]
        return name if place >= 0 and operand.data_ptr() < start + self.weights[name].nbytes else None

    def total(self, name: str) -> Float[Tensor, "..."]:
        """Returns the sum for a parameter. It is zero where no product was recorded."""
        weight = self.weights[name]
        return self.sums.get(name, torch.zeros(1, device=weight.device).expand(*[1] * weight.dim()))

    def _add(self, name: str, inputs: Tensor, operand: Tensor, *, by_rows: bool) -> None:
        """Adds the inputs' squares along the dimension of the parameter that the product contracts."""
        weight = self.weights[name]
        contracted = operand.dim() - 1 if by_rows else operand.dim() - 2
        dimension = list(weight.stride()).index(operand.stride(contracted))
        shape = [length if place == dimension or (place == 0 and weight.dim() == 3) else 1
                 for place, length in enumerate(weight.shape)]  # fmt: skip
        total = self.sums.setdefault(name, torch.zeros(shape, dtype=torch.float32, device=weight.device))
        squares = inputs.float().square()
        if operand.dim() == 3:
            total += squares.sum(1).reshape(total.shape)
            return
        expert = (operand.storage_offset() - weight.storage_offset()) // weight.stride(0) if weight.dim() == 3 else 0
        place = total[expert] if weight.dim() == 3 else total
        place += squares.reshape(-1, squares.shape[-1]).sum(0).reshape(place.shape)


def _predict(completions: Sequence[Completion], model: PreTrainedModel, seen: _SeenInputs) -> None:
    """Runs the model over completions of the same lengths, and records only the inputs that predict their tokens."""
    begin, end = _predicting(completions[0])
    token_ids = torch.tensor([completion.token_ids for completion in completions], device=model.device)
    run = model.base_model  # without the head, whose logits are not needed
    past = cache_of(run(input_ids=token_ids[:, :begin], use_cache=True)) if begin else None
    with seen:
        run(input_ids=token_ids[:, begin:end], **cache_argument(past), use_cache=True)


def _predicting(completion: Completion) -> tuple[int, int]:
    """Returns the start and the end of the positions whose outputs predict the completion's tokens."""
    return completion.positions[0] - 1, completion.positions[-1]


def _batches_of_equal_lengths(
    completions: Sequence[Completion], items: Sequence[int], token_budget: int
) -> Iterator[list[int]]:
    alike = defaultdict(list)
    for item in items:
        if completions[item].positions:  # a response without tokens predicts nothing
            alike[_predicting(completions[item])].append(item)
    for (_, end), group in sorted(alike.items()):
        size = max(token_budget // end, 1)
        yield from (group[start : start + size] for start in range(0, len(group), size))


@contextmanager
def _whole_experts_apart(model: PreTrainedModel) -> Iterator[None]:
    """Sets evaluation mode, and has experts multiply one by one: fused kernels hide the tokens that each received."""
    config, was_training = model.config, model.training
    before = getattr(config, "_experts_implementation", None)
    try:
        model.eval()
        if before is not None:
            config._experts_implementation = "eager"
        yield
    finally:
        model.train(was_training)
        if before is not None:
            config._experts_implementation = before
