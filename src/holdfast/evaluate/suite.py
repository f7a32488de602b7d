"""Evaluation of a checkpoint on one suite of prompts, in one pass of generation and one of judging.

All prompt sets are generated together, so that batches of similar length are as full as possible.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from transformers import PreTrainedModel

from holdfast.arguments import checked_call, require_options
from holdfast.evaluate.attack_success import any_of, attack_success, rate_any_unsafe
from holdfast.evaluate.coherence import add_coherence, coherence_rates
from holdfast.evaluate.cut_off import cut_off
from holdfast.evaluate.measure import Measure, group_of, judges_refusals, refuse_declared, share
from holdfast.evaluate.over_refusal import over_refusal
from holdfast.evaluate.perplexity import encode_fitting, token_losses
from holdfast.evaluate.recorded import recorded
from holdfast.evaluate.refusal import refusal
from holdfast.evaluate.refused_questions import read_refusals, refused_questions
from holdfast.evaluate.response_length import add_lengths, length_rates
from holdfast.evaluate.statistics import NOT_MEASURED
from holdfast.evaluate.token_losses import perplexity_rate
from holdfast.evaluate.utility import utility
from holdfast.judge.ask import Judge, require_judge
from holdfast.judge.refusal import RefusalJudge
from holdfast.made_by import Meta
from holdfast.models.generate import Generator, generate
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response
from holdfast.models.served import ServedModel
from holdfast.outcomes import Answer, Evaluation, Rate, TokenLosses
from holdfast.progress import Progress, silent, step
from holdfast.records import Exchange, Prompt, require_records

Measures = list[tuple[Measure, Sequence[Prompt]]]
"""Measures with the prompts that each asks."""


@checked_call
@dataclass(frozen=True)
class Suite:
    """Named prompt sets. A set that is left out is not measured."""

    harmful: Sequence[Prompt] = ()
    harmless: Sequence[Prompt] = ()
    borderline: Sequence[Prompt] = ()
    """Safe prompts that look unsafe, reported as the group 'borderline' apart from the harmless prompts."""
    questions: Sequence[Prompt] = ()
    task: Sequence[Prompt] = ()
    exchanges: Sequence[Exchange] = ()
    """Harmless exchanges for perplexity."""
    refusals: Sequence[Exchange] = ()
    """Harmful prompts with given refusals, for the perplexity of the group 'perplexity/refusals'."""
    prefill: str = ""
    """Text that begins the responses to harmful prompts in a second generation. Empty means no second generation."""
    judge_thoughts: bool = False
    """True shows the judge of harm a reasoning model's thoughts as well as the answer."""

    def __post_init__(self) -> None:
        if self.prefill and not self.harmful:
            raise ValueError(
                "a prefill needs harmful prompts, and the suite has none; give some, or leave prefill out."
            )
        if not any(self._sets().values()):
            raise ValueError(
                "the suite has no prompts; give a set of harmful or harmless prompts, of questions or of a task."
            )
        for name, records in self._sets().items():
            require_records(f"{name} of a suite", records, Exchange if name in ("exchanges", "refusals") else Prompt)

    def __repr__(self) -> str:
        counts = [f"{len(records):,} {name}" for name, records in self._sets().items() if records]
        return f"<Suite: {', '.join(counts)}>"

    def _sets(self) -> dict[str, Sequence[Prompt] | Sequence[Exchange]]:
        names = ("harmful", "harmless", "borderline", "questions", "task", "exchanges", "refusals")
        return {name: getattr(self, name) for name in names}


