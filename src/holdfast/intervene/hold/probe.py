"""Is the model still safe? A callback that asks so every few steps of anybody's trainer, and stops or rolls back.

    trainer.add_callback(SafetyProbe(trainer, measure, every=50, stop_above=0.05, on_breach="roll_back"))

`measure` is given the model in evaluation mode and returns a rate of which large is bad, such as attack success. It is
asked before the first step, every `every` steps and after the last.
"""

import logging
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from holdfast.outcomes import Rate

ROLLED_BACK = "rolled_back_to"
"""In the trainer's log: the step whose weights the model was given back."""

logger = logging.getLogger(__name__)


class SafetyProbe(TrainerCallback):
    """Logs a rate and keeps it below a bound.

    The rate goes where the trainer's loss goes (log_history, wandb, tensorboard), with its interval and counts. One
    that could not be measured is missing: it is warned of, is neither good nor a breach, and changes nothing.
    """

    def __init__(
        self,
        trainer: Trainer,
        measure: Callable[[PreTrainedModel], Rate | float],
        *,
        every: int = 50,
        stop_above: float = 0.05,
        on_breach: Literal["stop", "roll_back"] = "stop",
        name: str = "asr",
    ) -> None:
        """Says what to measure, and what to do when it is too high.

        Args:
            trainer: whose log the rate goes to; add the callback to it.
            measure: the rate of the model as it is, e.g. `holdfast.attack_success_probe(...)`.
            every: steps between probes.
            stop_above: the largest rate that is good.
            on_breach: `stop` ends training with the weights as they are. `roll_back` also gives the model those of the
                last good probe, of which it keeps a copy in host memory, as large as all that is trained. Checkpoints
                between the two steps stay on disk.
            name: what the log calls the rate.

        Raises:
            ValueError: `every` is below 1, `on_breach` is not known, or the trainer or the measure is something else.
        """
        if not isinstance(trainer, Trainer) or not callable(measure):
            raise ValueError(
                f"SafetyProbe takes a trainer and what measures a model, got {type(trainer).__name__} and "
                f"{type(measure).__name__}; give SafetyProbe(trainer, attack_success_probe(tokenizer, judge, prompts))."
            )
        if every < 1:
            raise ValueError(f"every={every} is not a number of steps; give 1 or more.")
        if on_breach not in ("stop", "roll_back"):
            raise ValueError(f"on_breach={on_breach!r} is not known; give 'stop' or 'roll_back'.")
        self._trainer, self._measure, self._name = trainer, measure, name
        self._every, self._stop_above = every, stop_above
        self._good = _GoodWeights() if on_breach == "roll_back" else None

    def __repr__(self) -> str:
        breach = "rolls back" if self._good else "stops"
        return f"<SafetyProbe: {self._name} every {self._every} steps, {breach} above {self._stop_above:g}>"

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: PreTrainedModel, **_: Any
    ) -> None:
        """Measures what training starts from.

        Raises:
            ValueError: the rate is too high already, or the settings would undo a roll back.
        """
        if self._good and args.load_best_model_at_end:
            raise ValueError("load_best_model_at_end would undo a roll back; set it to False, or on_breach='stop'.")
        rate = self._ask(model, state)
        if rate is not None and rate > self._stop_above:
            raise ValueError(
                f"{self._name} is {rate:.3g} before step {state.global_step + 1}, already above "
                f"stop_above={self._stop_above:g}; raise stop_above, or start from a safer model."
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: PreTrainedModel, **_: Any
    ) -> None:
        """Measures where it is time, and at the last step."""
        if state.global_step % self._every and not control.should_training_stop:
            return
        rate = self._ask(model, state)
        if rate is not None and rate > self._stop_above:
            control.should_training_stop = True

    def _ask(self, model: PreTrainedModel, state: TrainerState) -> float | None:
        """Measures, logs, and keeps the weights or gives them back; returns the rate."""
        found = _measured(model, self._measure)
        record = _as_record(self._name, found)
        rate = record.get(self._name)
        if rate is None:
            logger.warning("step %d: %s could not be measured (%s).", state.global_step, self._name, found)
        elif rate <= self._stop_above and self._good:
            self._good.keep(model, state.global_step)
        elif rate > self._stop_above and self._good and self._good.step is not None:
            self._good.give_back(model)
            record[ROLLED_BACK] = self._good.step
        self._log(record)
        return rate

    def _log(self, record: dict[str, float]) -> None:
        control = self._trainer.control
        wanted = control.should_log
        # The base class's: TRL's own would put its running means in here and begin them anew.
        Trainer.log(self._trainer, record)
        control.should_log = wanted  # logging anything counts as done, and the step's loss is still to come


class _GoodWeights:
    """A copy in host memory of what is trained."""

    def __init__(self) -> None:
        self.step: int | None = None
        """Of the copy; None where there is none."""
        self._values: dict[str, Tensor] = {}

    def keep(self, model: PreTrainedModel, step: int) -> None:
        self._values.clear()  # first: there is room for one copy, not for two
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._values = {name: weight.detach().to("cpu", copy=True) for name, weight in trained.items()}
        self.step = step

    @torch.no_grad()
    def give_back(self, model: PreTrainedModel) -> None:
        for name, value in self._values.items():
            model.get_parameter(name).copy_(value)


def _measured(model: PreTrainedModel, measure: Callable[[PreTrainedModel], Rate | float]) -> Rate | float:
    """The measure's answer; the model is in evaluation mode for it."""
    was_training = model.training
    model.eval()
    try:
        return measure(model)
    finally:
        model.train(was_training)


def _as_record(name: str, found: Rate | float) -> dict[str, float]:
    """What is logged of a rate, without the parts that are missing."""
    if not isinstance(found, Rate):
        return {name: found} if math.isfinite(found) else {}
    interval = {f"{name}_low": found.low, f"{name}_high": found.high}
    numbers = {name: found.value, **interval, f"{name}_n": found.n, f"{name}_unscored": found.unscored}
    return {key: number for key, number in numbers.items() if number is not None}
