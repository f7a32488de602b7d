"""A model that is steered while it is measured: its direction, what files record of it, and the steering itself."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast.artifacts import digest, load_direction, refuse_other_base
from holdfast.evaluate.steered import warning_of_breaking
from holdfast.evaluate.suite import Suite
from holdfast.intervene.edit.options import SteeringOptions
from holdfast.intervene.edit.steer import steered
from holdfast.made_by import Meta, count_shared, model_entry
from holdfast.models.load import LoadedModel
from holdfast.outcomes import Evaluation
from holdfast.values import Direction

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Steering:
    """Options of steering with their direction."""

    options: SteeringOptions
    direction: Direction

    def require_model(self, loaded: LoadedModel) -> None:
        """Raises ValueError for a direction of another model."""
        refuse_other_base(f"the direction {str(self.options.direction)!r}", self.direction, loaded.base, loaded.name)

    def refuse_shared(self, suite: Suite) -> None:
        """Raises ValueError when prompts of the suite made the direction."""
        assert self.options.direction is not None
        refuse_shared(self.options.direction, self.direction, suite)

    def entries(self, model: Meta) -> dict[str, object]:
        """Returns the entries of an evaluation's provenance: the steered model as a model of its own, and the steering.
        So a gate that is pinned to a fingerprint never takes the steered model for the checkpoint itself.

        Args:
            model: the entry of the model as it is without steering.
        """
        record = self.record
        name = f"{model['name']} moved by {self.options.coefficient:g} along {self.options.direction}"
        named = model_entry(name, digest([model["fingerprint"], record]))
        return {"model": {**model, **named}, "steering": {**record, "file": str(self.options.direction)}}

    @property
    def record(self) -> dict[str, object]:
        """Settings that decide what steering does, with a hash of the direction."""
        return {
            "direction": hash_of(self.direction),
            "layer": self.direction.layer,
            **self.options.model_dump(mode="json", exclude={"direction"}),
        }

    @contextmanager
    def moving(self, loaded: LoadedModel) -> Iterator[None]:
        """Steers the model within the block. The caller has checked the direction's model."""
        options = self.options
        assert options.coefficient is not None
        with steered(
            loaded.model, self.direction, options.coefficient, rule=options.rule, renorm=options.renorm,
            where=options.where, check_base=False,
        ):  # fmt: skip
            yield

    def warn_of_breaking(self, evaluation: Evaluation) -> None:
        """Warns where many of the responses are incoherent."""
        if sentence := warning_of_breaking(evaluation):
            logger.warning(sentence)


def load_steering(options: SteeringOptions) -> Steering | None:
    """Loads the direction of the options. None where they steer nothing.

    Raises:
        ValueError: the file is missing, or holds no direction.
    """
    return Steering(options, load_direction(options.direction)) if options.direction is not None else None


def hash_of(direction: Direction) -> str:
    """Computes the hash of a direction's layer, scale and vector."""
    return digest([direction.layer, direction.norm, direction.vector.tolist()])


def refuse_shared(path: Path, direction: Direction, suite: Suite) -> None:
    """Raises ValueError when prompts of the suite made the direction."""
    asked = [*suite.harmful, *suite.harmless, *suite.borderline, *suite.questions, *suite.task]
    if shared := count_shared(direction.made_by, asked):
        raise ValueError(
            f"{shared} of {len(asked)} evaluation prompts also made the direction {str(path)!r}; measure on other "
            "prompts."
        )
