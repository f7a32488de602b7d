"""Options of SET, SPA, all fine-tuning and the merging of patches, and the share of a batch that each process gets.

They are apart from the methods so that `--help` and the reading of a config import no training library.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from holdfast.config import Names, Options, Seed
from holdfast.models.options import Role
from holdfast.option_groups import FINE, LORA, OUTPUT, SEVERAL, WHERE_LORA

Prefer = Literal["first", "last"]
"""The patch whose value wins at an entry that several patches set."""


class SftOptions(Options):
    """Options of every fine-tuning."""

    iterations: int = Field(default=100, ge=1)
    """Optimizer steps. One step reads one batch."""
    batch_size: int = Field(default=16, ge=1)
    """Exchanges (a prompt with its response) per step."""
    micro_batch_size: Annotated[int | None, FINE] = Field(default=None, ge=1)
    """Exchanges in memory at once. Gradients accumulate over the batch. The whole batch when left out."""
    learning_rate: float = Field(default=3e-5, gt=0, lt=1)
    """Peak learning rate. 3e-5 is the paper's, for billions of weights. Smaller models need more."""
    weight_decay: Annotated[float, FINE] = Field(default=0.0, ge=0)
    """Decoupled weight decay of the trained matrices."""
    max_grad_norm: Annotated[float, FINE] = Field(default=1.0, ge=0)
    """Largest norm of the gradient. A larger gradient is clipped to it. 0 does not clip."""
    warmup_share: Annotated[float, FINE] = Field(default=0.03, ge=0, lt=1)
    """Share of the steps, in [0, 1), over which the learning rate rises to its peak."""
    scheduler: Annotated[Literal["cosine", "linear", "constant_with_warmup"], FINE] = "cosine"
    """Shape of the learning rate after the warm-up."""
    train_routers: Annotated[bool, FINE] = False
    """Trains the routers of a mixture of experts too. Tuning finds shortcuts there (arXiv 2602.04448)."""
    max_length: Annotated[int, FINE] = Field(default=2048, ge=2)
    """Largest number of tokens in an exchange. Longer exchanges are cut at the end."""
    seed: Seed = 0
    """Seed of the order of the exchanges."""
    shard: Annotated[bool, SEVERAL] = False
    """Splits the model over several processes (FSDP2). Otherwise each process holds all of it. Start the processes with
    `torchrun -m holdfast`. They share every batch."""
    checkpoint_every: Annotated[int, OUTPUT] = Field(default=0, ge=0)
    """Steps between checkpoints for a restart. 0 makes none."""


class EnhanceOptions(SftOptions):
    """Options of SET."""

    learning_rate: float = Field(default=3e-5, gt=0, lt=1)
    """Peak learning rate. Measured: 2e-4 to 1e-3 at 135 million weights, 1e-3 at one million. Paper: 3e-5 at
    billions."""
    harmless_share: float = Field(default=0.5, ge=0, lt=1)
    """Share of harmless exchanges among the examples, in [0, 1). At 0 a model soon refuses everything."""
    objective: Literal["sft", "dpo"] = "sft"
    """Training objective.

    - sft: the likelihood of the safe responses
    - dpo: the preference of safe responses over the model's own answers, and of helpful ones over refusals
    """
    beta: Annotated[float, FINE] = Field(default=0.1, gt=0)
    """DPO's beta: how strongly training is pulled towards the starting model. Smaller values allow larger changes."""
    own_tokens: Annotated[int, FINE] = Field(default=128, ge=1)
    """DPO: largest number of tokens in each of the model's own answers."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        fields = type(self).model_fields
        idle = [name for name in ("beta", "own_tokens") if getattr(self, name) != fields[name].default]
        if self.objective == "sft" and idle:
            raise ValueError(f"{idle[0]} is a setting of objective dpo, and the objective is sft; leave it out.")
        return self


class LoraOptions(Options):
    """Train low-rank adapters in place of the model's own weights, and merge them at the end."""

    rank: Annotated[int, WHERE_LORA] = Field(default=8, ge=1)
    """Rank of the adapters. A larger one changes more."""
    alpha: Annotated[float, WHERE_LORA] = Field(default=16, gt=0)
    """Scale: the adapters' product times alpha / rank."""
    targets: Names = ()
    """Components, such as q_proj. By default all scored ones but fused experts."""


class AdaptOptions(SftOptions):
    """Options of SPA."""

    iterations: int = Field(default=1000, ge=1)
    """Optimizer steps. One step reads one batch."""
    learning_rate: float = Field(default=3e-5, gt=0, lt=1)
    """Peak learning rate. Measured: 2e-5 to 5e-5 at 135 million weights, 1.5e-3 at one million. Paper: 3e-5 at
    billions."""
    freeze: tuple[Role, ...] = ()
    """Roles that are not trained, such as embedding and head, which no mask holds."""
    lora: Annotated[LoraOptions | None, LORA] = None
    """Trains LoRA adapters in place of the weights and merges them at the end. Usual learning rates are 1e-4 and
    more."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        if self.lora and self.freeze:
            raise ValueError(
                "LoRA trains its adapters alone, so freeze has no effect with lora; leave one of them out."
            )
        return self


def share_batch(options: SftOptions, processes: int) -> int:
    """Number of exchanges that each of several processes has in memory at once.

    Raises:
        ValueError: the batch does not divide evenly between the processes.
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


def micro_batches(options: SftOptions) -> int:
    """Number of micro-batches of a step that one process takes alone."""
    return options.batch_size // (options.micro_batch_size or options.batch_size)
