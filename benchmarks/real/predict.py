r"""Does ESI predict what noise does? A layer x component gets noise, and the likelihood of refusals moves.

S is the mean log-likelihood of refusals (`refusal_likelihood`). One set of exchanges makes the scores. The change of S
is measured on the same ones and on others, which is the harder question. The prediction for a group is the root of its
summed squared scores (`pipeline/faithfulness.py`), for ESI, SNIP, gradient magnitude, and, as controls, magnitude and
random scores. Told: Spearman's rho over the groups with its interval.

    PYTHONPATH=src:. python benchmarks/real/predict.py MODEL OUT --refuse advbench.csv [--draws 2] [--ratio 0.38]
"""

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import torch
from benchmarks.real.cells import parser_of, run_missing, scored, tell

from holdfast.artifacts import load_json, load_scores, save_json
from holdfast.evaluate.perplexity import token_losses
from holdfast.intervene.edit.perturb import perturbed
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.sites import scored_sites
from holdfast.pipeline.faithfulness import predict_impact
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_prompts
from holdfast.ranks import rank_correlation, spearman_interval
from holdfast.records import Exchange
from holdfast.values import Mask, entries_in

METHODS = ("esi", "snip", "gradient_magnitude", "magnitude", "random")
SETS = ("seen", "new")
"""The exchanges that made the scores, and others."""


@dataclass(frozen=True)
class Group:
    """All weights of a component in a layer, with the noise that they get."""

    layer: int
    component: str
    ratio: float

    @property
    def stem(self) -> str:
        """The name of its file."""
        return f"{self.ratio:g}_{self.layer:02}_{self.component}"


def masks_of(loaded: LoadedModel, ratio: float) -> dict[Group, Mask]:
    """Every layer x component with a mask of all its weights."""
    sites = scored_sites(loaded.model)
    shapes = {site.name: site.shape for site in sites}
    total = sum(weight.numel() for weight in loaded.model.parameters())
    names: dict[Group, list[str]] = defaultdict(list)
    for site in sites:
        names[Group(site.layer if site.layer is not None else -1, site.component, ratio)].append(site.name)
    return {
        group: Mask({name: torch.arange(entries_in(shapes[name])) for name in members}, shapes, loaded.base, total)
        for group, members in names.items()
    }


def likelihood(loaded: LoadedModel, exchanges: Sequence[Exchange]) -> float:
    """S: the mean log-likelihood of the refusals in nats a token, each response counting once."""
    return -fmean(one.loss / one.tokens for one in token_losses(loaded.model, loaded.tokenizer, exchanges))


def measure(loaded: LoadedModel, sets: Mapping[str, list[Exchange]], start: Mapping[str, float], mask: Mask,
            group: Group, draws: int) -> dict:  # fmt: skip
    """The change of S on both sets in every draw of noise."""
    changes: dict[str, list[float]] = {name: [] for name in sets}
    for draw in range(draws):
        with perturbed(loaded.model, mask, group.ratio, torch.Generator().manual_seed(draw), check_base=False):
            for name, exchanges in sets.items():
                changes[name].append(likelihood(loaded, exchanges) - start[name])
    return {**asdict(group), "changes": changes}


def compared(
    measured: Mapping[Group, dict], predicted: Mapping[str, Mapping[Group, float]], groups: list[Group]
) -> list[dict]:
    """Spearman's rho of predicted and measured change, for every method and set."""
    rows = []
    for name in SETS:
        size = [math.sqrt(fmean(change**2 for change in measured[group]["changes"][name])) for group in groups]
        for method, by_group in predicted.items():
            rho = rank_correlation(torch.tensor([by_group[group] for group in groups]), torch.tensor(size))
            interval = None if rho is None else spearman_interval(rho, len(groups))
            rows.append({"method": method, "exchanges": name, "rho": rho, "interval": interval, "groups": len(groups)})
    return rows


def draws_agree(measured: Iterable[Mapping]) -> float | None:
    """Spearman's rho of the first two draws over the groups, on the exchanges that made no scores."""
    changes = torch.tensor([one["changes"]["new"][:2] for one in measured]).abs()
    return rank_correlation(changes[:, 0], changes[:, 1])


def main() -> None:
    """Scores, measures every group that has no file yet, and compares."""
    parser = parser_of(__doc__)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--ratio", type=float, default=0.38)
    parser.add_argument("--exchanges", type=int, default=32, help="exchanges in each of the two sets")
    run(parser.parse_args())


def run(options: argparse.Namespace) -> None:
    """Runs the experiment with these options."""
    asked = load_prompts(options.refuse, "harmful")[: 2 * options.exchanges]
    exchanges = [Exchange(one.prompt, options.sentence) for one in asked]
    sets = {"seen": exchanges[: options.exchanges], "new": exchanges[options.exchanges :]}
    compare(options.model, sets, options.out, draws=options.draws, ratio=options.ratio)


def compare(model: Path | str, sets: Mapping[str, list[Exchange]], out: Path, *, draws: int, ratio: float) -> dict:
    """Measures every group that has no file yet, and compares with what the scores of the first set predict."""
    out.mkdir(parents=True, exist_ok=True)
    loaded = load_model(model)
    masks = masks_of(loaded, ratio)
    groups = list(masks)
    predicted = {method: predictions(method, model, sets["seen"], out, masks) for method in METHODS}
    start = {name: likelihood(loaded, exchanges) for name, exchanges in sets.items()}
    done = iter(range(1, len(groups) + 1))

    def one(group: Group) -> dict:
        tell("groups", next(done), len(groups))
        return measure(loaded, sets, start, masks[group], group, draws)

    run_missing(out, groups, one)
    measured = {group: load_json(out / "cells" / f"{group.stem}.json", "") for group in groups}
    result = {"draws": draws, "ratio": ratio, "exchanges": len(sets["seen"]), "start": start}
    result |= {"draws_agree": draws_agree(measured.values()) if draws > 1 else None}
    result |= {"rows": compared(measured, predicted, groups)}
    result |= {"groups": [
        {**measured[group], "predicted": {method: by_group[group] for method, by_group in predicted.items()}}
        for group in groups
    ]}  # fmt: skip
    save_json(out / "predict.json", result)
    return result


def predictions(
    method: str, model: Path | str, exchanges: Sequence[Exchange], out: Path, masks: Mapping[Group, Mask]
) -> dict[Group, float]:
    """What a method's scores predict for every group. They are made where there is no file yet."""
    path = out / f"{method}.predicted.json"
    if not path.is_file():
        scoring = ScoringOptions(objective="refusal_likelihood", method=method)
        file = scored(model, exchanges, out / f"{method}.safetensors", scoring)
        save_json(path, {"predicted": predict_impact(load_scores(file), list(masks.values()))})
        for left in out.glob(f"{method}*.safetensors"):
            left.unlink()
    return dict(zip(masks, load_json(path, "")["predicted"], strict=True))


if __name__ == "__main__":
    main()
