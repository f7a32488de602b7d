"""Numbers that the README and the page of claims quote from runs, each with the committed result that it must equal."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

from holdfast.evaluate.statistics import wilson_interval
from holdfast.student_t import quantile_95

ROOT = Path(__file__).parents[1]
REAL_MODELS, REAL, SEEDS = "docs/results/real_models.md", "docs/real.md", "docs/results/seeds.md"
GATE, BAKEOFF, RULES = "docs/results/gate.md", "docs/results/bakeoff.md", "docs/results/refusal_judge.md"
Value = Callable[[], float]


class Quote(NamedTuple):
    """A number in a page, and where it comes from."""

    page: str
    line: str
    """A part of the line that has the number."""
    number: str
    value: Value


def cell(page: str, row: str, column: str, *, below: str = "", part: int = 0) -> Value:
    """Reads a number from the first row below a heading that begins with these cells.

    Part 0 is the rate, 1 and 2 are the ends of its interval.
    """

    def read() -> float:
        fitting = ((head, cells) for head, cells in _rows(page, below) if column in head and _begins(cells, row))
        header, found = next(fitting)
        return float(re.findall(r"[-+]?[\d,]*\.?\d+", found[header.index(column)])[part].replace(",", ""))

    return read


def text(page: str, pattern: str) -> Value:
    """Reads the number that a pattern captures in a page that a script writes."""

    def read() -> float:
        (found,) = set(re.findall(pattern, " ".join((ROOT / page).read_text(encoding="utf-8").split())))
        return float(found)

    return read


def _rows(page: str, below: str) -> Iterator[tuple[list[str], list[str]]]:
    """The rows of all tables below a heading, each with its header."""
    header: list[str] = []
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines()[_start(page, below) :]:
        cells = [part.strip() for part in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and header and not set(line) <= set("|-: "):
            yield header, cells
        header = (header or cells) if cells else []


def _start(page: str, below: str) -> int:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    return next(place for place, line in enumerate(lines) if below in line)


def _begins(cells: list[str], row: str) -> bool:
    begins = [part.strip() for part in row.split("|")]
    return cells[: len(begins)] == begins


def _real(arm: str, column: str) -> Value:
    return cell(REAL, arm, column, below="## What came out")


PUBLISHED, ALIGNED = "SmolLM2-135M-Instruct", "the same after our alignment"
OTHERS = "other harmful prompts | those prompts' own"
TUNED, SET_TABLE = "SET, top 0.1%", "## SET"
NEW, UNSAFE, OVER = "refuses harmful", "XSTest, unsafe", "over-refusal (XSTest, safe)"


def _set(weights: str, column: str) -> Value:
    rows = {"untouched": "untouched |  |", "top": "top | 0.001 | 0.001", "random": "random | 0.001 | 0.001"}
    return cell(REAL_MODELS, rows.get(weights, weights), column, below=SET_TABLE)


def _own_rates(page: str, line: str, numbers: Mapping[str, tuple[str, ...]]) -> Iterator[Quote]:
    """Refusals of harmful prompts, and then of safe ones, of each row of the table on SET."""
    for row, shown in numbers.items():
        for number, column in zip(shown, (NEW, OVER), strict=False):
            yield Quote(page, line, number, _set(row, column))


def _other_wording(page: str, line: str) -> Iterator[Quote]:
    """Refusals of harmful prompts that are worded like safe ones, with their intervals."""
    for row, numbers in (("top", ("0.15", "0.06", "0.34")), ("random", ("0.24", "0.17", "0.34"))):
        for part, number in enumerate(numbers):
            yield Quote(page, line, number, cell(REAL_MODELS, row, UNSAFE, below=SET_TABLE, part=part))


def _worded(row: str, model: str) -> Value:
    """Reads the IoU of a mask of other prompts or refusals with the first, in the mean over splits."""
    return cell(REAL_MODELS, row, model, below="## Harm or wording?")


def _shared(row: str) -> Value:
    """Returns the share of the weights, in percent, that two masks of one size with this IoU have in common."""
    iou = _worded(row, PUBLISHED)
    return lambda: 100 * 2 * iou() / (1 + iou())


def _of_wording() -> Iterator[Quote]:
    line = "With our 128 lines it is"
    yield Quote("README.md", line, "0.73", _worded(OTHERS, PUBLISHED))
    yield Quote("README.md", line, "0.32", _worded(OTHERS, ALIGNED))
    line = "other ones with their own refusals select"
    yield Quote("README.md", line, "84%", _shared(OTHERS))
    yield Quote("README.md", line, "69%", _shared("harmless prompts | the same"))


def _readme() -> Iterator[Quote]:
    on_held_out = text(RULES, r"They reach (0\.\d+) on the held-out")
    yield Quote("README.md", "The refusal rules agree with people on", "0.92", on_held_out)
    line = "| training 0.1% selected weights (SET)"
    yield Quote("README.md", line, "0.97", _set("top", NEW))
    yield Quote("README.md", line, "0.12", _set("random", NEW))
    yield from _own_rates("README.md", line, {"random | 0.001 | 0.01": ("0.96", "0.24")})
    yield Quote("README.md", line, "0.04", _set("top | 0.001 | 0.003", OVER))
    yield from _own_rates("README.md", line, {"lora | 0.001 | 0.01": ("0.97", "0.16")})
    line = "| a model with those weights trained also refuses harmful prompts"
    yield from _other_wording("README.md", line)
    line = "| SET leaves over-refusal as it was"
    yield Quote("README.md", line, "0.02", _real("published model", "refuses borderline"))
    yield Quote("README.md", line, "0.69", _real(TUNED, "refuses borderline"))

    again = "28% and 59% of harmful prompts after"
    yield Quote("README.md", again, "28%", _percent(_preserved("spa | 1.0%")))
    yield Quote("README.md", again, "59%", _percent(_in_other_task("spa | 1.0%")))
    for first, second, row in (("28%", "59%", "spa | 1.0%"), ("11%", "41%", "random | 1.0%")):
        yield Quote("README.md", "% of harmful prompts in two tasks", first, _percent(_preserved(row)))
        yield Quote("README.md", "% of harmful prompts in two tasks", second, _percent(_in_other_task(row)))
    yield Quote("README.md", "% of harmful prompts in two tasks", "99%", _percent(_preserved("mixed")))
    yield from _held("README.md", "| holding selected weights (SPA)")
    yield from _put_back("README.md", "| putting 0.1% of the weights back")
    mixed = "| mixing the refusals that aligned a model"
    yield Quote("README.md", mixed, "0.99", _preserved("mixed"))
    yield from _price_of_mixing("README.md", mixed, ("0.66", "0.79", "0.67"), ("0.85", "0.80", "0.78"))


def _in_other_task(row: str) -> Value:
    return cell(REAL_MODELS, row, "refuses harmful", below="### Another task")


def _at_own_rates(part: int) -> Value:
    """Returns what SET's selected weights add to over-refusal beside random ones, each at its own rate, over seeds."""
    folder = ROOT / "benchmarks/real/results/set"

    def refused(name: str, seed: int) -> float:
        return json.loads((folder / f"{name}_{seed}.json").read_text(encoding="utf-8"))["rates"]["borderline"]["value"]

    def read() -> float:
        less = [refused("top_0.001_0.003", seed) - refused("random_0.001_0.01", seed) for seed in range(3)]
        half = quantile_95(2) * stdev(less) / len(less) ** 0.5
        return fmean(less) + (0.0, -half, half)[part]

    return read


