"""What SET, SPA, all fine-tuning and the merging of patches can be told, and how processes share a batch.

Here and not beside the methods, so that `--help` and a look into a config import no library that trains.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from holdfast.config import Names, Options, Seed
from holdfast.models.options import Role

Prefer = Literal["first", "last"]
"""Whose value an entry gets that several patches set."""


class SftOptions(Options):
    """What every fine-tuning has."""

    iterations: int = Field(default=100, ge=1)
    """Optimizer steps."""
    batch_size: int = Field(default=16, ge=1)
    """Exchanges a step."""
    micro_batch_size: int | None = Field(default=None, ge=1)
    """Exchanges in memory at once; gradients add up over the rest of the batch. None takes the whole batch at once."""
    learning_rate: float = Field(default=3e-5, gt=0)
    """Peak learning rate. 3e-5 is the paper's, for billions of weights; a model of a few million needs 1e-3 or more."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay of the matrices that are trained."""
    max_grad_norm: float = Field(default=1.0, ge=0)
    """Largest norm of the gradient of what is trained; 0 does not clip."""
    warmup_share: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    scheduler: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    """How the learning rate falls after that."""
    train_routers: bool = False
    """Train the routers of a mixture of experts too: tuning finds shortcuts there (arXiv 2602.04448)."""
    max_length: int = Field(default=2048, ge=2)
    """Tokens of an exchange at most; longer ones are cut at the end."""
    seed: Seed = 0
    """Seed of the order of the exchanges."""
    shard: bool = False
    """In several processes (`torchrun -m holdfast ...`): spread the model over them, by FSDP2. Otherwise each has the
    whole model. Either way they share every batch."""
    checkpoint_every: int = Field(default=0, ge=0)
    """Steps between checkpoints in the output folder, from which a run that was stopped goes on; 0 makes none."""


class EnhanceOptions(SftOptions):
    """Options of SET."""

    harmless_share: float = Field(default=0.5, ge=0, lt=1)
    """Share of the examples that are harmless exchanges, in [0, 1). With 0 a model soon refuses everything."""
    objective: Literal["sft", "dpo"] = "sft"
    """What is learned: the safe responses themselves (sft), or to prefer them over the model's own answers, and helpful
    responses over refusals (dpo)."""
    beta: float = Field(default=0.1, gt=0)
    """Of dpo: how dearly it pays to leave the starting model. Small lets it go far."""
    own_tokens: int = Field(default=128, ge=1)
    """Of dpo: tokens of the model's own answers at most."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        fields = type(self).model_fields
        idle = [name for name in ("beta", "own_tokens") if getattr(self, name) != fields[name].default]
        if self.objective == "sft" and idle:
            raise ValueError(f"{idle[0]} is a setting of objective dpo, and the objective is sft; leave it out.")
        return self


class LoraOptions(Options):
    """Train adapters of low rank and none of the model's own weights; they are merged at the end."""

    rank: int = Field(default=8, ge=1)
    """Rank of every adapter."""
    alpha: float = Field(default=16, gt=0)
    """The adapters' product is scaled by alpha / rank."""
    targets: Names = ()
    """Components that get an adapter, as `holdfast sites` lists them: `--lora.targets q_proj --lora.targets v_proj`.
    All linear layers among the scored ones when left out; experts that are stored as one tensor get none."""


class AdaptOptions(SftOptions):
    """Options of SPA."""

    iterations: int = Field(default=1000, ge=1)
    """Optimizer steps."""
    freeze: tuple[Role, ...] = ()
    """Roles of parameters that are not trained at all, mask or not. Scores do not cover embeddings and head, so a mask
    can't hold them: where those are trained, safety can leave through them. `--freeze embedding --freeze head`."""
    lora: LoraOptions | None = None
    """Train LoRA adapters in place of the weights: `--lora.rank 8`. Usual learning rates are 1e-4 and more."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        if self.lora and self.freeze:
            raise ValueError(
                "LoRA trains its adapters alone, so freeze has no effect with lora; leave one of them out."
            )
        return self


def share_batch(options: SftOptions, processes: int) -> int:
    """Exchanges that each of so many processes has in memory at once.

    Raises:
        ValueError: the processes can't have equal parts of a batch.
    """
    size, micro_batch = options.batch_size, options.micro_batch_size
    if micro_batch and size % micro_batch:
        raise ValueError(f"micro_batch_size={micro_batch} must divide batch_size={size}; choose one that does.")
    multiple = (micro_batch or 1) * processes
    if size % multiple:
        parts = f" in micro-batches of {micro_batch}" if micro_batch else ""
        raise ValueError(
            f"batch_size={size} can't be shared by {processes} processes{parts}; "
            f"choose a batch size that is a multiple of {multiple}."
        )
    return micro_batch or size // processes
