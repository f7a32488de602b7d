"""Writes docs/results/value_concepts.md from the committed results.

python -m reproductions.value_concepts.page
"""

import json
from collections.abc import Iterator
from pathlib import Path

from reproductions.value_concepts.steering_page import steering_parts

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results" / "value_concepts.md"
HEAD = """# Concepts of values in five languages

`reproductions/value_concepts/page.py` makes this page from the JSON files of `run.py`, which uses the method of
[directions](../methods/directions.md). The question is that of Xu et al. 2024 (arXiv 2402.18120): do a model's
languages share the direction of a concept, and does it transfer from well-known to little-known languages?

- **Texts.** 60 pairs of our own for each concept, in English, Chinese, Spanish, French and German, translations of each
  other. We wrote and read them, and no native speaker of all five has checked them. The two sides of a pair differ in
  few words. `harmfulness` are requests, read in the chat template. The others are statements.
- **Told apart.** The vector of the language in the row, made from 30 pairs that also choose its layer, on the other 30
  pairs of the language in the column. All languages share the halves. 0.5 is chance, and a share of 30 pairs has an
  interval of up to 0.18 to each side. The last column is the mean of vectors from shuffled labels.
- **Cosine** of two languages' vectors in one layer, beside the 95th percentile of 200 pairs of shuffled vectors.
"""
READ = """
## What it shows

{sentences}
"""


def main() -> None:
    """Writes the page."""
    parts = [HEAD]
    for path in sorted((HERE / "results").glob("*.json")):
        result = json.loads(path.read_text())
        parts.append(f"\n## {result['model']}\n")
        for concept, found in result["concepts"].items():
            parts.append("\n".join([f"\n### {concept}\n", *told_apart(found), "", *cosines(found)]))
    parts += steering_parts()
    parts.append(READ.format(sentences=(HERE / "conclusions.md").read_text().strip()))
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def told_apart(found: dict) -> Iterator[str]:
    """The matrix of shares, with intervals on the diagonal."""
    languages = list(found["shuffled"])
    yield f"| vector of | layer | {' | '.join(languages)} | shuffled |"
    yield f"|---|---:|{'---:|' * (len(languages) + 1)}"
    for one in languages:
        cells = [share(found["told_apart"][f"{one} to {other}"], one == other) for other in languages]
        layer = found["told_apart"][f"{one} to {one}"]["layer"]
        yield f"| {one} | {layer} | {' | '.join(cells)} | {found['shuffled'][one]:.2f} |"


def share(cell: dict, with_interval: bool) -> str:
    """A share, with its interval if asked for."""
    ends = f" [{cell['low']:.2f}, {cell['high']:.2f}]" if with_interval else ""
    return f"{cell['value']:.2f}{ends}"


def cosines(found: dict) -> Iterator[str]:
    """The cosines of all pairs of languages."""
    pairs = found["cosines"]
    yield f"| layer {found['layer']} | {' | '.join(pair.replace(', ', '-') for pair in pairs)} |"
    yield f"|---|{'---:|' * len(pairs)}"
    for name, key in (("cosine", "cosine"), ("shuffled, 95% below", "shuffled_95")):
        yield f"| {name} | {' | '.join(format(cell[key], '.2f') for cell in pairs.values())} |"


if __name__ == "__main__":
    main()
