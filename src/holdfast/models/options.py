"""What generation can be told, and the roles of parameters; apart from them, so that `--help` imports no torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from holdfast.config import Options, Seed

Role = Literal["matrix", "router", "norm", "bias", "embedding", "head", "other"]
LONG_ENOUGH = 256
"""Tokens; where responses are cut off sooner, attack success is one of beginnings, which is warned of."""
GPU_SHARE = 0.5


class GenerateOptions(Options):
    """How responses are made."""

    max_new_tokens: int = Field(default=LONG_ENOUGH, ge=1)
    """Tokens a response may have at most; short limits misstate attack success."""
    token_budget: int = Field(default=16384, ge=1)
    """Tokens of a batch at most, prompts and responses together, padding counted."""
    temperature: float = Field(default=0.0, ge=0)
    """0 decodes greedily; above, responses are sampled."""
    num_samples: int = Field(default=1, ge=1)
    """Responses a prompt; more than one needs a temperature above 0."""
    seed: Seed = 0
    """Seed of the sampling."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """What makes the responses. vllm fills a GPU better, and loads the checkpoint itself: only `evaluate` has it."""
    gpu_share: float = Field(default=GPU_SHARE, gt=0, lt=1)
    """Share of the GPU's memory that vllm takes; the model and a judge that is loaded are there beside it."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        if self.gpu_share != GPU_SHARE and self.engine != "vllm":
            raise ValueError(
                f"a gpu_share of {self.gpu_share:g} has no effect with engine {self.engine}; leave it out, or choose "
                "engine vllm."
            )
        return self


def refuse_other_engine(options: GenerateOptions) -> GenerateOptions:
    """Raises ValueError when the responses of a model in memory are asked of an engine that loads its own."""
    if options.engine != "transformers":
        raise ValueError(
            f"engine {options.engine} answers from the checkpoint as it is stored and knows nothing of one in memory "
            "whose weights may be edited; use it with `holdfast evaluate`, or leave generate.engine out."
        )
    return options
