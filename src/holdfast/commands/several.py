"""Lets an option take several values after one name: `--ratios 1 2` is read as `--ratios 1 --ratios 2`.

An option takes all values up to the next option. If a positional argument would be missing, the last value becomes it:
`evaluate --harmful a.jsonl b.jsonl MODEL` is read like `evaluate MODEL --harmful a.jsonl b.jsonl`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cyclopts import App, ArgumentCollection

NO_LIMIT = 1 << 30


@dataclass
class _Run:
    """An option and the values after it. Without an option: values that belong to none."""

    name: str | None
    limit: int
    values: list[str] = field(default_factory=list)

    @property
    def takes_several(self) -> bool:
        return self.name is not None and self.limit == NO_LIMIT


def repeat_options(app: App, tokens: Sequence[str]) -> list[str]:
    """Returns the tokens of a command with the name of an option before each of its values."""
    if not _has_values_in_a_row(tokens):
        return list(tokens)
    chain, apps, options = app.parse_commands(tokens)
    if "--" in options or apps[-1].default_command is None:
        return list(tokens)
    arguments = apps[-1].assemble_argument_collection()
    runs = _runs(options, arguments)
    _leave_positional(runs, arguments)
    return [*chain, *(token for run in runs for token in _spelled(run))]


def _has_values_in_a_row(tokens: Sequence[str]) -> bool:
    """Tells whether any option is followed by more than one value. Other command lines need no change."""
    is_option = [*map(_is_option, tokens), True]
    return any(
        begun and not is_option[place + 1] and (not is_option[place + 2] or "=" in tokens[place])
        for place, begun in enumerate(is_option[:-2])
    )


def _is_option(token: str) -> bool:
    """Tells whether a token is the name of an option. Negative numbers are values."""
    return token.startswith("-") and len(token) > 1 and not token[1:].replace(".", "", 1)[:1].isdigit()


def _runs(tokens: Sequence[str], arguments: ArgumentCollection) -> list[_Run]:
    """Splits tokens into options with the values that they take, and values between them."""
    runs = [_Run(None, NO_LIMIT)]
    for token in tokens:
        if _is_option(token):
            runs.append(_opened(token, arguments))
        elif len(runs[-1].values) < runs[-1].limit:
            runs[-1].values.append(token)
        else:
            runs.append(_Run(None, NO_LIMIT, [token]))
    return runs


def _opened(token: str, arguments: ArgumentCollection) -> _Run:
    """Starts the run of an option. An equals sign may join a value to the option's name."""
    name, joined, value = token.partition("=")
    try:
        argument, keys, implicit = arguments.match(name)
    except ValueError:  # an unknown option, which cyclopts reports
        return _Run(token, 0)
    if isinstance(implicit, bool | tuple):  # a flag, or --empty-...
        return _Run(token, 0)
    if argument.token_count(keys)[1]:
        return _Run(name, NO_LIMIT, [value] if joined else [])
    return _Run(token, 0 if joined else 1)


def _leave_positional(runs: list[_Run], arguments: ArgumentCollection) -> None:
    """Moves values from the ends of options with several values to positional arguments that would be missing."""
    named = {run.name.partition("=")[0] for run in runs if run.name}
    positional = [argument for argument in arguments if argument.required and argument.field_info.is_positional]
    lacking = sum(not named & set(argument.names) for argument in positional)
    lacking -= sum(len(run.values) for run in runs if run.name is None)
    for place, run in reversed(list(enumerate(runs))):
        count = min(lacking, len(run.values) - 1) if run.takes_several else 0
        if count > 0:
            runs.insert(place + 1, _Run(None, NO_LIMIT, run.values[-count:]))
            del run.values[-count:]
            lacking -= count


def _spelled(run: _Run) -> list[str]:
    """Returns the tokens of a run, with the option's name before each value if it takes several."""
    if run.name is None:
        return run.values
    if run.takes_several and run.values:
        return [token for value in run.values for token in (run.name, value)]
    return [run.name, *run.values]
