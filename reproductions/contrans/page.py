"""Writes docs/results/transplant.md from the committed results.

python -m reproductions.contrans.page
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from holdfast.evaluate.statistics import wilson_interval
from reproductions.directions.summary import NOT_RUN, mean_with_ends, share_with_ends, spread, typical
from reproductions.neurons.cells import read_cells
from reproductions.value_concepts.steering_page import MINIMAL

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results" / "transplant.md"
ALONE = {
    "own": "the target's own",
    "carried": "carried, by a map of sentences",
    "carried-asked": "carried, by a map of harmless prompts in the chat template",
    "carried-mixed": "carried, by a map of harmful and harmless prompts, unlabelled",
}
DRAWN = {
    "random": "random",
    "labels": "carried, from shuffled labels",
    "pairs": "carried by a map of shuffled sentences",
    "labels-mixed": "carried by a map of unlabelled prompts, from shuffled labels",
    "pairs-mixed": "carried by a map of unlabelled prompts that were shuffled",
}
JUDGED = {
    "carried": ("The map of sentences", ("random", "labels", "pairs")),
    "carried-mixed": ("The map of unlabelled prompts", ("random", "labels-mixed", "pairs-mixed")),
}
"""Vectors that are held to the bars, and their controls."""
FORMATS = {"chat": "chat template", "question": "question and answer, no template", "letter": "in a letter"}
SHOWN = 4
"""Every layer whose number is a multiple of this is shown, and the last one."""
Cells = Mapping[str, dict]


def explained_table(rows: Mapping[str, Sequence[dict]]) -> Iterator[str]:
    """R^2 of every few layers of the source into every few layers of the target."""
    into = [row["into"] for row in next(iter(rows.values()))]
    shown = [place for place, layer in enumerate(into) if layer % SHOWN == 0 or layer == into[-1]]
    yield f"| source \\ target | {' | '.join(f'layer {into[place]}' for place in shown)} |"
    yield f"|---|{'---:|' * len(shown)}"
    last = max(map(int, rows))
    for layer in sorted(map(int, rows)):
        if layer % SHOWN == 0 or layer == last:
            cells = [f"{rows[str(layer)][place]['explained']:.2f}" for place in shown]
            yield f"| layer {layer} | {' | '.join(cells)} |"
    largest = max(cell["shuffled"] for row in rows.values() for cell in row)
    best = max((cell["explained"], layer, cell["into"]) for layer, row in rows.items() for cell in row)
    yield (
        f"\nOf all {len(rows)} times {len(into)} pairs the best is layer {best[1]} into {best[2]} with {best[0]:.2f}. "
        f"Shuffled sentences reach {largest:.2f} at most."
    )


def recognised(cells: Cells) -> Iterator[str]:
    """The layers of both models that recognise most."""
    for side in ("source", "target"):
        if found := cells.get(f"recognised-{side}"):
            layer, best = max(found.items(), key=lambda one: (one[1]["recognised"][0], one[1]["separation"]))
            count, n = best["recognised"]
            low, high = wilson_interval(count / n, n)
            yield (
                f"The {side} tells the concept apart best in layer {layer}: {count / n:.2f} [{low:.2f}, {high:.2f}] of "
                f"{n} pairs left out."
            )


def drawn(cells: Cells, kind: str, form: str) -> list[list[float]]:
    """Returns the effects of the draws of a control in a format."""
    names = [name for name in cells if re.fullmatch(rf"effect-{kind}-\d+", name)]
    return [cells[name][form]["effects"] for name in sorted(names) if form in cells[name]]


def effect_table(cells: Cells) -> Iterator[str]:
    """Effects of every arm in the chat template, with the share of the own vector's and the rise of perplexity."""
    own = cells.get("effect-own")
    yield "| vector | cosine with the own | effect, nats | share of the own vector's effect | perplexity |"
    yield "|---|---:|---:|---:|---:|"
    for name, words in ALONE.items():
        cell = cells.get(f"effect-{name}")
        if cell is None or own is None:
            yield f"| {words} | {NOT_RUN} | {NOT_RUN} | {NOT_RUN} | {NOT_RUN} |"
            continue
        chat = cell["chat"]
        share = "1" if name == "own" else share_with_ends(chat["effects"], own["chat"]["effects"])
        yield (
            f"| {words} | {cell['cosine']:.2f} | {mean_with_ends(chat['effects'])} | {share} | {chat['rise']:+.1%} |"
        )
    for kind, words in DRAWN.items():
        draws = drawn(cells, kind, "chat")
        size = typical(draws)
        told = NOT_RUN if size is None else f"{spread(draws)}, mean size {size:.2f}"
        yield f"| {words}, {len(draws)} draws | | {told} | | |"


