"""Keeps responses on disk, one per line. Each batch is appended, so an interrupted generation can resume."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from holdfast.json_files import whole_lines


@dataclass(frozen=True)
class Response:
    """The response of a model to a prompt."""

    prompt: str
    prompt_ids: list[int]
    """Token ids of the prompt in the model's chat template."""
    token_ids: list[int]
    """Token ids of the response, without end token and padding."""
    text: str
    finished: bool
    """True if the model ended the response itself. False if the limit of tokens cut it off."""
    end_id: int | None = None
    """The token by which the model ended the response. The policy gradient treats it as a choice like any other."""
    broken: bool = False
    """True if the model's logits were not finite. The response is then empty."""
    opened: str = ""
    """The mark of a block of thoughts that the chat template opened at the end of the prompt."""
    missing: str | None = None
    """Reason why a server gave no response. The response is then empty, and no log keeps it."""
    tokens: int | None = None
    """Number of tokens by the count of a server, which sends no token ids. None if there is no such count."""

    @property
    def record(self) -> str:
        """The text that is stored and judged.

        It begins with the mark of a block of thoughts if the chat template opened one.
        """
        return self.opened + self.text if self.text else self.text


class ResponseLog:
    """The responses of one generation so far, by position."""

    def __init__(self, path: Path) -> None:
        """Reads the file if it exists. The caller makes sure that it has the same model, prompts and options."""
        self.path = path
        self.known = dict(_read(path)) if path.is_file() else {}

    def add(self, responses: Mapping[int, Response]) -> None:
        """Appends responses, and writes them to disk before it returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            for position, response in responses.items():
                file.write("\n" + json.dumps({"position": position, **asdict(response)}))
        self.known |= responses


def _read(path: Path) -> Iterator[tuple[int, Response]]:
    for line in whole_lines(path):
        yield line.pop("position"), Response(**line)
