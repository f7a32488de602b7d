"""Renders a direction as one page, without script or requests: where it lies, its sides, what was measured, its origin.

Names are untrusted: the template escapes them, and `printable` spells out control characters.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast import __version__
from holdfast.counts import counted
from holdfast.made_by import Meta, model_name, named_base, set_name, shown
from holdfast.p_values import p_text
from holdfast.printable import printable
from holdfast.report.arms import MARKERS
from holdfast.report.page import environment, plain_rows
from holdfast.report.tables import NumberTable
from holdfast.values import Direction

UNTESTED = "Its file does not record how well it tells its two sides apart."
MEANING = (
    "A pair is told apart if the prompt of the positive side lies further along the direction than its partner, and "
    "0.5 of the pairs would be by chance. Controls may reach a share near 1 too. So compare the last column: the mean "
    "margin divided by its spread, which the controls should not reach."
)


def render_direction_page(direction: Direction, file: str | None = None) -> str:
    """Renders the page of a direction. Its commands name the file."""
    made_by = direction.made_by
    model = model_name(made_by) or "MODEL"
    named = model_name(made_by) or named_base(made_by, direction.base)
    return environment().get_template("direction.html.j2").render(
        heading=printable(f"A direction in layer {direction.layer} of {named}"),
        lead=printable(_lead(made_by)),
        facts=[(name, printable(value)) for name, value in _facts(direction)],
        table=_controls(made_by),
        meaning=MEANING,
        commands=[printable(command) for command in _commands(model, file or "direction.safetensors")],
        rows=[(printable(key), printable(value)) for key, value in _origin(made_by, file)],
        markers=MARKERS,
        version=__version__,
    )  # fmt: skip


def told_apart(made_by: Meta) -> str | None:
    """Says how many held-out pairs a direction told apart, and its p value. None where the file does not record it."""
    found = _recognised(made_by)
    if not found:
        return None
    told, pairs = found["direction"]["recognised"]
    return f"{told} of {pairs} told apart (p {p_text(found['p_shuffled'])} against shuffled labels)"


def _recognised(made_by: Meta) -> Mapping[str, Any]:
    found = made_by.get("recognised")
    return found if isinstance(found, Mapping) and "p_shuffled" in found else {}


def _lead(made_by: Meta) -> str:
    """Says what the direction leads from and to, and how well it tells them apart."""
    positive, negative = (set_name(made_by, side) for side in ("positive", "negative"))
    sides = f"It points from {negative} to {positive}. " if positive and negative else ""
    told = told_apart(made_by)
    return sides + (f"Of the held-out pairs it has {told}." if told else UNTESTED)


def _facts(direction: Direction) -> list[tuple[str, str]]:
    rows = [
        ("layer", str(direction.layer)),
        ("dimensions", f"{len(direction.vector):,}"),
        ("length", f"{float(direction.vector.norm()):.3g}"),
        ("median length of a state there", f"{direction.norm:.3g}"),
    ]
    sides = {"positive": "points to", "negative": "points away from"}
    names = [(words, set_name(direction.made_by, side)) for side, words in sides.items()]
    return [*rows, *((words, name) for words, name in names if name)]


def _controls(made_by: Meta) -> NumberTable | None:
    """Makes the table of the held-out pairs told apart by the direction and by its controls. None without them."""
    found = _recognised(made_by)
    if not found:
        return None
    own = found["direction"]
    rows = [("this direction", _of(own["recognised"]), f"{own['separation']:.2f}")]
    for key, words in {"shuffled": "control: shuffled labels", "random": "control: random directions"}.items():
        if draws := found.get(key):
            rows.append((f"{words}, {counted(len(draws), 'draw')}", *_range(draws)))
    if length := found.get("length"):
        rows.append(("control: length alone", _of(length), ""))
    header = ("by", "held-out pairs told apart", "mean / spread of the margin")
    return NumberTable("Held-out pairs told apart", header, tuple(rows), frozenset({1, 2}))


def _of(counts: Sequence[int]) -> str:
    return f"{counts[0]} of {counts[1]}"


def _range(draws: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Writes the smallest and the largest count and separation of several draws. A separation loses its sign."""
    counts = [draw["recognised"][0] for draw in draws]
    separations = [abs(draw["separation"]) for draw in draws]
    pairs = draws[0]["recognised"][1]
    if len(draws) == 1:
        return f"{counts[0]} of {pairs}", f"{separations[0]:.2f}"
    return f"{min(counts)} to {max(counts)} of {pairs}", f"{min(separations):.2f} to {max(separations):.2f}"


def _commands(model: str, file: str) -> list[str]:
    """Writes the commands that test the direction and steer along it."""
    return [
        f"holdfast direction test {model} {file} --positive OTHER.txt --negative OTHERS.txt",
        f"holdfast direction steer {model} {file} --coefficient 0.3 --random 19 --harmful HARMFUL.txt "
        "--harmless HARMLESS.txt --out steered",
    ]


def _origin(made_by: Meta, file: str | None) -> list[tuple[str, str]]:
    """Lists the provenance, apart from what the table of held-out pairs has."""
    known = shown({name: entry for name, entry in made_by.items() if name != "recognised"})
    return [*([("file", file)] if file else []), *plain_rows(known if isinstance(known, Mapping) else {})]