def _preserved(row: str) -> Value:
    return cell(REAL_MODELS, row, "refuses harmful", below="## SPA beside")


def _price_of_mixing(page: str, line: str, safe: Sequence[str], task: Sequence[str]) -> Iterator[Quote]:
    """Quotes borderline prompts refused and the task score: of the start, with refusals, with both."""
    start = cell(REAL_MODELS, "aligned", "refuses borderline", below="## restore")
    mixed = [
        cell(REAL_MODELS, row, "refuses borderline", below="## SPA beside") for row in ("mixed", "mixed_borderline")
    ]
    for number, value in zip(safe, (start, *mixed), strict=True):
        yield Quote(page, line, number, value)
    for number, row in zip(task, ("plain", "mixed", "mixed_borderline"), strict=True):
        yield Quote(page, line, number, cell(REAL_MODELS, row, "task", below="## SPA beside"))


def _restored(row: str) -> Value:
    return cell(REAL_MODELS, row, "refuses harmful", below="## restore")


def _percent(value: Value) -> Value:
    return lambda: 100 * value()


def _held(page: str, line: str) -> Iterator[Quote]:
    """Quotes what a hold of 1%, of a random 1% and nothing held leave of the refusals of a real model."""
    for row, number in (("spa | 1.0%", "0.28"), ("random | 1.0%", "0.11"), ("plain", "0.10")):
        yield Quote(page, line, number, _preserved(row))


