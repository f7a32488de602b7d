"""The stages of a run in the order of `pipeline/run/run.py` and under its settings, each with what it needs.

Disk: scores are 4 bytes an entry, six files of them a model; masks 4 bytes a selected entry; a checkpoint the bytes of
its dtype; a patch 4 bytes and two values a selected entry. Checkpoints of a fine-tuning (12 bytes a trained entry, two
of them while one replaces the other) are removed at its end, and counted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from transformers import AutoModelForSequenceClassification

from holdfast.intervene.options import SftOptions
from holdfast.made_by import UTILITY
from holdfast.models.load import Outline, load_outline
from holdfast.models.options import GenerateOptions
from holdfast.objective.registry import DEFAULT
from holdfast.pipeline.judges import has_weights, kind_of
from holdfast.pipeline.options import EnhanceFiles, EnhanceObjective
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.layout import ADAPT_ARMS, ALONE, masks_of
from holdfast.plan.asking import Asking, PlannedJudge
from holdfast.plan.lengths import NONE, Lengths, exchange_lengths, prompt_lengths, texts
from holdfast.plan.memory import Need, Subject, adapting, enhancing
from holdfast.plan.spread import IN_ONE, Spread

BYTES_AN_ANSWER = 2000
"""Of an evaluation's JSON file."""


@dataclass(frozen=True)
class Stage:
    """A part of the run that is made as one."""

    name: str
    need: Need
    disk: int
    """Bytes written, at most."""
    is_guessed: bool = False
    """Whether a prompt set is not here, so that counts and lengths are guesses."""
    processes: int = 1
    """Processes that work on it together, each of which needs what is said here, or less."""


