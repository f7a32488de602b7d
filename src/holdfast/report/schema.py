"""Turns values into the pieces of report.json, schema 1: plain JSON, in a fixed order, finite numbers only.

    RATE   {"value", "low", "high", "n", "unscored"}
    SUITE  {"asr": RATE, "refusal": RATE|null, "over_refusal": RATE, "borderline": RATE|null, "utility": RATE,
            "perplexity", "perplexity_rate": RATE|null, "task": RATE|null, "groups": {"asr/heldout": RATE},
            "paired": {"asr": PAIRED}, "against": {ARM: {"asr": PAIRED}}, "not_refused": RATE,
            "perplexity_ratio": RATIO|null, "length_change": {"response_length/harmless": CHANGE}}
            `not_refused` is there if no judge of harm was used. `paired` compares with the start of the section,
            `against` with plain fine-tuning and with random entries. `perplexity_ratio` and `length_change` come
            with `paired`. The first is null if the evaluations keep no loss on each exchange, the second empty if they
            keep no lengths.
    PAIRED {"n", "only_before", "only_after", "difference", "p_value"}
    RATIO  {"value", "low", "high", "n", "p_value"}    perplexity divided by the start's, same exchanges
    CHANGE {"value", "low", "high", "n", "p_value"}    mean length minus the start's, same prompts
    locate {"by_component": [...], "distribution": {"bin_edges", "counts", "zeros", "cut"}, ...,
            "by_expert": [{"layer", "entries", "selected": [one an expert]}]}          entries of one expert
    verify {"noise_ratio": [...], "draws", "baseline": RATE, "top": [RATE...], "random", "bottom", "safety_only",
            "utility": {"baseline": RATE, "top": [RATE...], ...}}         safety, utility at every noise ratio
            "coherence": like "utility", of harmful prompts. Left out if a draw of an earlier version has none.
    enhance {..., "mask", "patch": {"file", "bytes", "entries", "bytes_per_entry"}}    files by place in the folder
    examples [{"stage", "measure", "group", "prompt", "before", "after", "before_verdict", "after_verdict"}]
    missing ["enhance top", ...]           pieces of the run that are missing, left out if none are
    goes_on "holdfast run ..."              the command that makes them, left out with `missing`
    folder  "run"                           the folder of the run: relative, or the last part of an absolute path. Left
                                           out in reports of earlier versions
    judges {"lines": [...], "header": [...], "rows": [[...]]}     cards of the judges and corrected rates, left out
                                           without a card
    safety  "not_refused"                  the measure of safety, left out if it is attack success

Sections hold SUITEs. enhance: before, after, safety_only, controls {random, bottom, full, refusals_alone}. adapt:
start, plain, protected, random_protected, safety_only. Any may be missing, because the page is written during the run.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import torch

from holdfast.json_files import JsonObject
from holdfast.outcomes import Answer, Evaluation, Rate
from holdfast.values import Mask, Scores

if TYPE_CHECKING:
    from holdfast.models.sites import Site  # imports all of transformers, which a comparison does not need

SCHEMA = 1


class Tested(Protocol):
    """A paired test between two checkpoints."""

    @property
    def n(self) -> int: ...
    @property
    def p_value(self) -> float: ...


class Paired(Tested, Protocol):
    """Counts of changed prompts between two checkpoints, as `evaluate.compare` makes them."""

    @property
    def only_before(self) -> int: ...
    @property
    def only_after(self) -> int: ...
    @property
    def difference(self) -> float | None: ...


class Change(Tested, Protocol):
    """Ratio of two perplexities on the same exchanges, or difference of two mean lengths on the same prompts."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def rate_json(rate: Rate) -> JsonObject:
    """Converts a rate to RATE."""
    return asdict(rate)


def paired_json(comparison: Mapping[str, Paired]) -> JsonObject:
    """Converts paired counts to PAIRED, by measure."""
    fields = ("n", "only_before", "only_after", "difference", "p_value")
    return {measure: {field: getattr(pair, field) for field in fields} for measure, pair in comparison.items()}