def elsewhere_table(cells: Cells) -> Iterator[str]:
    """Effects in formats that made no vector."""
    shown = [name for name in ALONE if f"effect-{name}" in cells]
    yield f"| format | {' | '.join(ALONE[name] for name in shown)} | random |"
    yield f"|---|{'---:|' * (len(shown) + 1)}"
    for form, words in FORMATS.items():
        effects = [mean_with_ends(cells[f"effect-{name}"][form]["effects"]) for name in shown]
        yield f"| {words} | {' | '.join([*effects, spread(drawn(cells, 'random', form))])} |"


def response_table(cells: Cells) -> Iterator[str]:
    """Shares of refusals in responses."""
    yield "| along | refusals of harmful prompts | refusals of safe prompts | coherent |"
    yield "|---|---:|---:|---:|"
    names = [name.removeprefix("responses-") for name in cells if name.startswith("responses-")]
    for name in sorted(names, key=lambda name: (["untouched", *ALONE, name].index(name), name)):
        cell = cells[f"responses-{name}"]
        words = {"untouched": "nothing", **ALONE}.get(name, name.replace("-", " "))
        yield f"| {words} | {' | '.join(rate(cell.get(one)) for one in ('refusal', 'borderline', 'coherence'))} |"


def rate(found: dict | None) -> str:
    """Writes a rate with its interval."""
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}] n={found['n']}" if found else NOT_RUN


def bars(cells: Cells) -> Iterator[str]:
    """Says for each bar that was set beforehand if it is met, by the paper's map and by that of unlabelled prompts."""
    for name, (words, controls) in JUDGED.items():
        own, carried = (cells.get(f"effect-{each}") for each in ("own", name))
        if own is None or carried is None:
            yield f"- {words}: {NOT_RUN}."
            continue
        effect, whole = (fmean(cell["chat"]["effects"]) for cell in (carried, own))
        met = whole > 0 and effect >= 0.8 * whole
        yield f"- {words}, at least 80% of the own vector's effect: {verdict(met)} ({effect:+.2f} of {whole:+.2f})."
        for kind in controls:
            size = typical(drawn(cells, kind, "chat"))
            told = NOT_RUN if size is None else f"{verdict(effect >= 3 * size)} ({size:.2f})"
            yield f"- {words}, three times the mean size of the effects of vectors that are {DRAWN[kind]}: {told}."
        rise = carried["chat"]["rise"]
        yield f"- {words}, perplexity of harmless responses up by 5% or less: {verdict(rise <= 0.05)} ({rise:+.1%})."


def verdict(met: bool) -> str:
    """Says if a bar is met."""
    return "met" if met else "missed"


def pair_part(folder: Path) -> Iterator[str]:
    """Yields everything about one pair of models."""
    cells = read_cells(folder)
    name = folder.name.replace(MINIMAL, ", minimal pairs")
    yield f"\n## {name.replace('_to_', ' to ').replace('_', ' ')}\n"
    if read := cells.get("read"):
        yield f"Both models read {read['sentences']} sentences and {read['asked']} harmless prompts."
    if mixed := cells.get("read-mixed"):
        yield f"The map of unlabelled prompts was fitted on {mixed['prompts']}, half of them harmful."
    yield from recognised(cells)
    yield "\n### Variance of the target's states that a map explains\n"
    yield from explained_table(cells["explained"]) if "explained" in cells else [f"{NOT_RUN.capitalize()}."]
    yield "\n### Effects at equal norm\n"
    if chosen := cells.get("chosen"):
        layer, into = chosen["source_layer"], chosen["layer"]
        of_pair = next(row for row in cells["explained"][str(layer)] if row["into"] == into)
        yield (
            f"Layer {layer} of the source into layer {into} of the target (R² {of_pair['explained']:.2f}, shuffled "
            f"{of_pair['shuffled']:.2f}, rank {of_pair['rank']}), coefficient {chosen['coefficient']:g}.\n"
        )
    yield from effect_table(cells)
    yield ""
    yield from bars(cells)
    if "effect-own" in cells:
        yield "\n### In other formats\n"
        yield from elsewhere_table(cells)
    if any(name.startswith("responses-") for name in cells):
        yield "\n### In responses\n"
        yield from response_table(cells)


def text() -> str:
    """Returns the whole page."""
    results = HERE / "results"
    folders = sorted(each for each in results.iterdir() if each.is_dir()) if results.is_dir() else []
    parts = [(HERE / "head.md").read_text(encoding="utf-8").strip()]
    parts += ["\n".join(pair_part(folder)) for folder in folders]
    parts += ["\n## What it shows\n", (HERE / "conclusions.md").read_text(encoding="utf-8").strip(), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