def _put_back(page: str, line: str) -> Iterator[Quote]:
    """Quotes what weights put back restore on a real model."""
    for row, number in (("tuned", "0.11"), ("effect | 0.001", "0.80"), ("random | 0.001", "0.12")):
        yield Quote(page, line, number, _restored(row))
    for row, number in (("tuned", "0.08"), ("effect | 0.001", "0.56")):
        yield Quote(page, line, number, cell(REAL_MODELS, row, "refuses borderline", below="## restore"))


CLAIMS = "docs/established.md"
EFFECT, AT_RANDOM = ("1.00", "0.99", "1.00"), ("0.04", "-0.01", "0.09")


def _claims() -> Iterator[Quote]:
    gate = "| A condition of a gate is decided wrongly"
    yield Quote(CLAIMS, gate, "0.018", text(GATE, r"decided wrongly in at most (0\.\d+) of the draws"))
    yield Quote(CLAIMS, gate, "0.057", text(GATE, r"the more frequent one: at most (0\.\d+) of the draws"))
    yield Quote(CLAIMS, gate, "0.05", text(GATE, r"exact chance is at most (0\.\d+)\."))
    held, chosen = "| On the built-in model the objective of the scores decides", "docs/results/hold_levers.md"
    likelihood, judge = ("0.742", "0.685", "0.792"), ("0.586", "0.525", "0.645")
    for weights, numbers in (("refusal likelihood", likelihood), ("judge gradient", judge)):
        for part, number in enumerate(numbers):
            row = f"0.0015 | top 1%, {weights}"
            yield Quote(CLAIMS, held, number, cell(chosen, row, "coherent refusals", part=part))
    for weights, number in (("random 1%", "0.328"), ("none (plain)", "0.316")):
        yield Quote(CLAIMS, held, number, cell(chosen, f"0.0015 | {weights}", "coherent refusals"))
    yield from _seeds_of_claims()
    held, mixed = "| On a real model holding the top 1%", "| Refusals that aligned the model, or its own"
    yield from _held(CLAIMS, held)
    yield Quote(CLAIMS, held, "0.98", _real("aligned model", NEW))
    yield Quote(CLAIMS, mixed, "0.99", _preserved("mixed"))
    yield Quote(CLAIMS, mixed, "0.28", _preserved("spa | 1.0%"))
    yield from _price_of_mixing(CLAIMS, mixed, ("0.66", "0.79", "0.67"), ("0.85", "0.80", "0.78"))
    for row, numbers in (("spa | 1.0%", ("+0.18", "+0.09", "+0.26")), ("random | 1.0%", ("+0.01", "-0.02", "+0.03"))):
        for part, number in enumerate(numbers):
            value = cell(REAL_MODELS, row, "refusals beside plain", below="## SPA beside", part=part)
            yield Quote(CLAIMS, held, number, value)
    for part, number in enumerate(("+0.18", "+0.06", "+0.29")):
        value = cell(REAL_MODELS, "spa | 1.0%", "refusals beside plain", below="### Another task", part=part)
        yield Quote(CLAIMS, held, number, value)
    at_one_percent = "| 1% does more than random 1%"
    yield from _own_rates(CLAIMS, at_one_percent, {
        "top | 0.01 | 0.001": ("0.98", "0.05"), "random | 0.01 | 0.001": ("0.96", "0.22"),
    })  # fmt: skip
    for column, numbers in (("harmful: top minus random", ("+0.02", "-0.02", "+0.06")),
                            ("over-refusal: top minus random", ("-0.17", "-0.32", "-0.02"))):  # fmt: skip
        for part, number in enumerate(numbers):
            value = cell(REAL_MODELS, "0.01 | 0.001 | 3", column, below="Paired by prompt and seed", part=part)
            yield Quote(CLAIMS, at_one_percent, number, value)
    yield from _own_rates(CLAIMS, at_one_percent, {"snip | 0.01 | 0.001": ("0.98", "0.02")})
    yield Quote(CLAIMS, at_one_percent, "0.97", text(REAL, r"as well as selected ones \((0\.\d+) and"))
    selected = r"as selected ones \(0\.97 and (0\.\d+) of JailbreakBench"
    yield Quote(CLAIMS, at_one_percent, "0.95", text(REAL, selected))
    broken = "| Broken answers of the built-in models count"
    page, share = "docs/results/broken_answers.md", r"(0\.\d+)"
    for numbers, begins in (
        (("0.018", "0.009", "0.034"), r"of 500 count \("),
        (("0.088", "0.066", "0.116"), r"never read an answer, "),
        (("0.192", "0.160", "0.229"), r"broken in one place, "),
    ):
        patterns = (rf"{begins}{share}", rf"{begins}\S+ \[{share},", rf"{begins}\S+ \[\S+ {share}\]")
        for number, pattern in zip(numbers, patterns, strict=True):
            yield Quote(CLAIMS, broken, number, text(page, pattern))
        if numbers[0] == "0.018":
            yield Quote(CLAIMS, broken, "0.02", text(page, rf"the bar is\s+{share}"))
    noise = "| Noise on the top 1% removes safety"
    paired = "Paired by prompt and draw"
    for part, number in enumerate(("-0.14", "-0.66", "+0.38")):
        column = "harmful: top minus random"
        yield Quote(CLAIMS, noise, number, cell(REAL_MODELS, "0.01 | 0.38", column, below=paired, part=part))
    for mask, number in (("top", "57%"), ("random", "0.5%")):
        yield Quote(CLAIMS, noise, number, cell(REAL_MODELS, f"{mask} | 0.01 | 0.38", "perplexity", below="## Noise"))
    for part, number in enumerate(("-0.26", "-0.44", "-0.08")):
        column = "harmful: safety_only minus random"
        value = cell(REAL_MODELS, "0.01 | 1", column, below=paired, part=part)
        yield Quote(CLAIMS, "| The safety-only weights carry refusals", number, value)
    for mask, number in (("safety_only", "26%"), ("random", "5%")):
        value = cell(REAL_MODELS, f"{mask} | 0.01 | 1", "perplexity", below="## Noise")
        yield Quote(CLAIMS, "| The safety-only weights carry refusals", number, value)
    stable, converging = "| A mask means the same with other prompts", "docs/results/convergence.md"
    for size, number in (("8", "0.104"), ("2,048", "0.620")):
        yield Quote(CLAIMS, stable, number, cell(converging, size, "IoU of top 1%"))
    yield Quote(CLAIMS, stable, "0.0050", text(converging, r"masks of this size have an IoU of (0\.\d+)\."))
    for row, numbers in ((OTHERS, ("0.73", "0.32")), ("harmless prompts | the same", ("0.53", "0.21"))):
        for model, number in zip((PUBLISHED, ALIGNED), numbers, strict=True):
            yield Quote(CLAIMS, stable, number, _worded(row, model))
    for name, number in (("esi", "0.88"), ("gradient_magnitude", "0.88"), ("snip", "0.87"), ("magnitude", "0.08"),
                         ("wanda", "0.20")):  # fmt: skip
        value = cell(BAKEOFF, f"{name}, judge gradient, top", "predicts (rank correlation)")
        yield Quote(CLAIMS, "| ESI predicts what noise does better", number, value)
    under = "docs/results/noise.md"
    for method, numbers in (("esi", ("0.60", "0.38", "0.76")), ("gradient magnitude", ("0.61",)), ("snip", ("0.59",)),
                            ("magnitude", ("0.01",)), ("random", ("-0.09",))):  # fmt: skip
        for part, number in enumerate(numbers):
            value = cell(under, f"{method} | new", "Spearman's rho", part=part)
            yield Quote(CLAIMS, "| ESI predicts what noise does better", number, value)
    noisy = "## Does ESI predict what noise does?"
    for way, numbers in (("ESI of refusals", ("0.59", "0.49", "0.68")), ("gradient magnitude, refusals", ("0.55",)),
                         ("SNIP, refusals", ("0.50",)), ("magnitude (control)", ("0.15",)),
                         ("random (control)", ("0.16",))):  # fmt: skip
        for part, number in enumerate(numbers):
            row = f"SmolLM2-135M-Instruct, aligned | {way}"
            value = cell(REAL_MODELS, row, "other refusals", below=noisy, part=part)
            yield Quote(CLAIMS, "| ESI predicts what noise does better", number, value)
    agreed = text(REAL_MODELS, r"a rank correlation of only (0\.\d+)")
    yield Quote(CLAIMS, "| ESI predicts what noise does better", "0.33", agreed)
    where, below = "| The layers and components of the top weights", "## Where do the top weights lie?"
    for way, numbers in (("ESI of refusals (refusal_likelihood)", ("12.1", "42%", "72%")),
                         ("ESI of harmless answers (control)", ("16.1", "46%", "63%"))):  # fmt: skip
        for column, number in zip(("v_proj", "middle", "in MLPs"), numbers, strict=True):
            yield Quote(CLAIMS, where, number, cell(REAL_MODELS, way, column, below=below))
    learned = "| 0.1% selected weights learn to refuse"
    yield Quote(CLAIMS, learned, "0.97", _set("top", NEW))
    yield Quote(CLAIMS, learned, "0.12", _set("random", NEW))
    for part, number in enumerate(("+0.85", "+0.81", "+0.89")):
        column = "harmful: top minus random"
        value = cell(REAL_MODELS, "0.001 | 0.001 | 5", column, below="Paired by prompt and seed", part=part)
        yield Quote(CLAIMS, learned, number, value)
    yield from _own_rates(CLAIMS, learned, {
        "random | 0.001 | 0.01": ("0.96", "0.24"), "top | 0.001 | 0.003": ("0.96", "0.04"),
    })  # fmt: skip
    for part, number in enumerate(("-0.20", "-0.32", "-0.07")):
        yield Quote(CLAIMS, learned, number, _at_own_rates(part))
    yield from _own_rates(CLAIMS, learned, {
        "lora | 0.001 | 0.01": ("0.97", "0.16"), "snip | 0.001 | 0.001": ("0.97", "0.18"),
    })  # fmt: skip
    yield Quote(CLAIMS, learned, "0.51", text(REAL, r"they learned far less well \((0\.\d+) and"))
    yield Quote(CLAIMS, learned, "0.19", _set("random", "JailbreakBench"))
    worded = "| A model with these weights trained refuses harmful prompts"
    yield from _other_wording(CLAIMS, worded)
    yield Quote(CLAIMS, "| SET leaves over-refusal", "0.02", _real("published model", "refuses borderline"))
    yield Quote(CLAIMS, "| SET leaves over-refusal", "0.69", _real(TUNED, "refuses borderline"))
    apart = "| Harmful and harmless requests lie apart"
    found = json.loads((ROOT / "benchmarks/real/results/directions/qwen_find.json").read_text())["recognised"]
    count, n = found["direction"]["recognised"]
    ends = wilson_interval(count / n, n)
    length, pairs = found["length"]
    largest = max(abs(one["separation"]) for one in found["random"])
    shares = [apart / drawn for apart, drawn in (one["recognised"] for one in found["random"])]
    most = max(max(share, 1 - share) for share in shares)
    for number, value in (
        ("1.00", count / n), ("0.93", ends[0]), ("1.00", ends[1]), ("4.85", found["direction"]["separation"]),
        ("2.31", largest), ("0.98", most), ("0.68", length / pairs),
    ):  # fmt: skip
        yield Quote(CLAIMS, apart, number, lambda value=value: value)
    back, restored = "| Few weights, chosen by their effect", "docs/results/restore.md"
    for row, numbers in (("0.3% | effect", EFFECT), ("1.0% | random", AT_RANDOM)):
        for part, number in enumerate(numbers):
            value = cell(restored, row, "lost safety that is back", below="## What comes back", part=part)
            yield Quote(CLAIMS, back, number, value)
    yield from _put_back(CLAIMS, back)
    rules = "| The refusal rules agree with people"
    yield Quote(CLAIMS, rules, "0.92", text(RULES, r"They reach (0\.\d+) on the held-out"))
    yield Quote(CLAIMS, rules, "0.62", text(RULES, r"and (0\.\d+) for jailbreak templates"))
    judged = text("benchmarks/real/coherence.py", r"The rules judged it once: (0\.\d+) \[")
    yield Quote(CLAIMS, "| Coherence is measured right", "0.87", judged)


