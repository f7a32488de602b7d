"""The stages of a run, in the order and with the settings of `pipeline/run/units.py`, each with its need.

Disk:
- scores: 4 bytes per entry, in six files for every model
- masks: 4 bytes per selected entry
- a checkpoint: the bytes of its dtype
- a patch: 4 bytes and two values per selected entry
- checkpoints during fine-tuning: 12 bytes per trained entry, two at a time. They count, though the end removes them
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from transformers import AutoModelForSequenceClassification

from holdfast.arms import Arm
from holdfast.intervene.options import SftOptions
from holdfast.intervene.train.methods import method_named
from holdfast.made_by import UTILITY
from holdfast.models.load import Outline, load_outline
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.judges import has_weights, kind_of
from holdfast.pipeline.options import EnhanceFiles, EnhanceObjective
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.layout import arms_in, enhance_options, masks_of, starting_names, trains_mask_alone
from holdfast.plan.asking import Asking, PlannedJudge
from holdfast.plan.lengths import NONE, Lengths, exchange_lengths, prompt_lengths, texts
from holdfast.plan.memory import Need, Subject, adapting, enhancing
from holdfast.plan.spread import IN_ONE, Spread

BYTES_AN_ANSWER = 2000
"""Bytes of one answer in an evaluation's JSON file."""


@dataclass(frozen=True)
class Stage:
    """A part of the run that is computed in one piece."""

    name: str
    need: Need
    disk: int
    """Most bytes written to disk."""
    is_guessed: bool = False
    """True where a prompt set is missing on this machine, so that counts and lengths are guesses."""
    processes: int = 1
    """Processes that work on the stage together. Each needs `need` or less."""