def suite_json(
    evaluation: Evaluation,
    comparison: Mapping[str, Paired] | None = None,
    against: Mapping[str, Mapping[str, Paired]] | None = None,
    surprise: Change | None = None,
    lengths: Mapping[str, Change] | None = None,
) -> JsonObject:
    """Converts an evaluation to SUITE, with its comparisons to the start of its section and to other arms.

    Args:
        evaluation: what was measured.
        comparison: the paired counts with the start of the section.
        against: the paired counts with other arms, by the names of the arms.
        surprise: its perplexity divided by that of the start. None if the two have no losses to pair.
        lengths: its mean response lengths minus those of the start, by group.
    """
    measure, safety = evaluation.safety
    suite: JsonObject = {
        "asr": rate_json(evaluation.asr),
        **({} if measure == "asr" else {measure: rate_json(safety)}),
        "refusal": rate_json(evaluation.refusal) if evaluation.refusal else None,
        "over_refusal": rate_json(evaluation.over_refusal),
        "borderline": rate_json(evaluation.borderline) if evaluation.borderline else None,
        "utility": rate_json(evaluation.utility),
        "perplexity": finite(evaluation.perplexity),
        "perplexity_rate": rate_json(evaluation.perplexity_rate) if evaluation.perplexity_rate else None,
        "task": rate_json(evaluation.task) if evaluation.task else None,
        "groups": {
            name: rate_json(rate)
            for name, rate in sorted(evaluation.groups.items())
            if rate is not evaluation.refusal and rate is not evaluation.borderline
        },
    }
    if comparison is not None:
        suite["paired"] = _pairs(comparison, measure)
        suite["perplexity_ratio"] = None if surprise is None else _change(surprise)
        suite["length_change"] = {name: _change(change) for name, change in (lengths or {}).items()}
    if against:
        suite["against"] = {name: _pairs(paired, measure) for name, paired in against.items()}
    return suite


def _change(change: Change) -> JsonObject:
    return {field: getattr(change, field) for field in ("value", "low", "high", "n", "p_value")}


def _pairs(comparison: Mapping[str, Paired], safety: str) -> JsonObject:
    """Converts paired counts to PAIRED by measure. Without a judge it adds not_refused, from the refusals."""
    paired = paired_json(comparison)
    if safety == "not_refused" and "refusal" in comparison:
        paired[safety] = _turned(comparison["refusal"])
    return paired


def _turned(refused: Paired) -> JsonObject:
    """Converts paired counts of a measure to PAIRED of its complement."""
    change = refused.difference
    return {
        "n": refused.n,
        "only_before": refused.only_after,
        "only_after": refused.only_before,
        "difference": None if change is None else 0 - change,
        "p_value": refused.p_value,
    }


def component_rows(mask: Mask, scores: Scores, sites: Sequence["Site"]) -> list[JsonObject]:
    """Counts entries and selected entries per layer and component, with their mean score, in the model's order.

    Raises:
        ValueError: the mask was made from other scores, or a scored parameter is not among the sites.
    """
    if mask.base != scores.base or dict(mask.shapes) != scores.shapes:
        raise ValueError("the mask and the scores are not of the same model and sites; select from these scores again.")
    unknown = sorted(set(scores.entries) - {site.name for site in sites})
    if unknown:
        raise ValueError(
            f"scored parameter {unknown[0]!r} is not among the {len(sites)} sites given; list all of them."
        )
    members: dict[tuple[int | None, str], list[str]] = defaultdict(list)
    for site in sites:
        if site.name in scores.entries:
            members[site.layer, site.component].append(site.name)
    return [_component_row(*place, names, mask, scores) for place, names in members.items()]