def _seeds_of_claims() -> Iterator[Quote]:
    """Quotes figures of every seed, by the line of the claim: stage, weights, column, figure of each seed."""
    held, kept, taught = (
        "| Holding the top 1% keeps refusals", "| On the present built-in model holding the top 1%",
        "| On the present built-in model SET of the top 1%",
    )  # fmt: skip
    refusals = "coherent refusals"
    for rate, numbers in (("0.00105", ("0.059", "0.021", "0.098")), ("0.0015", ("0.182", "-0.008", "0.372"))):
        for part, number in enumerate(numbers):
            value = cell(SEEDS, rate, "refusals, top minus random", below="## SPA over its learning rates", part=part)
            yield Quote(CLAIMS, kept, number, value)
    for line, stage, weights, column, numbers in (
        (held, "SPA", "top", refusals, ("0.660", "0.504", "0.008", "0.535", "0.809")),
        (held, "SPA", "start", refusals, ("1.000",) * 5),
        (held, "SPA", "top", "attack success, coherent", ("0.184", "0.000", "0.270", "0.289", "0.043")),
        (held, "SPA", "plain", "attack success, coherent", ("0.469", "0.000", "0.270", "0.395", "0.074")),
        (kept, "SPA", "top", refusals, ("0.660", "0.504", "0.008", "0.535", "0.809")),
        (kept, "SPA", "random", refusals, ("0.254", "0.277", "0.000", "0.344", "0.730")),
        (kept, "SPA", "plain", refusals, ("0.211", "0.262", "0.000", "0.324", "0.727")),
        (kept, "SPA", "top", "task", ("0.852", "0.867", "0.883", "0.836", "0.629")),
        (kept, "SPA", "random", "task", ("0.859", "0.848", "0.867", "0.840", "0.625")),
        (kept, "SPA", "plain", "task", ("0.836", "0.840", "0.852", "0.836", "0.617")),
        (taught, "SET", "top", refusals, ("1.000",) * 5),
        (taught, "SET", "random", refusals, ("0.000", "0.000", "0.000", "0.000", "0.027")),
        (taught, "SET", "top", "borderline", ("0.055", "0.023", "0.035", "0.035", "0.027")),
        (taught, "SET", "start", "borderline", ("0.004", "0.000", "0.000", "0.000", "0.000")),
    ):
        for seed, number in enumerate(numbers):
            yield Quote(CLAIMS, line, number, _seed(stage, weights, seed, column))


