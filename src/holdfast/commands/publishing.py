"""Writes what is published of an evaluation or a run: cards, prompt sets, results for the hub, and recipes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from holdfast.artifacts import load_evaluation, save_json, save_text
from holdfast.commands.console import show, table, unless_quiet
from holdfast.commands.judge_cards import ShownCards, show_cards
from holdfast.commands.publish_options import PublishOptions
from holdfast.evaluate.consistent import require_consistent
from holdfast.json_files import JsonObject
from holdfast.judge.options import REFUSAL_RULES
from holdfast.made_by import Meta
from holdfast.outcomes import Evaluation
from holdfast.pipeline.outputs import refuse_existing
from holdfast.pipeline.run.config import RunConfig
from holdfast.report.evaluation_card import CardContent, render_card
from holdfast.report.hub_results import HubResult, hub_results, parse_benchmark, require_address, to_yaml
from holdfast.report.prompt_sets import described
from holdfast.report.subject import short_name


@dataclass
class Published:
    """Lines, tables and entries for JSON on what was written."""

    lines: list[str] = field(default_factory=list)
    tables: list[RenderableType] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    page: JsonObject | None = None
    """Cards of the judges and corrected rates for the page. None without a card."""


def publish(
    path: Path, outputs: PublishOptions, judge_cards: Sequence[Path], figures: Path | None, as_json: bool
) -> None:
    """Writes the outputs of one evaluation and shows what was written."""
    if figures is not None:
        raise ValueError("an evaluation has no figures, which show a run; leave out --figures, or give a run's folder.")
    if outputs.source is not None:
        require_address(outputs.source)
    evaluation = load_evaluation(path)
    require_consistent(evaluation, repr(str(path)))
    benchmarks = dict(map(parse_benchmark, outputs.benchmark))
    about, other = _about(evaluation.made_by), outputs.allow_other_set
    results, left_out = hub_results(evaluation, about, benchmarks, allow_other_set=other)
    cards = show_cards({"": evaluation}, judge_cards)
    written: dict[str, Any] = {}
    if outputs.reproduce:
        from holdfast.pipeline.reproducing import reproduction_of

        save_json(outputs.reproduce, reproduction_of(evaluation, repr(str(path))))
        written["recipe for `holdfast reproduce`"] = outputs.reproduce
    if outputs.card:
        save_text(outputs.card, render_card({"": evaluation}, _content(cards, results)))
        written["card"] = outputs.card
    if outputs.prompts:
        save_json(outputs.prompts, _prompts(evaluation, str(path)))
        written["prompt sets"] = outputs.prompts
    if outputs.eval_results:
        for file in _save_results(results, outputs.eval_results, outputs.source):
            written[f"results for the hub, {file.stem}"] = file
        written |= {f"not for the hub, {line.partition(':')[0]}": line.partition(": ")[2] for line in left_out}
    result = {"evaluation": str(path), "written": {name: str(place) for name, place in written.items()}}
    rows = [(name, str(place)) for name, place in written.items()]
    show(
        result | cards.result,
        [table(f"Published of {path}", ("what", "where"), rows), *cards.tables],
        as_json,
        unless_quiet(cards.note),
    )


def publish_run(
    config: RunConfig, folder: Path, judge_cards: Sequence[Path], card: Path | None, prompts: Path | None
) -> Published:
    """Writes the card and the prompt sets of a run, and shows the cards of its judges."""
    from holdfast.pipeline.run.evaluations import evaluations_of

    evaluations = evaluations_of(config, folder)
    if not evaluations:
        if card or prompts:
            raise ValueError(
                f"{str(folder)!r} holds no evaluation yet; run it first, or leave out --card and --prompts."
            )
        return Published()
    cards = show_cards(evaluations, judge_cards)
    done = Published(unless_quiet(cards.note).splitlines(), list(cards.tables), cards.result, cards.page())
    if card:
        save_text(card, render_card(evaluations, _content(cards, ())))
        done.lines.append(f"Card: {card}")
    if prompts:
        save_json(prompts, _prompts(next(iter(evaluations.values())), str(folder)))
        done.lines.append(f"Prompt sets: {prompts}")
    return done


def _content(cards: ShownCards, results: Sequence[HubResult]) -> CardContent:
    return CardContent(cards.corrected_words(), cards.markdown, results)


def _prompts(evaluation: Evaluation, name: str) -> dict[str, Any]:
    """Describes the prompt sets of an evaluation, with the hashes of the prompts as they were rendered."""
    sets = evaluation.made_by.get("prompt_sets")
    if not isinstance(sets, Mapping):
        raise ValueError(
            f"{name!r} does not record its prompt sets, as files of earlier versions and of `holdfast verify` do not; "
            "evaluate the checkpoint with `holdfast evaluate`."
        )
    return {"sets": described(sets), "rendered_sha256": evaluation.made_by.get("rendering")}


def _save_results(results: Sequence[HubResult], folder: Path, source: str | None) -> list[Path]:
    files = [folder / f"{result.measure}.yaml" for result in results]
    for file in files:
        refuse_existing(file)
    for result, file in zip(results, files, strict=True):
        save_text(file, to_yaml([result.entry(source)]))
    return files


def _about(made_by: Meta) -> str:
    """Writes the judge, the settings of generation and the version in one line."""
    entry, generation = made_by.get("judge"), made_by.get("generation")
    judge = short_name(str(entry["name"])) if isinstance(entry, Mapping) else f"{REFUSAL_RULES} rules"
    settings = generation if isinstance(generation, Mapping) else {}
    temperature = settings.get("temperature")
    decoding = "greedy" if temperature == 0 else f"temperature {temperature}"
    limit, version = settings.get("max_new_tokens"), made_by.get("holdfast")
    return f"judge {judge}, {decoding}, at most {limit} tokens, holdfast {version}"