class Planned:
    """A config with the outlines of its models. Each need is computed once.

    Several processes score and tune together, by one command for each stage. All other work runs in one process.
    """

    def __init__(self, config: RunConfig, place: torch.device, processes: int = 1) -> None:
        self.config, self.place, self.processes = config, place, processes
        self._outlines: dict[str, Outline] = {}
        self._lengths: dict[tuple, Lengths] = {}
        self._needs: dict[tuple, Need] = {}

    def again(self, config: RunConfig) -> "Planned":
        """Plans the same models and prompts with another config."""
        other = Planned(config, self.place, self.processes)
        other._outlines, other._lengths = self._outlines, self._lengths
        return other

    def parts(self) -> dict[str, Callable[[], Stage]]:
        """Lists all stages by name, in the order of a run."""
        config, names = self.config, starting_names(self.config)
        found: dict[str, Callable[[], Stage]] = {
            names.locate: partial(self.locate, config.model, names.locate, config.located_by),
            names.evaluate: partial(self.evaluate, config.model, names.evaluate, with_task=True),
        }
        model, objective = config.unaligned, config.enhance_objective
        if model and not config.is_located_once:
            found[names.locate_for_set] = partial(self.locate, model, names.locate_for_set, objective)
        if model and not config.is_evaluated_once:
            found[names.evaluate_for_set] = partial(self.evaluate, model, names.evaluate_for_set, with_task=False)
        if config.verify.ratios:
            found["verify"] = self.verify
        found |= {f"enhance {arm.name}": partial(self.enhance, arm) for arm in arms_in(config, "enhance")}
        return found | {f"adapt {arm.name}": partial(self.adapt, arm) for arm in arms_in(config, "adapt")}

    def locate(self, model: str, name: str, objective: EnhanceObjective) -> Stage:
        """Plans the scores for safety and for utility, and the masks."""
        config, spread = self.config, Spread(self.processes, self.config.score.shard)
        asking = self._asking(model, self.config.calibrate, spread)
        if refusals := config.refusals_to_score(objective):
            safety = self._exchanges(model, refusals)
            need = asking.likelihood(safety, config.given_options(config.scored_by(objective)))
        else:
            safety = self._prompts(model, config.harmful)
            need = asking.scored(safety, config.score)
        utility = self._exchanges(model, config.calibration.utility) if config.calibration.utility else NONE
        if config.calibration.utility:
            need = need.then(asking.likelihood(utility, config.given_options(UTILITY)))
        subject = asking.subject
        # Sums of two halves are kept until the scores are there.
        files = 6 if config.calibration.utility else 3
        disk = files * 4 * subject.scored + 8 * subject.scored + len(masks_of(config)) * 4 * subject.selected
        is_guessed = not (safety.is_here and utility.is_here)
        return Stage(name, need, disk, is_guessed=is_guessed, processes=self.processes)

    def evaluate(self, model: str, name: str, *, with_task: bool) -> Stage:
        """Plans an evaluation on the whole suite."""
        need, answers, is_here = self._evaluated(model, with_task=with_task)
        return Stage(name, need, answers * BYTES_AN_ANSWER, is_guessed=not is_here)

    def verify(self) -> Stage:
        """Plans every draw of noise, of every strength and on every mask, each with an evaluation."""
        config, options = self.config, self.config.verify
        asking = self._asking(config.model, config.generate)
        harmful = self._harmful(config.model, options.limit)
        questions = prompts = self._prompts(config.model, config.suite.questions).first(options.limit)
        need = asking.evaluated((harmful + questions).prompts, harmful.prompts, NONE)
        draws = len(options.ratios) * len(arms_in(config, "verify")) * options.draws
        held = (16 + asking.subject.position) * asking.subject.selected
        disk = draws * len((harmful + prompts).prompts) * BYTES_AN_ANSWER
        need = replace(need, device=need.device + held, work=need.work.times(draws))
        return Stage("verify", need, disk, is_guessed=not (harmful + questions).is_here)

    def enhance(self, arm: Arm) -> Stage:
        """Plans SET on the unaligned model, and its evaluation."""
        config = self.config
        assert config.unaligned is not None
        assert config.refusals is not None
        subject, learned = self.subject(config.unaligned), self._learned(config.unaligned, config.refusals, arm.name)
        is_full, longest = not trains_mask_alone(arm), max(learned.exchanges)
        need = self._once(
            ("enhance", is_full, longest),
            lambda: enhancing(subject, config.enhance, longest, full=is_full, processes=self.processes),
        )
        evaluated, answers, is_here = self._evaluated(config.unaligned, with_task=False)
        patch = 0 if is_full else (4 + 2 * subject.outline.storage_dtype.itemsize) * subject.selected
        trained = subject.entries if is_full else subject.selected
        disk = subject.stored + patch + answers * BYTES_AN_ANSWER + _checkpoints(config.enhance, subject, trained)
        is_guessed = not (is_here and learned.is_here)
        return Stage(f"enhance {arm.name}", need.then(evaluated), disk, is_guessed=is_guessed, processes=self.processes)

    def adapt(self, arm: Arm) -> Stage:
        """Plans SPA of the aligned model or a control, and its evaluation."""
        config = self.config
        assert config.task is not None
        subject, task = self.subject(config.model), self._exchanges(config.model, config.task)
        is_held, longest = method_named(arm.method).needs_mask, max(task.exchanges)
        need = self._once(
            ("adapt", is_held),
            lambda: adapting(subject, config.adapt, longest, protected=is_held, processes=self.processes),
        )
        evaluated, answers, is_here = self._evaluated(config.model, with_task=True)
        trained = 0 if config.adapt.lora else subject.entries
        disk = subject.stored + answers * BYTES_AN_ANSWER + _checkpoints(config.adapt, subject, trained)
        is_guessed = not (is_here and task.is_here)
        return Stage(f"adapt {arm.name}", need.then(evaluated), disk, is_guessed=is_guessed, processes=self.processes)

    def _evaluated(self, model: str, *, with_task: bool) -> tuple[Need, int, bool]:
        """Returns the need of an evaluation, its number of answers, and True where all its prompts are present."""
        suite, harmful = self.config.suite, self._harmful(model)
        names = [suite.harmless, suite.borderline, suite.questions, suite.task if with_task else None]
        asked = sum((self._prompts(model, name) for name in names), harmful)
        questions = self._exchanges(model, suite.questions) if suite.questions else NONE
        asking = self._asking(model, self.config.generate)
        need = self._once(
            ("evaluate", model, with_task), lambda: asking.evaluated(asked.prompts, harmful.prompts, questions)
        )
        return need, len(asked.prompts), asked.is_here

    def _once(self, key: tuple, make: Callable[[], Need]) -> Need:
        """Computes a need that several arms share once."""
        if key not in self._needs:
            self._needs[key] = make()
        return self._needs[key]

    def longest_to_enhance(self, arm: str) -> int:
        """Tokens in the longest exchange that SET trains on."""
        assert self.config.unaligned is not None
        assert self.config.refusals is not None
        return max(self._learned(self.config.unaligned, self.config.refusals, arm).exchanges)

    def longest_to_adapt(self) -> int:
        """Tokens in the longest exchange of the task."""
        assert self.config.task is not None
        return max(self._exchanges(self.config.model, self.config.task).exchanges)

    def judge_bytes(self) -> int:
        """Bytes of the judge's weights."""
        return self._judge.loaded

    def subject(self, name: str) -> Subject:
        """Returns a model of the run by its name."""
        return Subject(name, self._outline(name), self.place, self.config.select.fraction)

    def _learned(self, model: str, files: EnhanceFiles, arm: str) -> Lengths:
        refusals = self._exchanges(model, files.refusals)
        if not enhance_options(self.config, arm).harmless_share:
            return refusals
        return refusals + self._exchanges(model, files.harmless)

    def _asking(self, model: str, generation: GenerateOptions, spread: Spread = IN_ONE) -> Asking:
        subject = self.subject(model)
        judge = self._judge.fitted(subject.outline, texts(self.config.harmful))
        judge = replace(judge, spread=Spread(spread.processes, self.config.score.shard_judge))
        return Asking(subject, judge, generation, spread)

    @cached_property
    def _judge(self) -> PlannedJudge:
        name = self.config.judge
        if not has_weights(name):
            return PlannedJudge(None, self.config.judging)
        kind = {"kind": AutoModelForSequenceClassification} if kind_of(name) == "classifier" else {}
        return PlannedJudge(self._outline(name, **kind), self.config.judging)

    def _outline(self, name: str, **kind) -> Outline:
        if name not in self._outlines:
            self._outlines[name] = load_outline(name, self.place, **kind)
        return self._outlines[name]

    def _harmful(self, model: str, limit: int | None = None) -> Lengths:
        return sum((self._prompts(model, name).first(limit) for name in self.config.suite.harmful), NONE)

    def _prompts(self, model: str, name: str | None) -> Lengths:
        return NONE if name is None else self._read(prompt_lengths, model, name)

    def _exchanges(self, model: str, name: str) -> Lengths:
        return self._read(exchange_lengths, model, name)

    def _read(self, read: Callable[..., Lengths], model: str, name: str) -> Lengths:
        key = read, model, name
        if key not in self._lengths:
            self._lengths[key] = read(name, self._outline(model).tokenizer)
        return self._lengths[key]


def _checkpoints(options: SftOptions, subject: Subject, trained: int) -> int:
    return 2 * (4 * subject.entries + 8 * trained) if options.checkpoint_every else 0
