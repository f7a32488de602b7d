"""Checks prompt files before a command loads its libraries, so that a wrong name or column is reported at once."""

from holdfast.prompts.known import KNOWN
from holdfast.prompts.locate import find_source
from holdfast.prompts.reading import Reader
from holdfast.records import Exchange, Prompt


def require_readable(*names: str | None, responses: str | None = None) -> None:
    """Reads the first record of every prompt set, and reports nothing else of it.

    A public set is left out, because the command fetches it later. None stands for a set that is not given.

    Args:
        names: files with what may stand behind their #, or testbed:NAME.
        responses: word for the responses that every row must have, such as "refusals". None asks for none.

    Raises:
        ValueError: a file is missing, or its first row has no prompt or no response.
    """
    for name in names:
        if name is not None and name.partition("#")[0] not in KNOWN:
            source = find_source(name)
            reader = Reader(source, Exchange, responses=responses) if responses else Reader(source, Prompt)
            next(reader.records(), None)
