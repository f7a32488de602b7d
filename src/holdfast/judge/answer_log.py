"""Keeps a judge's answers in a folder, one per line, so that no command pays for an answer twice."""

import json
import os
import threading
from pathlib import Path

from holdfast.json_files import whole_lines


def answers_folder() -> Path:
    """Returns the default folder for answers, in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast" / "answers"


class AnswerLog:
    """Answers by key. Several threads and several processes may add to it."""

    def __init__(self, path: Path) -> None:
        """Reads the file if it exists. Raises OSError if nothing can be added, before any answer is paid for."""
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
        self.known: dict[str, str] = {line["key"]: line["answer"] for line in whole_lines(path)}

    def add(self, key: str, answer: str) -> None:
        """Appends an answer, and writes it to disk before it returns."""
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"key": key, "answer": answer}))
            self.known[key] = answer
