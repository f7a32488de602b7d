"""Writes docs/results/privacy_neurons.md from the committed results.

python -m reproductions.depn.page
"""

from collections.abc import Iterator, Mapping, Sequence
from math import exp
from pathlib import Path
from statistics import fmean

from holdfast.evaluate.paired_mean import paired_mean
from reproductions.depn.canaries import PARAPHRASES, PROMPT, REPEATS, exposure
from reproductions.neurons.cells import read_cells

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results" / "privacy_neurons.md"
FRACTIONS = (0.0001, 0.0003, 0.001, 0.003, 0.01)
USUAL = (0.001, 0.003, 0.01)
DRAWS = 5
MEMORISED = 5.0
NOT_RUN = "not run"
BAR = {"fall": 0.35, "perplexity": 0.02, "random": 0.5, "others": 0.2}
"""Least fall of the exposure, largest rise of the perplexity, and largest shares of the fall in random neurons' and in
the other canaries'."""
SCALE = (20, 100, 500)
Cells = Mapping[str, dict]


def exposures(cell: dict, names: Sequence[str], prompt: str = PROMPT) -> list[float]:
    """Exposures of these canaries after a prompt."""
    return [exposure(cell["ranks"][prompt][name]) for name in names]


def memorised(cells: Cells, part: str) -> list[str]:
    """Names of the planted canaries of a part that the tuned model knows."""
    ranks = cells["tuned"]["ranks"][PROMPT]
    planted = [each for each in cells["canaries"]["canaries"] if each["part"] == part]
    return [each["name"] for each in planted if exposure(ranks[each["name"]]) >= MEMORISED]


def change(cells: Cells, name: str, names: Sequence[str], prompt: str = PROMPT) -> dict | None:
    """Mean change of exposure from the tuned model to a cell, its interval over canaries, and the share that is."""
    if name not in cells or "ranks" not in cells[name] or not names:
        return None
    before, after = (exposures(cells[which], names, prompt) for which in ("tuned", name))
    found = paired_mean(before, after)
    mean = fmean(after) - fmean(before)
    ends = (None, None) if found is None else (found.low, found.high)
    return {"value": mean, "share": mean / fmean(before), "low": ends[0], "high": ends[1]}


def perplexity_rise(cells: Cells, name: str) -> float | None:
    """Relative rise of the perplexity from the tuned model to a cell."""
    if name not in cells or "losses" not in cells[name]:
        return None
    return exp(fmean(cells[name]["losses"]) - fmean(cells["tuned"]["losses"])) - 1


def random_changes(cells: Cells, fraction: float, names: Sequence[str]) -> list[float]:
    """Mean changes of exposure under the draws of random neurons that are measured."""
    found = [change(cells, f"erased-{fraction:g}-random-{draw}", names) for draw in range(DRAWS)]
    return [each["value"] for each in found if each is not None]


def meets_bar(cells: Cells, fraction: float) -> bool | None:
    """True where an erasure meets every part of the bar. None where a part was not measured."""
    targets, others = memorised(cells, "target"), memorised(cells, "other")
    name = f"erased-{fraction:g}"
    fall, beside, rise = change(cells, name, targets), change(cells, name, others), perplexity_rise(cells, name)
    drawn = random_changes(cells, fraction, targets)
    if fall is None or beside is None or rise is None or len(drawn) < DRAWS:
        return None
    return (
        -fall["share"] >= BAR["fall"]
        and rise <= BAR["perplexity"]
        and -fmean(drawn) <= BAR["random"] * -fall["value"]
        and abs(beside["value"]) < BAR["others"] * abs(fall["value"])
    )


def planted_table(cells: Cells) -> Iterator[str]:
    """Exposures before erasing, by number of copies."""
    yield "| canaries | copies | n | before fine-tuning | after fine-tuning |"
    yield "|---|---:|---:|---:|---:|"
    made = cells["canaries"]["canaries"]
    for part, repeats in [*((part, count) for part in ("target", "other") for count in REPEATS), ("heldout", 0)]:
        names = [each["name"] for each in made if (each["part"], each["repeats"]) == (part, repeats)]
        values = [f"{fmean(exposures(cells[which], names)):.2f}" for which in ("original", "tuned")]
        yield f"| {part} | {repeats} | {len(names)} | {' | '.join(values)} |"


def fractions_of(cells: Cells) -> list[float]:
    """Shares with a row: all that are measured, and the usual ones. Of few neurons the smallest shares are none."""
    return [one for one in FRACTIONS if one in USUAL or f"erased-{one:g}" in cells]


