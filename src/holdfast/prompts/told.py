"""What a reader of prompt files decided for the user, told once each: which column was taken, which rows were left out.

The library logs it. The command line keeps a list of a command's sentences as well, for its JSON.
"""

import logging
from contextvars import ContextVar

logger = logging.getLogger(__name__)
sentences: ContextVar[list[str] | None] = ContextVar("sentences", default=None)
"""What was told so far, where somebody keeps it; then nothing is told twice."""


def tell(sentence: str) -> None:
    """Logs a sentence, and keeps it where that is asked for."""
    kept = sentences.get()
    if kept is not None:
        if sentence in kept:
            return
        kept.append(sentence)
    logger.warning(sentence)
