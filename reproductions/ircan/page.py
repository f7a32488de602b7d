"""Writes docs/results/context_neurons.md from the committed results.

python -m reproductions.ircan.page
"""

from collections.abc import Iterator, Mapping, Sequence
from math import exp
from pathlib import Path
from statistics import fmean

from holdfast.evaluate.statistics import wilson_interval
from reproductions.neurons.cells import read_cells

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results" / "context_neurons.md"
NOT_RUN = "not run"
DRAWS = 10
ARMS = {
    "plain": "unchanged",
    "strengthened": "context neurons strengthened",
    "erased": "the same neurons erased",
    "cad": "context-aware decoding (CAD)",
    "cad-strengthened": "CAD, context neurons strengthened",
}
MEASURES = ("accuracy", "context_on_top", "stubbornness")
Cells = Mapping[str, dict]


def share(verdicts: Sequence[bool]) -> str:
    """A share with its interval."""
    low, high = wilson_interval(fmean(verdicts), len(verdicts))
    return f"{fmean(verdicts):.2f} [{low:.2f}, {high:.2f}]"


def random_cells(cells: Cells) -> list[dict]:
    """Returns the draws of random neurons that are measured."""
    names = [f"conflicts-random-{draw}" for draw in range(DRAWS)]
    return [cells[name] for name in names if name in cells]


def conflict_table(cells: Cells) -> Iterator[str]:
    """Every arm on the reporting half."""
    yield "| arm | accuracy | context's word on top | stubbornness |"
    yield "|---|---:|---:|---:|"
    for arm, label in ARMS.items():
        cell = cells.get(f"conflicts-{arm}")
        yield f"| {label} | {' | '.join(share(cell[each]) if cell else NOT_RUN for each in MEASURES)} |"
    drawn = random_cells(cells)
    ranges = [f"{min(values):.2f} to {max(values):.2f}" for values in drawn_shares(drawn)] if drawn else [NOT_RUN] * 3
    yield f"| random neurons strengthened, range of {len(drawn)} draws | {' | '.join(ranges)} |"


def drawn_shares(drawn: Sequence[dict]) -> list[list[float]]:
    """Shares of every measure, one for each draw."""
    return [[fmean(cell[each]) for cell in drawn] for each in MEASURES]


def beside_table(cells: Cells) -> Iterator[str]:
    """Facts and perplexity of the three arms that have them."""
    yield "| arm | facts right without context | follows a misleading context | perplexity |"
    yield "|---|---:|---:|---:|"
    plain = cells.get("beside-plain")
    for arm in ("plain", "strengthened", "erased"):
        cell = cells.get(f"beside-{arm}")
        if cell is None or plain is None:
            yield f"| {ARMS[arm]} | {NOT_RUN} | {NOT_RUN} | {NOT_RUN} |"
            continue
        rise = exp(fmean(cell["losses"]) - fmean(plain["losses"])) - 1
        change = f"{exp(fmean(cell['losses'])):.2f}" + ("" if arm == "plain" else f" ({rise:+.1%})")
        yield f"| {ARMS[arm]} | {share(cell['facts_right'])} | {share(cell['misled'])} | {change} |"


def choosing_table(cells: Cells) -> Iterator[str]:
    """Every number of neurons and scale that was tried."""
    yield "| neurons | scale | accuracy | perplexity |"
    yield "|---:|---:|---:|---:|"
    plain = cells["choosing-plain"]
    yield f"| none | | {share(plain['accuracy'])} | {exp(fmean(plain['losses'])):.2f} |"
    names = [name for name in cells if name.startswith("choosing-") and name != "choosing-plain"]
    for name in sorted(names, key=lambda name: [float(part) for part in name.split("-")[1:]]):
        _, count, scale = name.split("-")
        rise = exp(fmean(cells[name]["losses"]) - fmean(plain["losses"])) - 1
        yield f"| {count} | {scale} | {share(cells[name]['accuracy'])} | {rise:+.1%} |"


def relative_gain(cells: Cells) -> float | None:
    """Relative gain of accuracy on the reporting half. None where an arm was not measured."""
    before, after = (cells.get(f"conflicts-{arm}") for arm in ("plain", "strengthened"))
    if before is None or after is None or not any(before["accuracy"]):
        return None
    return fmean(after["accuracy"]) / fmean(before["accuracy"]) - 1


def model_part(folder: Path) -> Iterator[str]:
    """Yields everything about one model."""
    cells = read_cells(folder)
    yield f"\n## {folder.name}\n"
    located = cells.get("located")
    if located is None:
        yield "The neurons were not located: not run."
        return
    yield (
        f"{located['examples']} examples locate the neurons, in {located['cpu_seconds']:.0f} seconds of one core. The "
        f"attributions miss {located['completeness_error']:.1%} of what they should add up to."
    )
    if "choosing-plain" in cells:
        yield ""
        yield from choosing_table(cells)
    if chosen := cells.get("chosen"):
        yield f"\nChosen: {chosen['count']} neurons, scale {chosen['scale']:g}. On the reporting half:\n"
    yield ""
    yield from conflict_table(cells)
    gain = relative_gain(cells)
    yield f"\nRelative gain of accuracy: {NOT_RUN if gain is None else f'{gain:+.0%}'}, beside the paper's +129%.\n"
    yield from beside_table(cells)


def text() -> str:
    """Returns the whole page."""
    results = HERE / "results"
    folders = sorted(each for each in results.iterdir() if each.is_dir()) if results.is_dir() else []
    parts = [(HERE / "head.md").read_text(encoding="utf-8").strip()]
    parts += ["\n".join(model_part(folder)) for folder in folders]
    parts += ["\n## What it shows\n", (HERE / "conclusions.md").read_text(encoding="utf-8").strip(), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
