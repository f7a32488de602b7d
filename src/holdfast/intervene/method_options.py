"""Options of the methods of fine-tuning. The table in `train/methods.py` says which method reads which.

They are apart from the methods so that `--help` and the reading of a config import no training library.
"""

from collections.abc import Collection
from typing import Annotated, Self

from pydantic import Field, model_validator

from holdfast.config import Options
from holdfast.option_groups import METHOD, PRESERVE


class CombineOptions(Options):
    """Options of the methods that combine the gradients of several losses."""

    gapo_power: Annotated[float, PRESERVE] = Field(default=1.0, ge=0)
    """gapo: p. 0 is MGDA, 1 gives every loss a gradient of length 1, and 2 favours losses with small gradients."""
    preferences: Annotated[tuple[float, ...], PRESERVE] = ()
    """p_gapo: lambda of each loss, the task's first (in SET: that of refusals). Equal ones when left out."""

    @model_validator(mode="after")
    def _refuse_negative(self) -> Self:
        for name in {"constraint", "preferences", "frozen_layers"} & type(self).model_fields.keys():
            if any(number < 0 for number in getattr(self, name)):
                raise ValueError(f"{name} has a negative number; give numbers of 0 or more.")
        return self


class MethodOptions(CombineOptions):
    """Options of the methods that keep safety while a model is fine-tuned, and of combining gradients."""

    safety_share: Annotated[float, METHOD] = Field(default=0.1, gt=0, lt=1)
    """mixed, replay: share of safety exchanges among the examples, in (0, 1). A large one makes a model refuse too
    much."""
    safety_batch: Annotated[int, PRESERVE] = Field(default=4, ge=1)
    """kl, der, safegrad: safety exchanges that a step reads beside the task's batch."""
    safety_weight: Annotated[float, PRESERVE] = Field(default=1.0, gt=0)
    """kl, der, safegrad: weight of the safety loss (lambda of kl, alpha of der, rho of safegrad)."""
    answer_tokens: Annotated[int, PRESERVE] = Field(default=256, ge=1)
    """replay, kl, der, safegrad: largest number of tokens in each of the start model's own answers."""
    stored_logits: Annotated[int, PRESERVE] = Field(default=64, ge=1)
    """kl, der, safegrad: number of the start model's largest logits that are kept for every token of an answer."""
    constraint: Annotated[tuple[float, float, float], PRESERVE] = (0.5, 2.0, 0.1)
    """constrained: beta of a response's first token, of its second to fifth, and of all later ones. 0 constrains
    nothing."""
    ema_decay: Annotated[float, PRESERVE] = Field(default=0.995, ge=0, lt=1)
    """ema: weight of the past in the average of the weights. With 0.995 it covers about 200 steps."""
    refresh_every: Annotated[int, PRESERVE] = Field(default=100, ge=1)
    """refresh: steps between two selections of as many top weights of the whole model, whatever made the first mask."""
    frozen_layers: Annotated[tuple[int, ...], PRESERVE] = ()
    """layers: numbers of the layers that are not trained, such as 5-14. The share of the depth that is 5-14 of 32 when
    left out."""

    @property
    def changed(self) -> list[str]:
        """Names of the options that differ from their defaults."""
        return [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]

    def only(self, names: Collection[str]) -> "MethodOptions":
        """Returns these options alone, with all others at their defaults."""
        return MethodOptions(**self.model_dump(include=set(names)))
