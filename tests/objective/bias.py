"""What the judge gradient leaves out, by enumeration: three gradients of sum_t sum_v p(v | y_<t) W_t(y_<t, v)

    exact       W = E[J | y_<t, v]: what token v does to J, and to the tokens after it
    immediate   W = E over y given y_<t of J(y with v for y_t): the tokens after it stay what they were
    judge       W = E over y given y_<t of C[t, v]: to first order around y; what the judge gradient tends to

exact -> immediate is what a token does to later tokens; immediate -> judge is the judge's curvature.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from holdfast.objective.gains import JudgeGains
from tests.objective.enumerable import World
from tests.objective.tabulated import Tabulated


@dataclass(frozen=True, eq=False)
class Parts:
    """The three gradients by all scored weights, as vectors."""

    exact: Tensor
    immediate: Tensor
    judge: Tensor

    @property
    def later(self) -> float:
        """What the effect on later tokens amounts to, as a share of the exact gradient."""
        return float((self.exact - self.immediate).norm() / self.exact.norm())

    @property
    def curvature(self) -> float:
        """What the judge's curvature amounts to, as a share of the exact gradient."""
        return float((self.immediate - self.judge).norm() / self.exact.norm())


def bias_parts(world: World, tabulated: Tabulated) -> Parts:
    """All three gradients; verdicts and gains of every response are taken from the judge itself."""
    verdicts, gains = _judged(world)
    conditionals = _conditionals(world, tabulated)
    joint = torch.ones((), dtype=torch.float64)
    for conditional in conditionals:
        joint = joint[..., None] * conditional.detach()
    worths: dict[str, Tensor] = dict.fromkeys(("exact", "immediate", "judge"), joint.new_zeros(()))
    for t, conditional in enumerate(conditionals):
        reached = conditional.detach()
        worths["exact"] = worths["exact"] + (conditional / reached * _leading(joint * verdicts, t + 1)).sum()
        replaced = joint.sum(t, keepdim=True) * verdicts
        worths["immediate"] = worths["immediate"] + (conditional * _leading(replaced, t + 1)).sum()
        linear = (joint[..., None] * gains[..., t, :]).movedim(-1, t)
        worths["judge"] = worths["judge"] + (conditional * _leading(linear, t + 1)).sum()
    return Parts(**{name: _gradient(worth, tabulated) for name, worth in worths.items()})


def _judged(world: World) -> tuple[Tensor, Tensor]:
    """J of every response, and C of every response, position and token."""
    size, length = len(world.words), world.length
    judge_gains = JudgeGains(world.judge, world.tokenizer)
    judged = judge_gains.judge([world.respond(said) for said in product(range(size), repeat=length)])
    verdicts = torch.tensor([one.log_odds for one in judged], dtype=torch.float64)
    gains = judge_gains.gains(judged, torch.device("cpu")).double()
    return verdicts.reshape([size] * length), gains.reshape([size] * length + [length, size])


def _conditionals(world: World, tabulated: Tabulated) -> list[Tensor]:
    """For every position p(v | y_<t), differentiable, an axis a token; contexts of one length lie in that order."""
    size = len(world.words)
    sizes = [size**length for length in range(world.length)]
    return [logits.softmax(-1).reshape([size] * (t + 1)) for t, logits in enumerate(tabulated.head.weight.split(sizes))]


def _leading(values: Tensor, axes: int) -> Tensor:
    """The sum over all axes but the first ones."""
    return values.flatten(axes).sum(-1) if values.dim() > axes else values


def _gradient(worth: Tensor, tabulated: Tabulated) -> Tensor:
    (by_logits,) = torch.autograd.grad(worth, tabulated.head.weight, retain_graph=True)
    return tabulated.carry_over(by_logits)
