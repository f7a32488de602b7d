"""Responses on disk, a line each, added a batch at a time: an interrupted generation goes on where it was."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Response:
    """What a model said to a prompt."""

    prompt: str
    prompt_ids: list[int]
    """The prompt under the model's chat template."""
    token_ids: list[int]
    """The response without end token and padding."""
    text: str
    finished: bool
    """Whether the model ended the response itself; otherwise it was cut off by length."""
    end_id: int | None = None
    """The token with which the model ended it: a choice like any other to a policy gradient."""
    broken: bool = False
    """Whether the model's logits were not finite, so that it said nothing; the response is then empty."""
    opened: str = ""
    """The mark of a block of thoughts that the chat template opened at the end of the prompt."""

    @property
    def record(self) -> str:
        """The text as it is kept and judged: with the mark of a block of thoughts that the response goes on with."""
        return self.opened + self.text if self.text else self.text


class ResponseLog:
    """The responses of one generation that are known so far, by position."""

    def __init__(self, path: Path) -> None:
        """Reads what is there; whoever opens it knows that it is of the same model, prompts and options."""
        self.path = path
        self.known = dict(_read(path)) if path.is_file() else {}

    def add(self, responses: Mapping[int, Response]) -> None:
        """Appends responses and has them written before it returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            for position, response in responses.items():
                file.write("\n" + json.dumps({"position": position, **asdict(response)}))
        self.known |= responses


def _read(path: Path) -> Iterator[tuple[int, Response]]:
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            content = json.loads(line)
        except ValueError:
            continue  # cut off when the process was stopped
        yield content.pop("position"), Response(**content)
