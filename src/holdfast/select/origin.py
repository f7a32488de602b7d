"""Provenance of a mask: its selector, options and version, with the provenance of its scores under "scores"."""

from pydantic import BaseModel

from holdfast.made_by import Meta, version
from holdfast.values import Scores


def cut_by(selector: str, options: BaseModel, scores: Scores, **beside: Meta) -> dict[str, object]:
    """Makes the `made_by` of a mask that a selector cut from scores. Each further input has a key of its own."""
    return {"selector": selector, **options.model_dump(), **version(), "scores": dict(scores.made_by), **beside}


def drawn_by(scores: Scores, **drawing: object) -> dict[str, object]:
    """Makes the `made_by` of a random mask, which depends on the model and its shapes but on no score."""
    model = {"model": scores.made_by["model"]} if "model" in scores.made_by else {}
    return {"selector": "random", **drawing, **version(), **model}
