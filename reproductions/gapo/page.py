"""Writes docs/results/gapo.md from the committed results.

python -m reproductions.gapo.page
"""

from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from holdfast.artifacts import load_json, save_text
from holdfast.student_t import quantile_95

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results" / "gapo.md"


def with_interval(values: Sequence[float]) -> str:
    """The mean over seeds, with its interval by Student's t."""
    mean, half = fmean(values), quantile_95(len(values) - 1) * stdev(values) / sqrt(len(values))
    return f"{mean:.2f} [{mean - half:.2f}, {mean + half:.2f}]"


def table(ways: dict[str, list[list[float]]]) -> Iterator[str]:
    """A row for each way of combining: both rewards, and the worse of both in each seed."""
    yield "| update | larger reward | smaller reward | worse of both |"
    yield "|---|---:|---:|---:|"
    for name, seeds in ways.items():
        columns = [[seed[0] for seed in seeds], [seed[1] for seed in seeds], [min(seed) for seed in seeds]]
        yield f"| {name} | {' | '.join(map(with_interval, columns))} |"


def page() -> str:
    """Writes the results as Markdown."""
    found = load_json(HERE / "results" / "bandit.json")["gains"]
    parts = [(HERE / "head.md").read_text(encoding="utf-8").rstrip()]
    for steps, ways in found.items():
        parts.append("\n".join([f"## After {steps} steps", "", *table(ways)]))
    parts.append((HERE / "conclusions.md").read_text(encoding="utf-8").rstrip())
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    save_text(PAGE, page())