def _seed(stage: str, weights: str, seed: int, column: str = "coherent refusals") -> Value:
    rate = "" if weights == "start" else {"SPA": "0.0015", "SET": "0.001"}[stage]
    return cell(SEEDS, f"{rate} | {weights} | {seed}", column, below=f"## {stage}, verbs that alignment never saw")


def _steering_of_claims() -> Iterator[Quote]:
    """Quotes refusals along a direction, from pairs that differ in few words and from AdvBench."""
    folder = ROOT / "reproductions/value_concepts/results/refusal/Qwen2.5-Coder-0.5B-Instruct_minimal_pairs"
    cells = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    most = max(one["refusal"]["value"] for name, one in cells.items() if name.startswith("random"))
    before, along = (
        [cells[name][kind]["value"] for kind in ("refusal", "borderline")] for name in ("untouched", "steered")
    )
    found = json.loads((ROOT / "benchmarks/real/results/directions/qwen_steer.json").read_text())["evaluations"]
    drawn = [one["refusal"]["value"] for name, one in found.items() if name.startswith("random")]
    (refused, safe), (refused_along, safe_along) = (
        [found[name][kind]["value"] for kind in ("refusal", "borderline")] for name in ("untouched", "steered_0.15")
    )
    for number, value in (
        ("0.42", before[0]), ("0.90", along[0]), ("0.60", most), ("0.46", refused), ("0.58", refused_along),
        ("0.40", min(drawn)), ("0.56", max(drawn)), ("0.40", before[1]), ("0.97", along[1]), ("0.46", safe),
        ("0.60", safe_along),
    ):  # fmt: skip
        yield Quote(CLAIMS, "| Moving the states along it", number, lambda value=value: value)


