"""Options of generation, and the roles of parameters. They have their own file so that `--help` imports no torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from holdfast.config import Options, Seed
from holdfast.option_groups import SPEED

Role = Literal["matrix", "router", "norm", "bias", "embedding", "head", "other"]
LONG_ENOUGH = 256
"""Tokens. A shorter limit cuts responses off, and attack success is then measured on beginnings. holdfast warns of
that."""
GPU_SHARE = 0.5


class GenerateOptions(Options):
    """Settings for generating responses."""

    max_new_tokens: int = Field(default=LONG_ENOUGH, ge=1)
    """Longest response, in tokens. Short limits misstate attack success."""
    token_budget: Annotated[int, SPEED] = Field(default=16384, ge=1)
    """Tokens in a batch, padding included. Lower it when memory runs out."""
    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy. Larger values sample more freely."""
    num_samples: int = Field(default=1, ge=1)
    """Responses per prompt. 2 or more need a temperature."""
    seed: Annotated[Seed, SPEED] = 0
    """Seed of the sampling. Greedy responses do not depend on it."""
    engine: Annotated[Literal["transformers", "vllm"], SPEED] = "transformers"
    """Program that makes the responses.

    - transformers: works with every command
    - vllm: fills a GPU better, for `evaluate` only, and loads the checkpoint a second time
    """
    gpu_share: Annotated[float, SPEED] = Field(default=GPU_SHARE, gt=0, lt=1)
    """Share of the GPU's memory for vllm, in (0, 1). The model and a loaded judge need memory in addition."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        if self.gpu_share != GPU_SHARE and self.engine != "vllm":
            raise ValueError(
                f"a gpu_share of {self.gpu_share:g} has no effect with engine {self.engine}; leave it out, or choose "
                "engine vllm."
            )
        return self


def refuse_other_engine(options: GenerateOptions) -> GenerateOptions:
    """Raises ValueError if a model in memory is to answer through an engine that loads the checkpoint itself."""
    if options.engine != "transformers":
        raise ValueError(
            f"engine {options.engine} answers with the stored checkpoint and ignores edits of the model in memory; "
            "use it with `holdfast evaluate`, or leave generate.engine out."
        )
    return options
