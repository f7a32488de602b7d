"""Prints the measures of a log of another program, for `holdfast report`."""

from holdfast.commands.console import Json, show, table
from holdfast.evaluate.logs.comparing import summarize
from holdfast.evaluate.logs.log import Log
from holdfast.measure_names import measure_words
from holdfast.report.schema import rate_json
from holdfast.report.words import rate_words


def show_log(log: Log, json: Json) -> None:
    """Prints every measure with its interval, and what the log records about itself."""
    rates = summarize(log)
    rows = [(measure_words(name), name, rate_words(rate)) for name, rate in rates.items()]
    about = {
        "program": f"{log.program} {log.version}",
        "model": log.model or "the log does not say",
        "samples": f"{len(log.samples):,}",
        **{
            name: str(value) for name, value in {**log.scoring, **log.generation}.items() if value not in (None, {}, [])
        },
    }
    tables = [
        table(f"Log of {log.program}: {log.path}", ("measure", "name in conditions", "value"), rows),
        table("How it was made", ("what", "value"), list(about.items())),
    ]
    result = {
        "file": str(log.path),
        "kind": "log",
        "program": log.program,
        "version": log.version,
        "model": log.model,
        "samples": len(log.samples),
        "scoring": log.scoring,
        "generation": log.generation,
        "measures": {name: rate_json(rate) for name, rate in rates.items()},
    }
    show(result, tables, json)
