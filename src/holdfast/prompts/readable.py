"""Checks prompt files before a command loads its libraries, so that a wrong name or column is reported at once."""

from itertools import islice

from holdfast.prompts.known import KNOWN
from holdfast.prompts.locate import find_source
from holdfast.prompts.reading import Reader
from holdfast.prompts.sources import chosen, filled
from holdfast.records import Exchange, Prompt


def require_readable(*names: str | None, responses: str | None = None) -> None:
    """Reads the first prompt of every set, or every row where responses are needed, and reports only mistakes.

    A public set is left out, because the command fetches it later. None stands for a set that is not given.

    Args:
        names: files with what may stand behind their #, or testbed:NAME.
        responses: word for the responses that every row must have, such as "refusals". None asks for none.

    Raises:
        ValueError: a file is missing or empty, its first row has no prompt, or any row lacks a needed response.
    """
    for name in names:
        if name is not None and name.partition("#")[0] not in KNOWN:
            source = find_source(name)
            if responses:
                filled(source, chosen(source, Reader(source, Exchange, responses=responses).records()))
            else:
                filled(source, list(islice(Reader(source, Prompt).records(), 1)))
