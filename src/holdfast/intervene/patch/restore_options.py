"""Options of `restore` and of SafeLoRA. They are apart from the methods so that `--help` imports no torch."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from holdfast.config import Options, Seed
from holdfast.option_groups import FINE, METHOD

Selector = Literal["effect", "top", "safety_only", "random"]
NEEDS = {"effect": ("refusals",), "top": ("scores",), "safety_only": ("scores", "utility"), "random": ()}
"""Inputs that each selector needs. It takes no others."""


class RestoreOptions(Options):
    """Inputs and options that choose the weights to put back."""

    refusals: str | None = None
    """Harmful prompts with refusals, for the selector effect: a file or testbed:NAME."""
    scores: Path | None = None
    """Scores of the aligned or of the tuned model, for top and safety_only. `holdfast score` writes them."""
    utility: Path | None = None
    """Scores of the same model for the objective utility, for safety_only."""
    mask: Path | None = None
    """Mask of the aligned or of the tuned model, in place of a selector. All its weights that moved are put back."""
    task: str | None = None
    """Examples of the task, prompts with responses. The number of weights is halved until the task suffers by at most
    --margin."""
    selector: Annotated[Selector, METHOD] = "effect"
    """Rule that chooses among the weights that moved.

    - effect: those whose return makes refusals likelier by most (gradient times difference)
    - top: those with the largest scores
    - safety_only: the top ones, without those that matter most for utility
    - random: random ones, a control
    """
    fraction: Annotated[float, METHOD] = Field(default=0.001, gt=0, lt=1)
    """Largest share of the scored weights to put back, in (0, 1). On SmolLM2-135M 0.001 brought most refusals back and
    cost the task nothing. 0.003 brought more back and cost the task 0.06."""
    margin: Annotated[float, METHOD] = Field(default=0.02, ge=0, lt=1)
    """Largest loss of task score that --task allows. The task score is the share of the response tokens that the model
    predicts, in [0, 1]."""
    beside: Annotated[bool, METHOD] = False
    """Corrects the base under a LoRA adapter, which stays as it is. Otherwise the adapter is merged."""
    utility_fraction: Annotated[float, FINE] = Field(default=0.05, gt=0, lt=1)
    """Share of the scored weights, those most important for utility, that safety_only leaves out, in (0, 1)."""
    seed: Annotated[Seed, METHOD] = 0
    """Seed of the random selection."""

    @model_validator(mode="after")
    def _refuse_missing_and_idle(self) -> Self:
        rule = "a mask" if self.mask else f"selector {self.selector}"
        needed = () if self.mask else NEEDS[self.selector]
        for name in ("refusals", "scores", "utility"):
            if name in needed and getattr(self, name) is None:
                raise ValueError(f"{rule} needs {name}, and there are none; give them, or choose another selector.")
            if name not in needed and getattr(self, name) is not None:
                raise ValueError(f"{name} has no effect with {rule}; leave one of them out.")
        if self.mask and self.task:
            raise ValueError("a mask is put back whole, so nothing can be halved for the task; leave one of them out.")
        return self


class SafeLoraOptions(Options):
    """Options of SafeLoRA."""

    threshold: float = Field(default=0.5, ge=-1, le=1)
    """Largest cosine between the projected and the unprojected change of a matrix at which SafeLoRA projects, in
    [-1, 1]. 1 projects every matrix."""
