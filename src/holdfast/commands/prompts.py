"""`holdfast prompts list | show`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from holdfast.built_in import PROMPT_SETS
from holdfast.commands.console import Json, table, unless_quiet
from holdfast.commands.console import show as show_result
from holdfast.commands.help_page import new_app
from holdfast.printable import printable
from holdfast.prompts.known import KNOWN, KnownSet
from holdfast.prompts.near_duplicates import THRESHOLD, count_near_duplicates
from holdfast.prompts.sources import labelled_sides, load_prompts
from holdfast.records import Kind, Prompt, shared_prompts

UNKNOWN = "unknown"
"""Kind of a prompt whose file does not say one, and that no option has given a role."""
DEPENDS = (
    "The file does not say which kind its prompts are. The option that reads it decides, such as --harmful or "
    "--harmless of `evaluate`. To see the prompts in a role, give --role harmful."
)
LABELLED = (
    "The file labels its prompts. --harmful of `evaluate` reads those labelled harmful, its other options read those "
    "labelled safe. To see one side, give --role harmful."
)

prompts = new_app("prompts", "List public prompt sets, and show what a set holds.")


@prompts.command(name="list")
def list_sets(*, json: Json = False) -> None:
    """List the public prompt sets that commands and configs take by name.

    Example: holdfast prompts list

    Parameters
    ----------
    json
        Print one JSON object, with commits, hashes and columns.
    """
    columns = ("name", "kind", "prompts", "licence", "gated", "source")
    rows = [
        (known.name, known.kind, known.prompts, known.licence, _gated(known), _source(known))
        for known in KNOWN.values()
    ]
    built_in = [f"testbed:{name}" for name in PROMPT_SETS]
    result = {"sets": [asdict(known) | {"url": known.url} for known in KNOWN.values()], "built_in": built_in}
    note = (
        f"Built in: {', '.join(built_in)}. A file of your own is FILE, or FILE#prompt=COLUMN&group=COLUMN. "
        "#first=32 behind any name takes the first 32 prompts, #last=32 the last, and #skip=32 leaves out the first."
    )
    show_result(result, [table("Public prompt sets", columns, rows)], json, unless_quiet(note))


@prompts.command
def show(
    name: str,
    *,
    limit: Annotated[int, Parameter(validator=Number(gte=0))] = 5,
    against: str | None = None,
    role: Kind | None = None,
    json: Json = False,
) -> None:
    """Show what a prompt set holds: counts by kind and group, mean length, and its first prompts.

    Example: holdfast prompts show testbed:borderline --against testbed:harmless

    Parameters
    ----------
    name
        A name of `holdfast prompts list`, testbed:NAME, or a file.
    limit
        Prompts to print, counted from the start.
    against
        Second set to compare with: counts the prompts in both sets, and near duplicates.
    role
        Print the prompts that the set has in this role. In a file that labels prompts as safe and unsafe, a role reads
        one of the two sides.
    json
        Print one JSON object in place of tables.
    """
    loaded = load_prompts(name, role)
    summary = _summary(name, loaded, {} if role else labelled_sides(name))
    first = [{"prompt": prompt.prompt, "group": prompt.group} for prompt in loaded[:limit]]
    result: dict[str, object] = {**asdict(summary), "first": first}
    tables = [table(printable(name), ("what", "value"), _rows(summary))]
    if against:
        result["against"] = overlap = _overlap(loaded, against)
        tables.append(table(f"Against {printable(against)}", ("what", "value"), _overlap_rows(overlap)))
    if loaded[:limit]:
        shown = [(prompt.prompt, prompt.group or "") for prompt in loaded[:limit]]
        tables.append(table("First prompts", ("prompt", "group"), shown))
    show_result(result, tables, json, _on_kinds(summary.kinds))


def _on_kinds(kinds: Mapping[str, int]) -> str | None:
    """Explains how the kind of the prompts is decided, if the set does not fix it. None if it does."""
    if UNKNOWN in kinds:
        return DEPENDS
    return LABELLED if any(kind.startswith("labelled") for kind in kinds) else None


def _gated(known: KnownSet) -> str:
    return "yes" if known.gated else "no"


def _source(known: KnownSet) -> str:
    return f"{known.page.removeprefix('https://')} at {known.revision[:7]}"


@dataclass(frozen=True)
class _Summary:
    """Counts of the prompts in a set."""

    name: str
    prompts: int
    mean_characters: float
    kinds: dict[str, int]
    groups: dict[str, int]


def _summary(name: str, loaded: Sequence[Prompt], sides: Mapping[str, str]) -> _Summary:
    labels = {prompt: f"labelled {side}" for prompt, side in sides.items()}
    return _Summary(
        name=name,
        prompts=len(loaded),
        mean_characters=sum(len(prompt.prompt) for prompt in loaded) / len(loaded),
        kinds=dict(Counter(prompt.kind or labels.get(prompt.prompt, UNKNOWN) for prompt in loaded)),
        groups=dict(Counter(prompt.group for prompt in loaded if prompt.group is not None)),
    )


def _rows(summary: _Summary) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [("prompts", summary.prompts)]
    rows += [("mean characters", f"{summary.mean_characters:.1f}")]
    rows += [(f"kind {name}", count) for name, count in summary.kinds.items()]
    return [*rows, *((f"group {name}", count) for name, count in summary.groups.items())]


def _overlap_rows(overlap: Mapping[str, object]) -> list[tuple[str, object]]:
    return [
        ("prompts of the other set", overlap["prompts"]),
        ("prompts in both sets", overlap["shared"]),
        (f"near duplicates, from a similarity of {overlap['threshold']}", overlap["near_duplicates"]),
    ]


def _overlap(loaded: Sequence[Prompt], against: str) -> dict[str, object]:
    other = load_prompts(against)
    return {
        "prompts": len(other),
        "shared": len(shared_prompts(other, loaded)),
        "near_duplicates": count_near_duplicates(loaded, other),
        "threshold": THRESHOLD,
    }