def _transplants_of_claims() -> Iterator[Quote]:
    """Quotes the effects of carried directions, and refusals of safe prompts along them."""
    line, page = "| A direction found in a small model steers", "docs/results/transplant.md"
    within, across = "## Qwen2.5-Coder-0.5B to 1.5B", "## SmolLM2-135M to Qwen2.5-Coder-0.5B, minimal pairs"
    own, mixed = "the target's own", "carried, by a map of harmful and harmless prompts, unlabelled"
    labels = "carried by a map of unlabelled prompts, from shuffled labels, 10 draws"
    for below, row, number, part in (
        (within, mixed, "+4.05", 0), (within, own, "+4.49", 0), (within, "random, 20 draws", "+0.96", 1),
        (within, "carried, by a map of sentences", "-0.28", 0), (across, mixed, "+1.05", 0), (across, own, "+1.72", 0),
        (across, "random, 20 draws", "+0.64", 1), (within, labels, "-5.95", 0), (within, labels, "+3.14", 1),
    ):  # fmt: skip
        yield Quote(CLAIMS, line, number, cell(page, row, "effect, nats", below=below, part=part))
    for row, number in (("nothing", "0.15"), (own, "0.55")):
        yield Quote(CLAIMS, line, number, cell(page, row, "refusals of safe prompts", below=within))