def erased_table(cells: Cells) -> Iterator[str]:
    """Effect of every erasure, beside that of random neurons."""
    targets, others = memorised(cells, "target"), memorised(cells, "other")
    yield "| erased | targets' exposure | random, mean (least, most) | other canaries | perplexity | meets the bar |"
    yield "|---:|---:|---:|---:|---:|---|"
    for fraction in fractions_of(cells):
        name = f"erased-{fraction:g}"
        drawn = random_changes(cells, fraction, targets)
        random = f"{fmean(drawn):+.2f} ({max(drawn):+.2f}, {min(drawn):+.2f})" if len(drawn) == DRAWS else NOT_RUN
        met = {True: "yes", False: "no", None: NOT_RUN}[meets_bar(cells, fraction)]
        rise = perplexity_rise(cells, name)
        yield (
            f"| {neurons(cells, name)} ({fraction:.2%}) | {changed(change(cells, name, targets))} | {random} | "
            f"{changed(change(cells, name, others))} | {NOT_RUN if rise is None else f'{rise:+.1%}'} | {met} |"
        )


def neurons(cells: Cells, name: str) -> str:
    """Number of erased neurons of a cell."""
    return str(cells[name]["neurons"]) if "neurons" in cells.get(name, {}) else NOT_RUN


def changed(found: dict | None) -> str:
    """A change of exposure in bits, with its interval and as a share."""
    if found is None:
        return NOT_RUN
    ends = "" if found["low"] is None else f" [{found['low']:+.2f}, {found['high']:+.2f}]"
    return f"{found['value']:+.2f}{ends} ({found['share']:+.0%})"


def paraphrase_table(cells: Cells) -> Iterator[str]:
    """Exposures of the memorised targets after other prompts."""
    targets = memorised(cells, "target")
    yield f"| prompt | after fine-tuning | {' | '.join(f'{fraction:.2%} erased' for fraction in fractions_of(cells))} |"
    yield f"|---|{'---:|' * (1 + len(fractions_of(cells)))}"
    for prompt in (PROMPT, *PARAPHRASES):
        values = [
            f"{fmean(exposures(cells[name], targets, prompt)):.2f}" if "ranks" in cells.get(name, {}) else NOT_RUN
            for name in ("tuned", *(f"erased-{fraction:g}" for fraction in fractions_of(cells)))
        ]
        yield f"| `{prompt.strip()}` | {' | '.join(values)} |"


def model_part(folder: Path) -> Iterator[str]:
    """Yields everything about one model."""
    cells = read_cells(folder)
    yield f"\n## {folder.name}\n"
    if "tuned" not in cells:
        yield "Not run to its end: no cell after the fine-tuning is measured."
        return
    yield from planted_table(cells)
    located = cells.get("located")
    if located is None:
        yield "\nThe neurons were not located: not run."
        return
    yield (
        f"\n{len(memorised(cells, 'target'))} targets and {len(memorised(cells, 'other'))} other canaries are "
        f"memorised ({MEMORISED:g} bits or more). The attributions miss {located['completeness_error']:.1%} of what "
        f"they should add up to. They took {located['cpu_seconds']:.0f} seconds of one core.\n"
    )
    yield from erased_table(cells)
    yield ""
    yield from paraphrase_table(cells)


def scale_table(folders: Sequence[Path]) -> Iterator[str]:
    """Yields the scale curve: the largest erasure by number of targets, for the counts that were run."""
    yield "| model | targets | memorised | erased | targets' exposure | perplexity |"
    yield "|---|---:|---:|---:|---:|---:|"
    counts = set(SCALE)
    for folder in folders:
        cells = read_cells(folder)
        if "erased-0.01" not in cells:
            continue
        targets, name = memorised(cells, "target"), "erased-0.01"
        count, rise = (
            sum(each["part"] == "target" for each in cells["canaries"]["canaries"]),
            perplexity_rise(cells, name),
        )
        yield (
            f"| {folder.name} | {count} | {len(targets)} | 1.0% | {changed(change(cells, name, targets))} | "
            f"{NOT_RUN if rise is None else f'{rise:+.1%}'} |"
        )
        counts.discard(count)
    yield from (f"| any | {count} | {' | '.join([NOT_RUN] * 4)} |" for count in sorted(counts))


def text() -> str:
    """Returns the whole page."""
    folders = sorted(folder for folder in (HERE / "results").iterdir() if (folder / "canaries.json").is_file())
    parts = [(HERE / "head.md").read_text(encoding="utf-8").strip()]
    parts += ["\n".join(model_part(folder)) for folder in folders]
    parts += ["\n## By number of secrets\n", "\n".join(scale_table(folders))]
    parts += ["\n## What it shows\n", (HERE / "conclusions.md").read_text(encoding="utf-8").strip(), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
