r"""Where does a real model's safety lie, and do objectives and formulas agree about it?

Each way of scoring selects its top 1%. Counted: how much of it lies in every layer and in every component, beside
their share of all scored weights; how far the selections of two halves of the prompts agree; how far every two ways
agree. Magnitude and random scores are the controls, and ESI by the likelihood of harmless answers (`--help-with`): what
it shares with the others is no matter of safety. Objectives that sample responses are scored on the harmful prompts
alone, the others on the same prompts with the model's own refusal sentence.

    PYTHONPATH=src:. python benchmarks/real/where.py MODEL OUT --refuse advbench.csv [--help-with FILE] [--judge FOLDER]
"""

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.real.cells import parser_of, scored, short_exchanges, tell

from holdfast.artifacts import load_mask, load_scores, save_json, save_mask
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.models.sites import Site, scored_sites
from holdfast.pipeline.options import ScoringOptions
from holdfast.pipeline.scoring import score_safety
from holdfast.pipeline.scoring_files import files_of, halves_stability
from holdfast.prompts.sources import load_prompts
from holdfast.records import Exchange
from holdfast.select.algebra import random_iou
from holdfast.select.jackknife import iou_interval
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Mask

SHARE, NEW_TOKENS = 0.01, 16
LIKELIHOOD = "refusal_likelihood"
FORMULAS = {LIKELIHOOD: "esi", "snip": "snip", "gradient_magnitude": "gradient_magnitude", "wanda": "wanda",
            "magnitude": "magnitude", "random": "random"}  # fmt: skip
HARMLESS = "harmless_likelihood"
SAMPLED = ("policy_gradient",)
JUDGED = ("judge_gradient", "control_variate")


def by_formula(options: argparse.Namespace, name: str, path: Path) -> None:
    """Scores the likelihood of the refusal sentence by one formula."""
    asked = load_prompts(options.refuse, "harmful")[: options.prompts]
    exchanges = [Exchange(one.prompt, options.sentence) for one in asked]
    scored(options.model, exchanges, path, ScoringOptions(objective=LIKELIHOOD, method=FORMULAS[name]))


def by_harmless(options: argparse.Namespace, _name: str, path: Path) -> None:
    """Scores the likelihood of answers to harmless requests by ESI."""
    exchanges = short_exchanges(options.help_with)[: options.prompts]
    scored(options.model, exchanges, path, ScoringOptions(objective="utility"))


def by_judge(options: argparse.Namespace, name: str, path: Path) -> None:
    """Scores the verdicts on the model's own responses: of the refusal rules, or of a judge with a gradient."""
    prompts = path.with_suffix(".prompts.jsonl")
    rows = [{"prompt": one.prompt} for one in load_prompts(options.refuse, "harmful")[: options.prompts]]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    score_safety(
        str(options.model),
        REFUSAL_RULES if name in SAMPLED else str(options.judge),
        str(prompts),
        path,
        options=ScoringOptions(objective=name),
        generation=GenerateOptions(max_new_tokens=NEW_TOKENS, temperature=1.0 if name in SAMPLED else 0.0),
        progress=tell,
    )


WAYS: Mapping[str, Callable[[argparse.Namespace, str, Path], None]] = {
    **dict.fromkeys(FORMULAS, by_formula),
    **dict.fromkeys((*SAMPLED, *JUDGED), by_judge),
    HARMLESS: by_harmless,
}


def shares(mask: Mask, sites: Mapping[str, Site], part: Callable[[Site], object]) -> dict[str, list[int]]:
    """Selected and scored weights of every layer or component."""
    selected, scored_weights = Counter(), Counter()
    for name, site in sites.items():
        selected[str(part(site))] += len(mask.indices.get(name, ()))
        scored_weights[str(part(site))] += site.num_entries
    return {name: [selected[name], scored_weights[name]] for name in scored_weights}


def locate(options: argparse.Namespace, sites: Mapping[str, Site], name: str) -> None:
    """Writes the mask and the counts of one way of scoring; its scores, which are large, are removed."""
    result = options.out / f"{name}.json"
    if result.is_file():
        return
    scores, began = options.out / f"{name}.safetensors", time.process_time()
    WAYS[name](options, name, scores)
    seconds = time.process_time() - began
    mask = select_top(load_scores(scores), TopOptions(fraction=SHARE))
    save_mask(options.out / f"{name}.mask.safetensors", mask)
    found = {
        "name": name,
        "prompts": options.prompts,
        "processor_seconds": round(seconds),
        "halves": asdict(halves_stability(scores)),
        "layers": shares(mask, sites, lambda site: site.layer),
        "components": shares(mask, sites, lambda site: site.component),
    }
    save_json(result, found)
    for path in files_of(scores):
        path.unlink()


def overlaps(out: Path, names: list[str]) -> list[dict]:
    """IoU of every two selections, with its interval over parameters, and that of random ones."""
    masks = {name: load_mask(out / f"{name}.mask.safetensors") for name in names}
    rows = []
    for first, second in itertools.combinations(names, 2):
        pair = masks[first], masks[second]
        low, high = iou_interval(*pair)
        rows.append({"pair": [first, second], "iou": pair[0].iou(pair[1]), "low": low, "high": high,
                     "random": random_iou(*pair)})  # fmt: skip
    return rows


def main() -> None:
    """Scores in every way that has no file yet, then compares them all."""
    parser = parser_of(__doc__)
    parser.add_argument("--judge", type=Path, help="a judge with a gradient (refusal_guard.py)")
    parser.add_argument("--help-with", help="harmless exchanges, for the control")
    parser.add_argument("--prompts", type=int, default=64)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    names = [*FORMULAS, *SAMPLED, *(JUDGED if options.judge else ()), *([HARMLESS] if options.help_with else ())]
    sites = {site.name: site for site in scored_sites(load_model(options.model).model)}
    for name in names:
        locate(options, sites, name)
    save_json(options.out / "overlaps.json", {"pairs": overlaps(options.out, names)})


if __name__ == "__main__":
    main()
