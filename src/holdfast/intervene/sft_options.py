"""How a model is fine-tuned, whatever the objective, and how processes share its batches."""

from typing import Literal

from pydantic import Field

from holdfast.config import Options, Seed


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
