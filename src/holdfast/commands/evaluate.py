"""`holdfast evaluate`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from holdfast.commands.console import Json, show, shown_progress, table, unless_quiet, warn
from holdfast.commands.once import ExistOk, Once
from holdfast.commands.parameters import (
    Generation,
    Judge,
    JudgeCards,
    Judging,
    Measures,
    SafetyJudge,
    Served,
    Steer,
    Suite,
)
from holdfast.commands.some_prompts import require_prompts
from holdfast.endings import require_ending
from holdfast.evaluate.other_forms import form_line, is_served
from holdfast.intervene.edit.options import SteeringOptions
from holdfast.judge.options import REFUSAL_RULES
from holdfast.models.options import GenerateOptions, ServedOptions
from holdfast.option_groups import MEASURED
from holdfast.pipeline.options import JudgeOptions, MeasureOptions, SuiteFiles
from holdfast.printable import printable
from holdfast.prompts.readable import require_readable

if TYPE_CHECKING:
    from holdfast.evaluate.agreement import Agreement
    from holdfast.outcomes import Evaluation
    from holdfast.pipeline.recipe import Recipe


def evaluate(
    model: str | None = None,
    *,
    judge: SafetyJudge = REFUSAL_RULES,
    out: Path,
    second_judge: Judge = None,
    refusal_judge: Judge = None,
    judge_card: JudgeCards = (),
    suite: Suite = SuiteFiles(),
    measures: Measures = MeasureOptions(),
    lm_eval: Annotated[tuple[str, ...], Parameter(name="--lm-eval"), MEASURED] = (),
    include_path: Annotated[Path | None, Parameter(name="--lm-eval.include-path"), MEASURED] = None,
    judging: Judging = JudgeOptions(),
    served: Served = ServedOptions(),
    generate: Generation = GenerateOptions(),
    steer: Steer = SteeringOptions(),
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """Measure attack success, refusals, over-refusal, utility and perplexity of a checkpoint.

    Example: holdfast evaluate testbed:aligned --judge testbed:guard --harmful testbed:harmful_seen
    --harmless testbed:harmless --questions testbed:questions --generate.max-new-tokens 32 --out evaluation.json

    Parameters
    ----------
    model
        A folder, a hub id, testbed:NAME or a GGUF file. MODEL#NAME=VALUE sets an argument of its chat template.
    out
        File for the evaluation with every answer (JSON).
    second_judge
        Second judge. Prints how far both agree. Its verdicts lie beside --out.
    refusal_judge
        Judge of refusals in place of the refusal rules: api:MODEL, or a classifier with the labels refused and
        answered.
    judge_card
        Card of a judge, from `holdfast judge-card`. Adds rates corrected for the judge's errors. A card at the judge's
        folder is found by itself.
    lm_eval
        Tasks of the Language Model Evaluation Harness, such as arc_easy. Adds the measures lm_eval/TASK/METRIC.
    include_path
        Folder with YAML files of more such tasks.
    json
        Print one JSON object in place of the table, without the answers.
    """
    require_ending(out, ".json")
    once = Once(exist_ok, "evaluate", out, out, locals())
    if once.says_done(json):
        return
    require_prompts(suite)
    require_readable(*suite.names)
    from holdfast.evaluate.lm_eval_tasks import LmEvalOptions
    from holdfast.pipeline.recipe import Recipe

    _refuse_misfits(judging, judge, second_judge, refusal_judge, judge_card)
    recipe = Recipe(
        model=model, served=served, judge=judge, refusal_judge=refusal_judge, suite=suite, judging=judging,
        generation=generate, measures=measures, steering=steer,
        lm_eval=LmEvalOptions(tasks=lm_eval, include_path=include_path),
    )  # fmt: skip
    evaluation, agreement = _evaluated(recipe, out, second_judge, judge_card)
    once.record()
    _show_evaluation(evaluation, agreement, judge_card, model, out, json)


def _refuse_misfits(
    judging: JudgeOptions, judge: str, second: str | None, refusal: str | None, cards: Sequence[Path]
) -> None:
    """Raises ValueError for judges or cards that cannot be used, before a model is loaded."""
    from holdfast.evaluate.cards import load_card
    from holdfast.pipeline import judges

    if second and judge == REFUSAL_RULES:
        raise ValueError("--second-judge is compared with --judge, which is missing; give --judge as well.")
    judges.refuse_idle(judging, judge, second, refusal)
    judges.require_usable(judging, judge, second, refusal)
    for path in cards:
        load_card(path)


def _evaluated(
    recipe: "Recipe", out: Path, second_judge: str | None, cards: Sequence[Path]
) -> tuple["Evaluation", "Agreement | None"]:
    """Evaluates the model, and measures how far a second judge agrees if there is one."""
    from holdfast.evaluate.cards import cards_of
    from holdfast.pipeline import evaluating, judges

    with shown_progress() as progress:
        second = None
        if second_judge:
            second = evaluating.load_second_judge(second_judge, recipe.suite, out, recipe.judging, progress)
        evaluation = evaluating.evaluate_recipe(
            recipe, out, check=lambda made_by: cards_of(made_by, cards), progress=progress
        )
        again = {"reads_thoughts": recipe.measures.judge_thoughts}
        agreement = judges.second_opinion(evaluation, second, str(second_judge), out, **again) if second else None
    return evaluation, agreement


def _show_evaluation(
    evaluation: "Evaluation",
    agreement: "Agreement | None",
    judge_card: Sequence[Path],
    model: str | None,
    out: Path,
    json: bool,
) -> None:
    """Prints the measures, and warns of what limits them."""
    from holdfast.commands.judge_cards import show_cards
    from holdfast.commands.refusal_hints import high_over_refusal, rare_refusals
    from holdfast.evaluate.cut_off_warning import warning_of_cut_off
    from holdfast.made_by import model_name
    from holdfast.report.schema import rate_json, suite_json

    result, steered = suite_json(evaluation), "steering" in evaluation.made_by
    if agreement:
        ends = {"kappa_low": agreement.kappa_low, "kappa_high": agreement.kappa_high}
        result |= {"second_judge": {"agreement": rate_json(agreement.share), "kappa": agreement.kappa, **ends}}
    cards = show_cards({"": evaluation}, judge_card)
    named = (None if steered else model) or str(model_name(evaluation.made_by))
    shown = table(named, ("measure", "value"), evaluation_rows(evaluation, agreement, in_short=True))
    if cut := warning_of_cut_off(evaluation, "--generate.max-new-tokens"):
        warn(cut)
    if "chat_format" in _generation(evaluation):
        warn(f"{named} has no chat template, so it got the prompts in a plain format; its tuning may differ.")
    lines = (_tried, _system, _form, _steered, rare_refusals, high_over_refusal)
    note = f"{unless_quiet(cards.note)}\nAnswers: {out}{unless_quiet(''.join(line(evaluation) for line in lines))}"
    show(result | cards.result, [shown, *cards.tables], json, note=note.strip())


def _tried(evaluation: "Evaluation") -> str:
    """Writes one line per judge: its verdicts on two exchanges whose right verdict is known."""
    tried = evaluation.made_by.get("tried")
    verdicts = tried.items() if isinstance(tried, Mapping) else ()
    return "".join(
        f"\nTried: the {role.replace('_', ' ')} rated help with a murder {verdict['help']} and a refusal "
        f"{verdict['refusal']}"
        for role, verdict in verdicts
    )


def _system(evaluation: "Evaluation") -> str:
    """Writes a line with the system prompt that the chat template added. Empty if it added none."""
    system = evaluation.made_by.get("system_prompt")
    return f"\nThe chat template adds a system prompt: {printable(repr(system))}" if system else ""


def _form(evaluation: "Evaluation") -> str:
    """Writes a line about a GGUF file or a served model, and what was not measured of it. Empty for a checkpoint."""
    line = form_line(evaluation.made_by)
    missing = " Not measured: what needs the weights, such as perplexity." if is_served(evaluation.made_by) else ""
    return f"\nThe model: {line}.{missing}" if line else ""


def _steered(evaluation: "Evaluation") -> str:
    """Writes a line about the steering, and how to see its effect. Empty without any."""
    from holdfast.evaluate.steered import steering_words

    words = steering_words(evaluation.made_by)
    return (
        f"\nSteered by {words}. Compare with an evaluation without it to see which prompts it moves." if words else ""
    )


def _generation(evaluation: "Evaluation") -> Mapping[str, object]:
    """Returns the settings that the responses were generated with."""
    settings = evaluation.made_by.get("generation")
    return settings if isinstance(settings, Mapping) else {}


MOST_SMALL = 3
"""Number of categories of few prompts that a table lists. More are counted in one row."""


def evaluation_rows(
    evaluation: "Evaluation", agreement: "Agreement | None" = None, *, in_short: bool = False
) -> list[tuple[str, object]]:
    """Lists each measure in words with its rate, and the agreement of two judges where there is one.

    In short, details such as the length of the responses share one row.
    """
    from holdfast.measure_names import is_detail, mark_of, measure_words
    from holdfast.report.schema import with_ends
    from holdfast.report.words import ordered, perplexity_words, rate_words

    measure, safety = evaluation.safety
    rates = {measure: safety, "over_refusal": evaluation.over_refusal, "utility": evaluation.utility}
    rates |= ({"task": evaluation.task} if evaluation.task else {}) | dict(evaluation.groups)
    texts = {name: rate_words(rate) for name, rate in rates.items() if rate.n or rate.unscored}
    marks = {name: mark_of(name, rate.n) for name, rate in rates.items()}
    if evaluation.perplexity:
        texts["perplexity"] = perplexity_words(evaluation.perplexity, evaluation.perplexity_rate)
    elif evaluation.perplexity_rate:
        texts["perplexity"] = rate_words(evaluation.perplexity_rate)
    small = [name for name, mark in marks.items() if mark and name in texts]
    folded = small if len(small) > MOST_SMALL else []
    details = [name for name in texts if in_short and is_detail(name, texts)]
    rows: list[tuple[str, object]] = [
        (f"{measure_words(name)}{marks.get(name, '')}", text)
        for name, text in ordered(texts)
        if name not in (*folded, *details)
    ]
    rows += [("lengths, cut off answers and other details", f"{len(details)}, listed with --json")] if details else []
    rows += [("categories of few prompts", f"{len(folded)}, listed with --json")] if folded else []
    if agreement:
        known = with_ends(agreement.kappa, agreement.kappa_low, agreement.kappa_high, ".2f")
        kappa = "undefined: both say always the same" if agreement.kappa is None else known
        rows += [("agreement of the judges", agreement.share), ("kappa", kappa)]
    return rows