class Planned:
    """A config and the outlines of its models; stages are computed once.

    Several processes score and tune together, by a command for each stage; all else is done in one.
    """

    def __init__(self, config: RunConfig, place: torch.device, processes: int = 1) -> None:
        self.config, self.place, self.processes = config, place, processes
        self._outlines: dict[str, Outline] = {}
        self._lengths: dict[tuple, Lengths] = {}
        self._needs: dict[tuple, Need] = {}

    def again(self, config: RunConfig) -> "Planned":
        """The same models and prompts under other settings."""
        other = Planned(config, self.place, self.processes)
        other._outlines, other._lengths = self._outlines, self._lengths
        return other

    def parts(self) -> dict[str, Callable[[], Stage]]:
        """All stages by name, in the order in which a run makes them."""
        config = self.config
        found: dict[str, Callable[[], Stage]] = {
            "locate": partial(self.locate, config.model, "locate", DEFAULT),
            "evaluate aligned": partial(self.evaluate, config.model, "evaluate aligned", with_task=True),
        }
        name, objective = config.unaligned, config.enhance_objective
        if name and not config.is_located_once:
            found["locate in unaligned"] = partial(self.locate, name, "locate in unaligned", objective)
        if name and not config.is_evaluated_once:
            found["evaluate unaligned"] = partial(self.evaluate, name, "evaluate unaligned", with_task=False)
        if config.verify.ratios:
            found["verify"] = self.verify
        found |= {f"enhance {arm}": partial(self.enhance, arm) for arm in (config.enhance_arms if name else ())}
        return found | {f"adapt {arm}": partial(self.adapt, arm) for arm in (config.adapt_arms if config.task else ())}

    def locate(self, model: str, name: str, objective: EnhanceObjective) -> Stage:
        """Scores for safety and for utility, and masks."""
        config, spread = self.config, Spread(self.processes, self.config.score.shard)
        asking = self._asking(model, self.config.calibrate, spread)
        if refusals := config.refusals_to_score(objective):
            safety = self._exchanges(model, refusals)
            need = asking.likelihood(safety, config.given_options(config.scored_by(objective)))
        else:
            safety = self._prompts(model, config.calibration.harmful)
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
        """The whole suite."""
        need, answers, is_here = self._evaluated(model, with_task=with_task)
        return Stage(name, need, answers * BYTES_AN_ANSWER, is_guessed=not is_here)

    def verify(self) -> Stage:
        """Every draw of noise of every strength on every mask, each an evaluation of safety and utility."""
        config, options = self.config, self.config.verify
        asking = self._asking(config.model, config.generate)
        harmful = self._harmful(config.model, options.limit)
        questions = prompts = self._prompts(config.model, config.suite.questions).first(options.limit)
        need = asking.evaluated((harmful + questions).prompts, harmful.prompts, NONE)
        draws = len(options.ratios) * len(masks_of(config)) * options.draws
        held = (16 + asking.subject.position) * asking.subject.selected
        disk = draws * len((harmful + prompts).prompts) * BYTES_AN_ANSWER
        need = replace(need, device=need.device + held, work=need.work.times(draws))
        return Stage("verify", need, disk, is_guessed=not (harmful + questions).is_here)

    def enhance(self, arm: str) -> Stage:
        """SET on the unaligned model, then its evaluation."""
        config = self.config
        assert config.unaligned is not None
        assert config.refusals is not None
        subject, learned = self.subject(config.unaligned), self._learned(config.unaligned, config.refusals, arm)
        is_full, longest = arm == "full", max(learned.exchanges)
        need = self._once(
            ("enhance", is_full, longest),
            lambda: enhancing(subject, config.enhance, longest, full=is_full, processes=self.processes),
        )
        evaluated, answers, is_here = self._evaluated(config.unaligned, with_task=False)
        patch = 0 if arm == "full" else (4 + 2 * subject.outline.storage_dtype.itemsize) * subject.selected
        trained = subject.entries if arm == "full" else subject.selected
        disk = subject.stored + patch + answers * BYTES_AN_ANSWER + _checkpoints(config.enhance, subject, trained)
        is_guessed = not (is_here and learned.is_here)
        return Stage(f"enhance {arm}", need.then(evaluated), disk, is_guessed=is_guessed, processes=self.processes)

    def adapt(self, arm: str) -> Stage:
        """SPA of the aligned model, or a control, then its evaluation."""
        config = self.config
        assert config.task is not None
        subject, task = self.subject(config.model), self._exchanges(config.model, config.task)
        is_held, longest = ADAPT_ARMS[arm] is not None, max(task.exchanges)
        need = self._once(
            ("adapt", is_held),
            lambda: adapting(subject, config.adapt, longest, protected=is_held, processes=self.processes),
        )
        evaluated, answers, is_here = self._evaluated(config.model, with_task=True)
        trained = 0 if config.adapt.lora else subject.entries
        disk = subject.stored + answers * BYTES_AN_ANSWER + _checkpoints(config.adapt, subject, trained)
        is_guessed = not (is_here and task.is_here)
        return Stage(f"adapt {arm}", need.then(evaluated), disk, is_guessed=is_guessed, processes=self.processes)

    def _evaluated(self, model: str, *, with_task: bool) -> tuple[Need, int, bool]:
        """What an evaluation needs, its answers, and whether all its prompts are here."""
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
        """What arms have in common is followed once."""
        if key not in self._needs:
            self._needs[key] = make()
        return self._needs[key]

    def longest_to_enhance(self, arm: str) -> int:
        """Tokens of the longest exchange that SET learns from."""
        assert self.config.unaligned is not None
        assert self.config.refusals is not None
        return max(self._learned(self.config.unaligned, self.config.refusals, arm).exchanges)

    def longest_to_adapt(self) -> int:
        """Tokens of the longest exchange of the task."""
        assert self.config.task is not None
        return max(self._exchanges(self.config.model, self.config.task).exchanges)

    def judge_bytes(self) -> int:
        """Bytes of the judge's weights."""
        return self._judge.loaded

    def subject(self, name: str) -> Subject:
        """A model of the run."""
        return Subject(name, self._outline(name), self.place, self.config.select.fraction)

    def _learned(self, model: str, files: EnhanceFiles, arm: str) -> Lengths:
        refusals = self._exchanges(model, files.refusals)
        return refusals if arm == ALONE else refusals + self._exchanges(model, files.harmless)

    def _asking(self, model: str, generation: GenerateOptions, spread: Spread = IN_ONE) -> Asking:
        subject = self.subject(model)
        judge = self._judge.fitted(subject.outline, texts(self.config.calibration.harmful))
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
