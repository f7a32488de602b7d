"""Turns what noise on a mask did into plain JSON, for summary.json and `holdfast verify --json`."""

from dataclasses import asdict

from holdfast.evaluate.verified import NoisePoint, Verified, mistrusted, no_loss_possible
from holdfast.json_files import JsonObject
from holdfast.report.schema import suite_json


def verified_json(verified: Verified) -> JsonObject:
    """Returns the rates without noise and at every noise ratio, the paired tests, and all of it as a table of rows."""
    return {
        "draws": verified.num_draws,
        "baseline": suite_json(verified.untouched),
        "points": [_point(point) for point in verified.points],
        "table": list(verified.table()),
        "mistrusted": " ".join(mistrusted(verified)) or None,
        "no_loss_possible": " ".join(no_loss_possible(verified.untouched)) or None,
    }


def _point(point: NoisePoint) -> JsonObject:
    specific = point.specificity and {**asdict(point.specificity), "sentence": point.specificity.sentence}
    rates: JsonObject = {"noise_ratio": point.ratio, **suite_json(point.mask), "specificity": specific}
    if point.control is None:
        return rates
    contrasts = {name: asdict(found) for name, found in point.contrasts.items()}
    return {**rates, "control": suite_json(point.control), "mask_against_control": contrasts}