def _languages_of_claims() -> Iterator[Quote]:
    """Quotes the effect of the English vector in other languages, and what it costs true statements."""
    share, cost = "share of the own", "perplexity"
    for number, row, column in (("79%", "de", share), ("159%", "es", share), ("36%", "zh", cost), ("16%", "de", cost)):
        value = cell("docs/results/value_concepts.md", row, column, below="## Steering one language")
        yield Quote(CLAIMS, "| The vector of one language", number, value)


def _neurons_of_claims() -> Iterator[Quote]:
    """Quotes SET of neurons, on the built-in models and on SmolLM2."""
    line, built_in = "| SET of selected neurons", "docs/results/set_units.md"
    for row in ("neurons: gradient times activation", "neurons: random"):
        yield Quote(CLAIMS, line, "1.000", cell(built_in, row, "coherent refusals"))
    for row, refused, safe in (("neurons", "0.93", "0.67"), ("random_neurons", "0.47", "0.50")):
        for column, number in (("refuses harmful", refused), ("over-refusal (XSTest, safe)", safe)):
            yield Quote(CLAIMS, line, number, cell(REAL_MODELS, f"{row} | 0.001 | 0.001", column, below="## SET"))
    for row, number in (("neurons", "0.79"), ("random_neurons", "0.41")):
        rates = json.loads((ROOT / f"benchmarks/real/results/set/{row}_0.001_0.001_0.json").read_text())["rates"]
        yield Quote(CLAIMS, line, number, lambda rates=rates: rates["coherent_refusal/harmful"]["value"])


