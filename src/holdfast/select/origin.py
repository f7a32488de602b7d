"""What a mask says of how it was cut: selector, options and version, and all that the scores say under "scores"."""

from pydantic import BaseModel

from holdfast.made_by import Meta, version
from holdfast.values import Scores


def cut_by(selector: str, options: BaseModel, scores: Scores, **beside: Meta) -> dict[str, object]:
    """The `made_by` of a mask that a selector cuts from scores, with what else it went by under its own name."""
    return {"selector": selector, **options.model_dump(), **version(), "scores": dict(scores.made_by), **beside}


def drawn_by(scores: Scores, **how: object) -> dict[str, object]:
    """The `made_by` of a random mask: of the scores only the model and its shapes counted."""
    model = {"model": scores.made_by["model"]} if "model" in scores.made_by else {}
    return {"selector": "random", **how, **version(), **model}
