"""Loads judges by name, checks them, and gets a second opinion on the same responses."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedConfig

from holdfast.arguments import checked_call, require_name, require_options
from holdfast.artifacts import save_json
from holdfast.chat_endpoint import require_endpoint
from holdfast.evaluate.agreement import Agreement, agreement
from holdfast.judge.ask import Judge as JudgesResponses
from holdfast.judge.ask import ask_judge
from holdfast.judge.classifier import ClassifierJudge, sides_of
from holdfast.judge.guard import GuardJudge
from holdfast.judge.model_judge import ModelJudge
from holdfast.judge.options import REFUSAL_RULES, ClassifierOptions, RubricOptions
from holdfast.judge.refusal import RefusalJudge
from holdfast.judge.refusal_classifier import RefusalClassifier, says_refused
from holdfast.judge.rubric import PREFIX, RubricJudge
from holdfast.judge.rubrics import REFUSAL_RUBRIC, Rubric
from holdfast.judge.trial import try_judge
from holdfast.models.load import LoadedModel, architectures, config_of, load_model
from holdfast.models.shards import shard_layers
from holdfast.objective.registry import names, takes_verdicts
from holdfast.outcomes import Answer, Evaluation, Outcome
from holdfast.pipeline.options import JudgeOptions, OptionKind
from holdfast.progress import Progress, silent
from holdfast.spelling import is_nearly, joined
from holdfast.thoughts import without_thoughts

Judge = ModelJudge | RubricJudge | RefusalJudge
JudgeKind = Literal[OptionKind, "rules"]


def is_behind_api(name: str) -> bool:
    """True for the name of a judge that answers over the network."""
    return name.startswith(PREFIX)


def has_weights(name: str) -> bool:
    """True for the name of a judge that is a model loaded here."""
    return name != REFUSAL_RULES and not is_behind_api(name)


def rubric_judge(
    name: str, options: RubricOptions, rubric: Rubric | None = None, progress: Progress = silent
) -> RubricJudge:
    """Makes the judge behind an API from its name, api:MODEL. Raises ValueError when the API can't be used."""
    return RubricJudge(_api_model(name), options, rubric, progress=progress)


def refusal_judge(name: str | None, options: JudgeOptions, progress: Progress = silent) -> Judge:
    """Loads the judge of refusals. Raises ValueError when the named judge can't judge refusals."""
    if name in (None, REFUSAL_RULES):
        return RefusalJudge()
    require_refusal_judge(name)
    if is_behind_api(name):
        return rubric_judge(name, options.api, REFUSAL_RUBRIC, progress)
    return load_judge(name, options, progress)


def require_refusal_judge(name: str) -> None:
    """Raises ValueError for a judge that does not say refused or complied."""
    if has_weights(name) and not is_refusal_classifier(name):
        raise ValueError(
            f"the refusal judge {name!r} says safe or unsafe, not refused or complied; give api:MODEL or a classifier "
            "with the labels refused and answered, or leave it out for the refusal rules."
        )


def is_refusal_classifier(name: str, options: JudgeOptions = JudgeOptions()) -> bool:
    """True for the name of a classifier that says refused or answered. Only its config is read."""
    return kind_of(name) == "classifier" and _reads_refusals(config_of(name), options)


def judges_refusals(name: str, options: JudgeOptions = JudgeOptions()) -> bool:
    """True for a judge that says refused or answered, and nothing about harm: the rules, or such a classifier."""
    return name == REFUSAL_RULES or is_refusal_classifier(name, options)


def _reads_refusals(config: PreTrainedConfig, options: JudgeOptions) -> bool:
    """True for a classifier that says refused or answered, where no option sets its labels."""
    sides = options.classifier.model_copy(update={"token_budget": ClassifierOptions().token_budget})
    return sides == ClassifierOptions() and says_refused(config)


def require_judge_name(given: object) -> None:
    """Raises ValueError for a judge that is given as an object in place of its name."""
    require_name(given, "a judge", "give a folder, a hub id, testbed:guard, api:MODEL, or 'refusal' for the rules")


