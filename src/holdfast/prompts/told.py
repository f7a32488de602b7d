"""What a reader of prompt files decided for the user, told once each: which column was taken, which rows were left out.

The library logs it. The command line keeps a list of a command's sentences as well, for its JSON.
"""

import logging
from contextvars import ContextVar

from holdfast.notes import NOTE

logger = logging.getLogger(__name__)
sentences: ContextVar[list[str] | None] = ContextVar("sentences", default=None)
"""What was told so far, where somebody keeps it; then nothing is told twice."""


def tell(sentence: str, *, is_warning: bool = False) -> None:
    """Logs a sentence as a note, or as a warning, and keeps it where that is asked for."""
    kept = sentences.get()
    if kept is not None:
        if sentence in kept:
            return
        kept.append(sentence)
    logger.log(logging.WARNING if is_warning else NOTE, sentence)
