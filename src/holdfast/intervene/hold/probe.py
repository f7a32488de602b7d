"""A callback that measures safety every few steps of any trainer, and stops or rolls back when it is lost.

    trainer.add_callback(SafetyProbe(trainer, measure, every=50, stop_above=0.05, on_breach="roll_back"))

`measure` takes the model in evaluation mode and returns a rate where larger is worse, such as the attack success rate.
The probe calls it before the first step, every `every` steps and after the last step.
"""

import logging
import math
from collections.abc import Callable
from typing import Literal, Unpack

import torch
from torch import Tensor
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from holdfast.arguments import checked_call, require_choice, require_rate, require_steps
from holdfast.intervene.hold.callback_help import CallbackKind
from holdfast.intervene.hold.hook_arguments import HookArguments
from holdfast.outcomes import Rate

ROLLED_BACK = "rolled_back_to"
"""Key in the trainer's log for the step whose weights were restored."""

logger = logging.getLogger(__name__)


@checked_call
class SafetyProbe(TrainerCallback, metaclass=CallbackKind):
    """Logs a rate, and ends training when the rate rises above a bound.

    Add it to the trainer whose log gets the rate. This one needs no judge:

        measure = holdfast.not_refused_probe(tokenizer, prompts)
        trainer.add_callback(holdfast.SafetyProbe(trainer, measure, stop_above=0.1, name="not_refused"))

    The rate goes where the trainer's loss goes (log_history, wandb, tensorboard), with its interval and counts. A rate
    that could not be measured causes a warning. It is neither good nor a breach, and changes nothing.
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
        """Sets the measure, and what happens when it is too high.

        Args:
            trainer: the trainer whose log gets the rate. Add the callback to it.
            measure: measures the rate of the present model, e.g. `holdfast.attack_success_probe(...)`.
            every: steps between probes.
            stop_above: the largest good rate, from 0 to 1.
            on_breach: `stop` ends training with the present weights. `roll_back` also restores the weights of the last
                good probe, from a copy in host memory as large as all trained parameters. Checkpoints between the two
                steps stay on disk.
            name: name of the rate in the log.

        Raises:
            ValueError: `every` is below 1, `stop_above` is not from 0 to 1, `on_breach` is unknown, or the trainer or
                the measure has the wrong type.
        """
        if not isinstance(trainer, Trainer) or not callable(measure):
            raise ValueError(
                f"SafetyProbe takes a trainer and a function that measures a model, got {type(trainer).__name__} and "
                f"{type(measure).__name__}; give SafetyProbe(trainer, attack_success_probe(tokenizer, judge, prompts))."
            )
        require_steps("every", every, least=1)
        require_choice("on_breach", on_breach, ("stop", "roll_back"))
        require_rate("stop_above", stop_above)
        self._trainer, self._measure, self._name = trainer, measure, name
        self._every, self._stop_above = every, stop_above
        self._good = _GoodWeights() if on_breach == "roll_back" else None

    def __repr__(self) -> str:
        breach = "rolls back" if self._good else "stops"
        return f"<SafetyProbe: {self._name} every {self._every} steps, {breach} above {self._stop_above:g}>"

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Measures the model before training.

        Raises:
            ValueError: the rate is too high already, or the settings would undo a rollback.
        """
        if self._good and args.load_best_model_at_end:
            raise ValueError("load_best_model_at_end would undo a roll back; set it to False, or on_breach='stop'.")
        rate = self._ask(given["model"], state)
        if rate is not None and rate > self._stop_above:
            raise ValueError(
                f"{self._name} is {rate:.3g} before step {state.global_step + 1}, already above "
                f"stop_above={self._stop_above:g}; raise stop_above, or start from a safer model."
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Unpack[HookArguments]
    ) -> None:
        """Measures at every `every`-th step and at the last one."""
        if state.global_step % self._every and not control.should_training_stop:
            return
        rate = self._ask(given["model"], state)
        if rate is not None and rate > self._stop_above:
            control.should_training_stop = True

    def _ask(self, model: PreTrainedModel, state: TrainerState) -> float | None:
        """Measures and logs the rate, keeps the weights or restores them, and returns the rate."""
        measured = _measured(model, self._measure)
        record = _as_record(self._name, measured)
        rate = record.get(self._name)
        if rate is None:
            logger.warning("step %d: %s could not be measured (%s).", state.global_step, self._name, measured)
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
        # Calls the base class, because TRL's `log` would add its running means to the record and reset them.
        Trainer.log(self._trainer, record)
        control.should_log = wanted  # `log` clears the flag, and the trainer has yet to log the step's loss


class _GoodWeights:
    """A copy in host memory of all trained parameters."""

    def __init__(self) -> None:
        self.step: int | None = None
        """Step of the copy, or None where there is none."""
        self._values: dict[str, Tensor] = {}

    def keep(self, model: PreTrainedModel, step: int) -> None:
        self._values.clear()  # frees the old copy first, because memory may not hold two
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._values = {name: weight.detach().to("cpu", copy=True) for name, weight in trained.items()}
        self.step = step

    @torch.no_grad()
    def give_back(self, model: PreTrainedModel) -> None:
        for name, value in self._values.items():
            model.get_parameter(name).copy_(value)


def _measured(model: PreTrainedModel, measure: Callable[[PreTrainedModel], Rate | float]) -> Rate | float:
    """Calls the measure with the model in evaluation mode, and restores the mode."""
    was_training = model.training
    model.eval()
    try:
        return measure(model)
    finally:
        model.train(was_training)


def _as_record(name: str, rate: Rate | float) -> dict[str, float]:
    """Makes the log entry of a rate, without missing numbers."""
    if not isinstance(rate, Rate):
        return {name: rate} if math.isfinite(rate) else {}
    interval = {f"{name}_low": rate.low, f"{name}_high": rate.high}
    numbers = {name: rate.value, **interval, f"{name}_n": rate.n, f"{name}_unscored": rate.unscored}
    return {key: number for key, number in numbers.items() if number is not None}
