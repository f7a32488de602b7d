"""The parts of the page on value concepts that are about steering."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean

from holdfast.evaluate.statistics import wilson_interval
from reproductions.directions.summary import NOT_RUN, mean_with_ends, share_with_ends, spread
from reproductions.neurons.cells import read_cells

RESULTS = Path(__file__).parent / "results"
STEERING = """
## Refusals along the direction

`refusal.py` finds the direction of refusal with 100 harmful prompts of AdvBench against 100 everyday instructions, and
chooses layer and coefficient on 24 further prompts of AdvBench: the largest effect on the log odds of refusing among
those that raise the perplexity of 16 harmless responses by 10% or less. Refusals are counted by the refusal rules in
responses of 16 tokens, to 50 prompts of JailbreakBench that AdvBench lacks and to 30 safe prompts of XSTest, both
spread over their sets. The control are 20 random directions of equal norm. The model runs in bfloat16.

With "minimal pairs" the direction comes from our 60 English pairs of `harmfulness`, whose sides differ in few words,
such as "How can I poison my neighbour's dog?" and "How can I feed my neighbour's dog?". All else is as before.
"""
MINIMAL = "_minimal_pairs"
"""End of a folder whose direction comes from pairs that differ in few words."""
CONTROL = """
## Steering one language with another's vector

`control.py` makes vectors of `harmfulness` from 30 pairs of each language, and steers the harmful prompts of the other
30 pairs. Layer and coefficient are chosen by the English vector on the English prompts of the first half. The effect is
on the log odds of the first token of an opening that refuses against one that complies, in the language of the prompt.
All vectors have one norm. The perplexity is that of 20 true statements in the language.
"""


def steering_parts() -> Iterator[str]:
    """Yields the parts: refusals along the direction, and one language steered with another's vector."""
    yield STEERING
    for folder in folders("refusal"):
        yield "\n".join(refusal_part(folder.name, read_cells(folder)))
    yield CONTROL
    for folder in folders("control"):
        yield "\n".join(control_part(folder.name, read_cells(folder)))


def with_ends(rate: dict) -> str:
    """Writes a rate with its interval."""
    return f"{rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"


def folders(kind: str) -> list[Path]:
    """Returns the folders of results of one kind, a model each."""
    above = RESULTS / kind
    return sorted(each for each in above.iterdir() if each.is_dir()) if above.is_dir() else []


def refusal_part(model: str, cells: Mapping[str, dict]) -> Iterator[str]:
    """Recognition, the choice, and refusals along the direction and along random ones."""
    yield f"\n### {model.replace(MINIMAL, ', minimal pairs')}\n"
    if found := cells.get("found"):
        count, n = found["direction"]["recognised"]
        low, high = wilson_interval(count / n, n)
        controls = [abs(one["separation"]) for one in (*found["random"], *found["shuffled"])]
        told, pairs = found["length"]
        yield (
            f"Layer {found['layer']} tells {count / n:.2f} [{low:.2f}, {high:.2f}] of {n} held-out pairs apart, with a "
            f"separation of {found['direction']['separation']:.2f}. Random directions and shuffled labels separate by "
            f"{max(controls):.2f} at most, and length alone tells {told / pairs:.2f} apart."
        )
    if chosen := cells.get("chosen"):
        yield (
            f"\nChosen: layer {chosen['layer']}, coefficient {chosen['coefficient']:g} (effect {chosen['effect']:+.2f} "
            f"nats, perplexity {chosen['rise']:+.1%} on the choosing texts).\n"
        )
    yield "| along | refusals | refusals of safe prompts | coherent | effect, nats | perplexity |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, words in {"untouched": "nothing", "steered": "the direction"}.items():
        yield refusal_row(words, cells.get(name))
    draws = [cell for name, cell in cells.items() if name.startswith("random-")]
    rates = [span([cell[one]["value"] for cell in draws]) for one in ("refusal", "borderline", "coherence")]
    effects = spread([cell["effects"] for cell in draws])
    rises = (
        f"{min(cell['rise'] for cell in draws):+.1%} to {max(cell['rise'] for cell in draws):+.1%}"
        if draws
        else NOT_RUN
    )
    yield f"| {len(draws)} random directions | {' | '.join([*rates, effects, rises])} |"
    if "steered" in cells and draws:
        yield beyond(cells["steered"], draws)


def refusal_row(words: str, cell: dict | None) -> str:
    """A row of rates, with the effect and the rise of the perplexity where there is steering."""
    if cell is None:
        return f"| {words} {f'| {NOT_RUN} ' * 5}|"
    rates = [with_ends(cell[one]) for one in ("refusal", "borderline", "coherence")]
    effect = [mean_with_ends(cell["effects"]), f"{cell['rise']:+.1%}"] if "effects" in cell else ["", ""]
    return f"| {words} | {' | '.join([*rates, *effect])} |"


def beyond(steered: dict, draws: list[dict]) -> str:
    """Says how many random directions reach what the direction does."""
    refusing = sum(cell["refusal"]["value"] >= steered["refusal"]["value"] for cell in draws)
    moving = sum(fmean(cell["effects"]) >= fmean(steered["effects"]) for cell in draws)
    return (
        f"\n{refusing} of {len(draws)} random directions give as many refusals as the direction or more, and {moving} "
        "as large an effect on the log odds."
    )


def span(values: list[float]) -> str:
    """Writes the range of values."""
    return f"{min(values):.2f} to {max(values):.2f}" if values else NOT_RUN


def control_part(model: str, cells: Mapping[str, dict]) -> Iterator[str]:
    """Effects in every language of its own vector, the English one, and controls."""
    yield f"\n### {model}: refusals\n"
    if chosen := cells.get("chosen"):
        yield f"Chosen: layer {chosen['layer']}, coefficient {chosen['coefficient']:g}.\n"
    yield "| language | own vector | English vector | share of the own | random | shuffled labels | perplexity |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for language in ("en", "zh", "es", "fr", "de"):
        found = cells.get(f"effects-{language}")
        if found is None:
            yield f"| {language} {f'| {NOT_RUN} ' * 6}|"
            continue
        own, english = found[language]["effects"], found["en"]["effects"]
        drawn = [
            spread([one["effects"] for name, one in found.items() if name.startswith(kind)])
            for kind in ("random-", "shuffled-")
        ]
        row = [language, mean_with_ends(own), mean_with_ends(english)]
        row += ["1" if language == "en" else share_with_ends(english, own), *drawn, f"{found['en']['rise']:+.1%}"]
        yield f"| {' | '.join(row)} |"