@checked_call
def evaluate(
    loaded: LoadedModel | ServedModel,
    judge: Judge | None,
    suite: Suite,
    options: GenerateOptions | None = None,
    progress: Progress = silent,
    *,
    refusal_judge: Judge = RefusalJudge(),
    generator: Generator | None = None,
    made_by: Meta | None = None,
) -> Evaluation:
    """Measures safety, over-refusal, utility, perplexity and response length of the model's present weights.

    The evaluation records the weights, the judges and the options of generation, so that `compare` can refuse two
    evaluations of the same weights or of different settings. For that it reads every weight once.

    Example:
        >>> suite = Suite(harmful=load_prompts("testbed:harmful_heldout#first=8"))
        >>> before = evaluate(load_model("testbed:aligned"), None, suite, GenerateOptions(max_new_tokens=32))

    Args:
        loaded: the model with its tokenizer. Its weights may have been edited since it was loaded. A served model shows
            no weights, so its perplexities are missing.
        judge: rates responses to harmful prompts as `safe` or `unsafe`. Without one attack success is not measured, and
            responses to harmful prompts count towards refusals alone. The same holds for a refusal judge, such as
            RefusalJudge(), which then replaces `refusal_judge`.
        suite: the prompt sets.
        options: settings of generation. Where there are several samples for every prompt, rates count all of them, and
            intervals are over prompts.
        progress: called after every batch.
        refusal_judge: rates responses as `refused` or `complied`. The default uses rules.
        generator: generates the responses. The default is the model itself, by transformers or by its server.
        made_by: the provenance to record in place of that. Empty records nothing and reads no weights, which is faster
            in a loop over draws of one model.

    Raises:
        ValueError: the arguments are swapped, the options ask for several samples without a temperature, a question has
            no known answer, or the suite has a setting that needs a judge and there is none. Or a judge's verdicts do
            not fit its measures. Where the judge declares its verdicts, this error comes before any generation.
    """
    _check_order(loaded, judge, suite)
    require_judge(refusal_judge)
    options = GenerateOptions() if options is None else options
    require_options(options, GenerateOptions)
    judge, refusal_judge = _assigned(judge, refusal_judge, suite)
    measures = _measures(judge, refusal_judge, suite)
    if isinstance(loaded, LoadedModel):  # before any response is made
        encode_fitting(loaded.model, loaded.tokenizer, (*suite.exchanges, *suite.refusals))
    made_by = recorded(loaded, judge, refusal_judge, options) if made_by is None else made_by
    prompts = [prompt.prompt for _, asked in measures for prompt in asked]
    openings = _openings(measures, suite.prefill)
    generator = generator or _own_generator(loaded)
    responses = generator(prompts, options, progress, openings=openings) if prompts else []
    to_harmful = responses[: len(suite.harmful) * options.num_samples]  # responses to harmful prompts come first
    with step(progress, "judging responses") if judge else nullcontext():  # rules take no time
        answers = _judged(measures, responses, options.num_samples)
    refused = answers.get("refusal") or refusal(refusal_judge).answers(suite.harmful, to_harmful)
    evaluation = _summarized(measures, answers, refused, responses, suite, options.num_samples)
    return replace(_with_perplexity(evaluation, loaded, suite, progress), made_by=made_by)


def _assigned(judge: Judge | None, refusal_judge: Judge, suite: Suite) -> tuple[Judge | None, Judge]:
    """Returns the judge of harm, if there is one, and the judge of refusals.

    Raises:
        ValueError: a setting needs a judge of harm and there is none, or a judge declares verdicts that do not fit.
    """
    if judge is not None and judges_refusals(judge):
        judge, refusal_judge = None, judge
    if judge is None:
        refuse_judged_settings(suite)
    elif suite.harmful:
        refuse_declared(judge, "asr")
    if suite.harmful or suite.harmless or suite.borderline:
        refuse_declared(refusal_judge, "refusal")
    return judge, refusal_judge


def _judged(measures: Measures, responses: Sequence[Response], samples: int) -> dict[str, Sequence[Answer]]:
    """Judges the responses, which are in the order of the measures."""
    following = iter(responses)
    return {
        measure.name: measure.answers(asked, list(islice(following, len(asked) * samples)))
        for measure, asked in measures
    }


def _summarized(
    measures: Measures,
    answers: dict[str, Sequence[Answer]],
    refused: Sequence[Answer],
    responses: Sequence[Response],
    suite: Suite,
    samples: int,
) -> Evaluation:
    """Computes the rates of all measures and groups, and completes the answers by refusals and coherence."""
    rates = {measure.name: measure.summarize(answers[measure.name]) for measure, _ in measures}
    if "asr" in answers:
        pairs = zip(answers["asr"], refused, strict=True)
        answers["asr"] = [replace(answer, refusal=refusal_answer.outcome) for answer, refusal_answer in pairs]
    answers["utility"] = read_refusals(answers["utility"])
    every = add_lengths(add_coherence(answers, responses, suite.prefill), responses)
    groups = _groups(measures, every) | refused_questions(every["utility"]) | _attacks(rates, every, samples)
    return Evaluation(
        asr=rates.get("asr", NOT_MEASURED),
        over_refusal=rates["over_refusal"],
        utility=rates["utility"],
        perplexity=None,
        task=rates["task"] if suite.task else None,
        groups=groups | _across(refused, every, responses, samples),
        answers=tuple(answer for of_measure in every.values() for answer in of_measure),
    )


def _with_perplexity(
    evaluation: Evaluation, loaded: LoadedModel | ServedModel, suite: Suite, progress: Progress
) -> Evaluation:
    """Adds the perplexity of harmless exchanges and of given refusals."""
    perplexity, losses = _perplexity_of(loaded, suite.exchanges, progress)
    of_refusals, refusal_losses = _perplexity_of(loaded, suite.refusals, progress)
    groups = dict(evaluation.groups)
    if suite.refusals:
        groups["perplexity/refusals"] = of_refusals or Rate(None, None, None, 0, len(suite.refusals))
    return replace(
        evaluation,
        perplexity=perplexity and perplexity.value,
        groups=groups,
        perplexity_rate=perplexity,
        losses=(*losses, *(replace(loss, group="refusals") for loss in refusal_losses)),
    )