def _component_row(layer: int | None, component: str, names: Sequence[str], mask: Mask, scores: Scores) -> JsonObject:
    entries = sum(scores.entries[name].numel() for name in names)
    # float64: a float32 sum over millions of small scores loses the small ones.
    total = sum(scores.entries[name].sum(dtype=torch.float64).item() for name in names)
    selected = sum(len(mask[name]) for name in names)
    return {
        "layer": layer,
        "component": component,
        "selected": selected,
        "entries": entries,
        "mean_esi": finite(total / entries),
    }


def verify_section(
    noise_ratios: Sequence[float], baseline: Evaluation, arms: Mapping[str, Sequence[Evaluation]], draws: int
) -> JsonObject:
    """Builds the section on noise: safety and utility at every noise ratio.

    Args:
        noise_ratios: all noise ratios of the run.
        baseline: the evaluation of the untouched model.
        arms: for top, random, bottom and safety_only, one evaluation (pooled over draws) per measured noise ratio.
        draws: the number of draws that were pooled.

    Raises:
        ValueError: an arm has more evaluations than there are noise ratios.
    """
    longer = sorted(name for name, evaluations in arms.items() if len(evaluations) > len(noise_ratios))
    if longer:
        raise ValueError(
            f"{longer[0]!r} has more evaluations than the {len(noise_ratios)} noise ratios; give one per ratio."
        )
    safety = {
        name: [rate_json(evaluation.safety[1]) for evaluation in evaluations] for name, evaluations in arms.items()
    }
    utility = {
        name: [rate_json(evaluation.utility) for evaluation in evaluations] for name, evaluations in arms.items()
    }
    coherence = _coherence({"baseline": [baseline], **arms})
    return {
        "noise_ratio": list(noise_ratios),
        "draws": draws,
        "baseline": rate_json(baseline.safety[1]),
        **safety,
        "utility": {"baseline": rate_json(baseline.utility), **utility},
        **({"coherence": {**coherence, "baseline": coherence["baseline"][0]}} if coherence else {}),
    }


def _coherence(arms: Mapping[str, Sequence[Evaluation]]) -> dict[str, list[JsonObject]]:
    """Returns the coherence of the responses to harmful prompts by arm. Empty if any evaluation has none."""
    rates = {
        name: [evaluation.groups.get("coherence/harmful") for evaluation in evaluations]
        for name, evaluations in arms.items()
    }
    if any(rate is None for arm_rates in rates.values() for rate in arm_rates):
        return {}
    return {name: [rate_json(rate) for rate in arm_rates if rate] for name, arm_rates in rates.items()}


def changed_answers(stage: str, before: Evaluation, after: Evaluation, limit: int = 10) -> list[JsonObject]:
    """Lists responses whose verdict changed, largest change of the judge's score first, ties in prompt order."""
    pairs = [
        (old, new)
        for old, new in zip(before.answers, after.answers, strict=True)
        if old.outcome.verdict != new.outcome.verdict
    ]
    pairs.sort(key=lambda pair: -_score_change(*pair))
    return [
        {
            "stage": stage,
            "measure": old.measure,
            "group": old.group,
            "prompt": old.prompt,
            "before": old.response,
            "after": new.response,
            "before_verdict": old.outcome.verdict,
            "after_verdict": new.outcome.verdict,
        }
        for old, new in pairs[:limit]
    ]


def _score_change(before: Answer, after: Answer) -> float:
    if before.outcome.score is None or after.outcome.score is None:
        return 0.0
    return abs(after.outcome.score - before.outcome.score)


def with_ends(value: float | None, low: float | None, high: float | None, form: str = ".3f") -> str:
    """Formats a number with its interval: '0.412 [0.371, 0.453]'. A missing number gives 'none'."""
    if value is None:
        return "none"
    return f"{value:{form}}" if low is None or high is None else f"{value:{form}} [{low:{form}}, {high:{form}}]"


def finite(number: float | None) -> float | None:
    """Returns the number, or None for values that JSON cannot write (infinite, not a number)."""
    return number if number is not None and math.isfinite(number) else None
