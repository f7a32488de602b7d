"""The registry of neuron scores, the choices of `--method` with `--unit neuron`. Each is a formula over examples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from holdfast.models.activation_sites import ActivationSite
from holdfast.models.load import LoadedModel
from holdfast.objective.completions import Objective
from holdfast.registry import Registry
from holdfast.score.integrated_gradients import STEPS, Attribution, Rule

ByExample = Float[Tensor, "example ..."]
Start = dict[str, Float[Tensor, "..."]]
"""Activations at the last token of a prompt, by site."""


@dataclass(frozen=True)
class Settings:
    """Settings of one attribution."""

    steps: int = STEPS
    rule: Rule = "gauss_legendre"
    token_budget: int | None = None
    """Most tokens of a batch. None takes as many as the logits allow."""


@dataclass(frozen=True)
class Attributed:
    """One example, whose objective is attributed to the neurons of all sites."""

    loaded: LoadedModel
    sites: Sequence[ActivationSite]
    objective: Objective
    item: int
    """Position of the example among the objective's completions."""
    start: Start | None = None
    """Activations that the attribution starts from. None starts from zero."""
    settings: Settings = Settings()

    def values(self, num_copies: int = 1) -> Float[Tensor, " copy"]:
        """Runs the model on copies of the example, and returns the objective of each."""
        return self.objective.contributions(self.loaded.model, [self.item] * num_copies)


Attribute = Callable[[Attributed], dict[str, Attribution]]
"""Attributes one example's objective to the neurons of every site."""


@dataclass(frozen=True)
class NeuronMethod:
    """A score of neurons: from attributions of an objective, or from activations of two prompt sets."""

    attribute: Attribute | None = None
    """Attributes one example to neurons. None for a method that compares activations."""
    compare: Callable[[ByExample, ByExample], Tensor] | None = None
    """Maps activations of the prompts and of other prompts to scores of 0 or more, for one layer."""
    unit: str = "{objective}"
    """Unit of the scores, with `{objective}` in place of the objective's unit."""
    adds_up: bool = False
    """True where attributions add up to a difference of the objective, so that their completeness error is told."""
    takes_start: bool = False
    """True where the attribution can start from the activations of other prompts."""


NEURON_SCORES: Registry[NeuronMethod] = Registry("score of neurons")


def mean_effect(by_example: ByExample) -> Tensor:
    """Returns the absolute mean over examples. The absolute value is last, so effects of both signs cancel."""
    return by_example.double().mean(0).abs().float()