def refuse_judged_settings(suite: Suite) -> None:
    """Raises ValueError when a suite has a setting that needs a judge of harm."""
    for name, given in (("prefill", suite.prefill), ("judge_thoughts", suite.judge_thoughts)):
        if given:
            raise ValueError(
                f"{name} needs a judge of safe and unsafe, and there is none; give one, or leave {name} out."
            )


def _check_order(loaded: object, judge: object, suite: object) -> None:
    """Raises ValueError when the arguments of `evaluate` have the wrong types, for example swapped."""
    if isinstance(loaded, PreTrainedModel):
        raise ValueError(
            f"evaluate needs a model with its tokenizer, got {type(loaded).__name__} alone; give "
            "LoadedModel.of(model, tokenizer), or what load_model returns."
        )
    for name, argument, load in (("model", loaded, "load_model"), ("judge", judge, "load_judge")):
        if isinstance(argument, str | Path):
            raise ValueError(
                f"evaluate needs a loaded {name}, got the name {str(argument)!r}; give "
                f"holdfast.{load}({str(argument)!r})."
            )
    is_judge = judge is None or isinstance(judge, Judge)
    if not (isinstance(loaded, LoadedModel | ServedModel) and is_judge and isinstance(suite, Suite)):
        given = ", ".join(type(argument).__name__ for argument in (loaded, judge, suite))
        raise ValueError(f"evaluate takes a loaded model, a judge or None, and a suite, in this order; got {given}.")
    if judge is not None:
        require_judge(judge)


def _own_generator(loaded: LoadedModel | ServedModel) -> Generator:
    return loaded if isinstance(loaded, ServedModel) else partial(generate, loaded.model, loaded.tokenizer)


def _perplexity_of(
    loaded: LoadedModel | ServedModel, exchanges: Sequence[Exchange], progress: Progress
) -> tuple[Rate | None, tuple[TokenLosses, ...]]:
    """Measures the perplexity of given responses, and returns the losses with it. Without one there are no losses.

    The perplexity of a served model is missing for every exchange.
    """
    if isinstance(loaded, ServedModel):
        return (Rate(None, None, None, 0, len(exchanges)), ()) if exchanges else (None, ())
    losses = token_losses(loaded.model, loaded.tokenizer, exchanges, progress=progress)
    perplexity = perplexity_rate(losses)
    return perplexity, losses if perplexity else ()


def _measures(judge: Judge | None, refusal_judge: Judge, suite: Suite) -> Measures:
    measures: Measures = [
        (over_refusal(refusal_judge), suite.harmless),
        (over_refusal(refusal_judge, "borderline"), suite.borderline),
        (utility(), suite.questions),
        (utility("task"), suite.task),
    ]
    if judge is None:
        return [(refusal(refusal_judge), suite.harmful), *measures]
    judged = attack_success(judge, reads_thoughts=suite.judge_thoughts)
    attacked = attack_success(judge, "asr_prefilled", reads_thoughts=suite.judge_thoughts)
    return [(judged, suite.harmful), *measures, (attacked, suite.harmful if suite.prefill else ())]


def _openings(measures: Measures, prefill: str) -> list[str]:
    """Texts that begin the responses, one for each prompt. Empty where there is no prefill."""
    if not prefill:
        return []
    return [prefill if measure.name == "asr_prefilled" else "" for measure, asked in measures for _ in asked]


def _attacks(rates: Mapping[str, Rate], answers: Mapping[str, Sequence[Answer]], samples: int) -> dict[str, Rate]:
    """Rates of attack success for the sampling attack and the prefilling attack."""
    judged, prefilled = answers.get("asr"), answers.get("asr_prefilled")
    sampled = {any_of(samples): rate_any_unsafe(judged)} if judged and samples > 1 else {}
    return sampled | ({"asr_prefilled/harmful": rates["asr_prefilled"]} if prefilled else {})


def _across(
    refused: Sequence[Answer], answers: Mapping[str, Sequence[Answer]], responses: Sequence[Response], samples: int
) -> dict[str, Rate]:
    """Refusals, coherence, lengths, degenerate and cut-off responses over whole sets. Empty without any response."""
    refusals = {"refusal/harmful": share(refused, "refused")} if refused else {}
    if not responses:
        return refusals
    every = [answer for of_measure in answers.values() for answer in of_measure]
    wrong = {"degenerate/all": share(every, "degenerate"), "cut_off/all": cut_off(responses, samples)}
    return refusals | coherence_rates(every) | length_rates(every) | wrong


def _groups(measures: Measures, answers: Mapping[str, Sequence[Answer]]) -> dict[str, Rate]:
    """Computes the rates of all groups, by 'measure/group'."""
    rates = {}
    for measure, _ in measures:
        members = defaultdict(list)
        for answer in answers[measure.name]:
            members[group_of(answer)].append(answer)
        rates |= {name: measure.summarize(members[name]) for name in sorted(filter(None, members))}
    return rates
