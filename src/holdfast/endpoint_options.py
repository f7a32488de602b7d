"""Options of requests to a model behind an OpenAI-compatible endpoint. Needs no torch."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from holdfast.config import Options


class EndpointOptions(Options):
    """Address of an endpoint, and settings of its requests."""

    model_config = ConfigDict(hide_input_in_errors=True)  # an address may hold a key

    base_url: str = "https://api.openai.com/v1"
    """Address of the endpoint, without /chat/completions at its end."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key. The key itself is never written to a file."""
    temperature: Annotated[float, Field(ge=0)] | Literal["none"] = 0.0
    """Temperature of the judge's answers. `none` leaves it out of the request."""
    max_answer_tokens: int = Field(default=512, ge=1)
    """Largest number of tokens in an answer. A judge that thinks first needs more."""
    token_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Field of the request that limits the tokens of an answer."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds after which holdfast gives up a request."""
    retries: int = Field(default=5, ge=0)
    """Times to repeat a request after a time-out, status 429 or a server error."""
    max_requests: int | None = Field(default=None, ge=1)
    """Largest number of requests per command. Further responses count as unscored. No limit when left out."""

    @field_validator("base_url")
    @classmethod
    def _refuse_secrets(cls, address: str) -> str:
        return checked_address(address, "base_url", "key_variable")


def checked_address(address: str, option: str, key_option: str) -> str:
    """Returns an endpoint's address without a slash at its end.

    Raises:
        ValueError: the address may hold a key, or does not begin with http:// or https://.
    """
    parts = urlsplit(address)
    if parts.username or parts.password or parts.query:
        raise ValueError(
            f"{option} holds a user name or a query, which files would record; put the key into the environment "
            f"variable that {key_option} names."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{option} does not begin with http:// or https://; give the whole address.")
    return address.rstrip("/")
