"""Answers that were paid for, a line each, kept in a folder: none is paid for twice, whoever asks again and when."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path


def answers_folder() -> Path:
    """Where answers are kept unless another folder is named: in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast" / "answers"


class AnswerLog:
    """Answers by key; several threads, and several processes, may add to it."""

    def __init__(self, path: Path) -> None:
        """Reads what is there; OSError when nothing can be added, before anything is paid for."""
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
        self.known = dict(_read(path))

    def add(self, key: str, answer: str) -> None:
        """Appends an answer and has it written before it returns."""
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"key": key, "answer": answer}))
            self.known[key] = answer


def _read(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            content = json.loads(line)
        except ValueError:
            continue  # cut off when the process was stopped
        yield content["key"], content["answer"]
