"""Options of generation, and the roles of parameters. They have their own file so that `--help` imports no torch."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from holdfast.config import Options, Seed
from holdfast.endpoint_options import checked_address
from holdfast.option_groups import SERVED, SPEED

Role = Literal["matrix", "router", "norm", "bias", "embedding", "head", "other"]
LONG_ENOUGH = 256
"""Tokens. A shorter limit cuts responses off, and attack success is then measured on beginnings. holdfast warns of
that."""
LONG_ENOUGH_TO_REFUSE = 64
"""Tokens. A refusal shows in the first words, so rates of refusals alone need no longer responses."""
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


class ServedOptions(Options):
    """A server that answers the prompts, in place of a model that is loaded here."""

    model_config = ConfigDict(hide_input_in_errors=True)  # an address may hold a key

    served: str | None = None
    """Server that answers in place of MODEL (vLLM, llama.cpp, Ollama)."""
    served_model: Annotated[str | None, SERVED] = None
    """Name of the model on the server. Needed where the server lists several models, or none."""
    served_sampling: Annotated[Literal["asked", "server"], SERVED] = "asked"
    """Sampling of the served model.

    - asked: the temperature of --generate.temperature, 0 by default. Other settings are the server's own
    - server: the server's own temperature and other settings, so that responses are as users get them
    """
    served_key_variable: Annotated[str, SERVED] = "SERVED_API_KEY"
    """Environment variable that holds the server's key, where it asks for one. The key is never written to a file."""
    served_concurrency: Annotated[int, SERVED] = Field(default=8, ge=1)
    """Requests sent at the same time."""
    served_timeout: Annotated[float, SERVED] = Field(default=300.0, gt=0)
    """Seconds after which holdfast gives up a request."""
    served_retries: Annotated[int, SERVED] = Field(default=5, ge=0)
    """Times to repeat a request after a time-out, status 429 or a server error. Then the response is missing."""
    served_token_field: Annotated[Literal["max_tokens", "max_completion_tokens"], SERVED] = "max_tokens"
    """Field of the request that limits the tokens of a response."""

    @field_validator("served")
    @classmethod
    def _refuse_secrets(cls, address: str | None) -> str | None:
        return address and checked_address(address, "served", "served_key_variable")

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        given = [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]
        if given and self.served is None:
            raise ValueError(f"{given[0]} has no effect without served; give --served URL, or leave it out.")
        return self


def refuse_other_engine(options: GenerateOptions) -> GenerateOptions:
    """Raises ValueError if a model in memory is to answer through an engine that loads the checkpoint itself."""
    if options.engine != "transformers":
        raise ValueError(
            f"engine {options.engine} answers with the stored checkpoint and ignores edits of the model in memory; "
            "use it with `holdfast evaluate`, or leave generate.engine out."
        )
    return options
