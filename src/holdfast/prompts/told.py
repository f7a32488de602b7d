"""Reports the decisions of a reader of prompt files, each once: columns used, rows left out.

The library logs these sentences. The command line also keeps the sentences of a command in a list, for its JSON.
"""

import logging
from contextvars import ContextVar

from holdfast.notes import NOTE

logger = logging.getLogger(__name__)
sentences: ContextVar[list[str] | None] = ContextVar("sentences", default=None)
"""The sentences so far, if a caller keeps them. Then none is logged twice."""


def tell(sentence: str, *, is_warning: bool = False) -> None:
    """Logs a sentence as a note or as a warning, and adds it to the list if a caller keeps one."""
    kept = sentences.get()
    if kept is not None:
        if sentence in kept:
            return
        kept.append(sentence)
    logger.log(logging.WARNING if is_warning else NOTE, sentence)
