"""The error about arguments that a command has no place for: `holdfast compare a b c`."""

from cyclopts import App, UnusedCliTokensError


def superfluous_sentence(app: App, error: UnusedCliTokensError) -> str:
    """Names the command, the arguments that it takes, and the first one too many."""
    command = app
    for name in error.command_chain or ():
        command = command[name]
    arguments = command.assemble_argument_collection(parse_docstring=False)
    names = [each.name.lstrip("-").upper() for each in arguments if each.index is not None]
    takes = {0: "no arguments", 1: f"one argument ({names[0] if names else ''})"}
    taken = takes.get(len(names), f"{len(names)} arguments ({', '.join(names)})")
    called = " ".join(error.command_chain or ()) or "holdfast"
    return (
        f"{called} takes {taken}, got {'one more: ' if names else ''}{(error.unused_tokens or [''])[0]!r}; see --help."
    )