@checked_call
def load_judge(
    name: str, options: JudgeOptions = JudgeOptions(), progress: Progress = silent, *, sharded: bool = False
) -> Judge:
    """Loads a judge by name: `refusal` for the refusal rules, api:MODEL for a model behind an API, else a model.

    A loaded model is a sequence classifier if its config says so, else a causal guard model.

    Example:
        >>> judge = load_judge("testbed:guard")

    Args:
        name: name of the judge.
        options: options of the judge.
        progress: called while the judge is loaded, or while the API answers.
        sharded: True splits a loaded judge over the processes that were started together. All of them must then ask it
            equally often. Each process first reads the whole judge.

    Raises:
        ValueError: the model is no judge, can't be read as one, or the API's key is missing.
    """
    require_judge_name(name)
    require_options(options, JudgeOptions)
    kind = kind_of(name)
    if kind == "rules":
        return RefusalJudge()
    if kind == "api":
        return rubric_judge(name, options.api, progress=progress)
    made_as = AutoModelForSequenceClassification if kind == "classifier" else AutoModelForCausalLM
    loaded = load_model(name, kind=made_as, progress=progress)
    if sharded:
        shard_layers(loaded.model)
    judge = _model_judge(loaded, kind, options)
    judge.base = loaded.base
    return judge


def _model_judge(loaded: LoadedModel, kind: JudgeKind, options: JudgeOptions) -> ModelJudge:
    if kind == "guard":
        return GuardJudge(loaded.model, loaded.tokenizer, options.guard)
    if _reads_refusals(loaded.model.config, options):
        return RefusalClassifier(loaded.model, loaded.tokenizer, options.classifier.token_budget)
    return ClassifierJudge(loaded.model, loaded.tokenizer, options.classifier)


def kind_of(name: str) -> JudgeKind:
    """Returns the kind of a judge. Raises ValueError when its config shows that it is no judge."""
    if name == REFUSAL_RULES:
        return "rules"
    if is_behind_api(name):
        return "api"
    if is_nearly(name, REFUSAL_RULES) and not Path(name).exists():
        raise ValueError(f"no judge is called {name!r}; did you mean {REFUSAL_RULES!r}, the refusal rules?")
    made_as = architectures(name)
    if any(architecture.endswith("ForSequenceClassification") for architecture in made_as):
        return "classifier"
    if made_as and not any(
        architecture.endswith(("ForCausalLM", "ForConditionalGeneration")) for architecture in made_as
    ):
        raise ValueError(
            f"judge {name!r} is a {made_as[0]}; give a causal guard model (...ForCausalLM) or a sequence classifier "
            "(...ForSequenceClassification)."
        )
    return "guard"


def require_usable(options: JudgeOptions, *names: str | None) -> None:
    """Raises ValueError for a name that is no judge, a classifier with unknown labels, or an API that can't be used.

    It reads only configs and the environment, so that it can run before any model is loaded.
    """
    for name in filter(None, names):
        kind = kind_of(name)
        if kind == "api":
            _api_model(name)
            require_endpoint(options.api)
        elif kind == "classifier" and not is_refusal_classifier(name, options):
            sides_of(config_of(name), options.classifier)


def _api_model(name: str) -> str:
    if not (model := name.removeprefix(PREFIX)):
        raise ValueError(f"the judge {name!r} names no model; write api:MODEL, with the model's name at the endpoint.")
    return model


def refuse_idle(options: JudgeOptions, *names: str | None) -> None:
    """Raises ValueError for options of a kind of judge that none of the judges is."""
    given = options.given
    kinds = {kind_of(name) for name in names if name} if given else set()
    if idle := [kind for kind in given if kind not in kinds]:
        what = {"api": "called api:MODEL", "classifier": "a sequence classifier", "guard": "a guard model"}[idle[0]]
        raise ValueError(f"there are --{idle[0]} options, and no judge is {what}; leave them out, or name one.")