def _average_of_claims() -> Iterator[Quote]:
    """Quotes the means of rows with a moving average."""
    line, page = "| A hold beside a moving average", "docs/results/preservation.md"
    rows = {"spa+ema": "0.707", "ema": "0.593", "spa+ema random": "0.606", "plain": "0.305"}
    for row, number in rows.items():
        yield Quote(CLAIMS, line, number, cell(page, f"`{row}`", "coherent refusals"))
    for row, number in zip(rows, ("0.929", "0.925", "0.920", "0.796"), strict=True):
        yield Quote(CLAIMS, line, number, cell(page, f"`{row}`", "task"))
    differences = {"`ema`": ("0.114", "0.021", "0.207"), "`spa+ema random`": ("0.101", "0.023", "0.179")}
    for other, numbers in differences.items():
        for part, number in enumerate(numbers):
            row = f"`spa+ema` minus {other}"
            value = cell(page, row, "coherent refusals", below="## Rows against each other", part=part)
            yield Quote(CLAIMS, line, number, value)


QUOTES = (
    *_readme(), *_of_wording(), *_claims(), *_average_of_claims(), *_steering_of_claims(), *_transplants_of_claims(),
    *_languages_of_claims(), *_neurons_of_claims(),
)  # fmt: skip
SHARES = r"(?<![\d.])(0\.1|0\.3|1)%"
"""Shares of the weights that a mask selects."""
SETTINGS = {
    "README.md": (
        SHARES, r"in 80% of( cases)?", r"a rise of about 0\.5", r"1\.5 billion",
        r"most 5%( of cases)?", r"95% intervals", r"one of 10%", r"Under LoRA hold 10%",
        r"\b\d{4}\.\d{5}\b", r"Python 3\.11 to 3\.13", r"Version 0\.1\.0", r"Apache-2\.0",
        r"(before|after) [-+] 0\.0[25]", r"--fraction 0\.01", r"safety.share[ =]0\.175", r"17\.5% of the examples",
        r"`--safety-share` is the share[^.]*\.", r"0\.175", r"because 0\.1 · ",
        r"it is 0\.2, and with", r"alone 0\.1\b",
        r"refusal < 0\.5", r"before \+ 0\.2\b", r"loss of more than 0\.2",
    ),
    CLAIMS: (
        SHARES, r"at most 5% of runs", r"more than 5% wrong", r"Coder-0\.5B into 1\.5B", r"and 5% held",
        r"coefficient 0\.15", r"Coder-1\.5B", r"1\.5 billion", r"arXiv \d{4}\.\d{5}", r"Qwen2\.5-Coder-0\.5B",
    ),
}  # fmt: skip
"""Numbers of a page that are settings, versions and addresses, and come from no run."""