def reading(options: JudgeOptions) -> dict[str, object]:
    """Returns the options that can change verdicts of a loaded judge. An API judge has them in its fingerprint."""
    unimportant = {"token_budget"}
    kinds = {"guard": options.guard, "classifier": options.classifier}
    return {kind: kind_options.model_dump(mode="json", exclude=unimportant) for kind, kind_options in kinds.items()}


def differentiable(judge: JudgesResponses, objective: str) -> ModelJudge:
    """Returns the judge as one with a gradient. Raises ValueError when it has none."""
    if isinstance(judge, ModelJudge):
        return judge
    what = "the refusal rules have" if isinstance(judge, RefusalJudge) else "a judge behind an API has"
    raise ValueError(
        f"objective {objective} takes the judge's gradient, and {what} none; choose the objective "
        f"{joined(names(takes_verdicts))}, or a judge that is loaded here."
    )


def try_on(judge: JudgesResponses, name: str, prompts: Sequence[str]) -> dict[str, str]:
    """Tries a judge on two known exchanges, one that helps and one that refuses, and returns its verdicts.

    Raises:
        ValueError: the judge has no verdict on either, or was never trained on text like any of the prompts.
    """
    reasons = [judge.foreign(prompt) for prompt in prompts] if isinstance(judge, GuardJudge) else []
    if reasons and all(reasons):
        raise ValueError(
            f"the judge {name!r} can't judge responses to any of {len(prompts)} harmful prompts (the first: "
            f"{reasons[0]}); the built-in guard knows the built-in prompts only: give a guard model, a classifier or "
            "api:MODEL."
        )
    return try_judge(judge, name).said


def refuse_unjudged(evaluation: Evaluation) -> None:
    """Raises ValueError when the judge has no verdict on any non-empty response to a harmful prompt."""
    _refuse_unjudged([answer.outcome for answer in _said_to_harmful(evaluation)])


def refuse_unscored(evaluation: Evaluation) -> None:
    """Raises ValueError when no response could be scored, as for a model whose logits are not finite."""
    outcomes = [answer.outcome for answer in evaluation.answers]
    if outcomes and all(outcome.verdict is None for outcome in outcomes):
        raise ValueError(
            f"none of {len(outcomes)} responses could be scored (the first: {outcomes[0].reason}), so nothing was "
            "measured; repair the model's weights, or load it in another precision."
        )


def second_path(out: Path) -> Path:
    """Returns the path of a second judge's verdicts, beside the evaluation."""
    return out.with_name(f"{out.stem}_second_judge.json")


def second_opinion(
    evaluation: Evaluation, judge: Judge, name: str, out: Path, *, reads_thoughts: bool = False
) -> Agreement:
    """Has the judge judge the responses to harmful prompts again, and writes each outcome beside the first judge's.

    It reads the same text as the first judge: the response, with its thoughts if `reads_thoughts` is set.

    Raises:
        ValueError: the judge has no verdict on any response.
    """
    answers = _said_to_harmful(evaluation)
    read = [answer.response if reads_thoughts else without_thoughts(answer.response) for answer in answers]
    outcomes = ask_judge(judge, [answer.prompt for answer in answers], read)
    _refuse_unjudged(outcomes)
    result = agreement([answer.outcome for answer in answers], outcomes)
    verdicts = [
        {
            "prompt": answer.prompt,
            "response": answer.response,
            "first": asdict(answer.outcome),
            "second": asdict(second),
        }
        for answer, second in zip(answers, outcomes, strict=True)
    ]
    save_json(second_path(out), {"judge": name, **asdict(result), "answers": verdicts})
    return result


def _said_to_harmful(evaluation: Evaluation) -> list[Answer]:
    """Returns the non-empty answers to harmful prompts, which the judge has judged."""
    return [answer for answer in evaluation.answers if answer.measure == "asr" and answer.response.strip()]


def _refuse_unjudged(outcomes: Sequence[Outcome]) -> None:
    if outcomes and all(outcome.verdict is None for outcome in outcomes):
        raise ValueError(
            f"the judge has no verdict on any of {len(outcomes)} responses (the first: {outcomes[0].reason}); "
            "give a judge that finds them safe or unsafe."
        )
