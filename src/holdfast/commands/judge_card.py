"""`holdfast judge-card`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from holdfast.commands.console import Json, show, shown_progress, table, unless_quiet, warn
from holdfast.commands.parameters import Judging
from holdfast.endings import require_ending
from holdfast.json_files import save_json
from holdfast.judge.options import CARD, Role
from holdfast.option_groups import JUDGED
from holdfast.pipeline.options import JudgeOptions
from holdfast.pipeline.outputs import refuse_existing

MOST_UNSCORED = 0.1
"""Share of responses without a verdict from which a card is warned of."""

if TYPE_CHECKING:
    from rich.table import Table

    from holdfast.evaluate.judge_card import JudgeCard


def judge_card(
    judge: str,
    *,
    labels: str,
    out: Path | None = None,
    role: Annotated[Role | None, JUDGED] = None,
    judging: Judging = JudgeOptions(),
    json: Json = False,
) -> None:
    """Measure how far a judge agrees with people, on responses that they labelled.

    Example: holdfast judge-card refusal --labels labelled.csv --out refusal.judge_card.json

    The card shows agreement, Cohen's kappa, precision, recall and false positives with their 95% intervals, for all
    responses, for those to harmful and to safe prompts, and by kind of prompt. `evaluate`, `compare` and `report` take
    it as --judge-card. They show it, and rates that are corrected for the judge's errors beside the measured ones.

    Parameters
    ----------
    judge
        The judge, as in `holdfast evaluate`: refusal (the refusal rules), a folder, a hub id, testbed:NAME or
        api:MODEL.
    labels
        File with a prompt, a response and a label in every row: JSONL, JSON, CSV, TSV or Parquet. FILE#label=COLUMN
        names the column of labels, and FILE#group=COLUMN that of the kinds of prompts.

        - refused, full refusal, partial refusal or complied: labels for a judge of refusals
        - unsafe, harmful, safe or harmless: labels for a judge of harm
    out
        File for the card (JSON). As FOLDER.judge_card.json beside the judge's folder, or as judge_card.json in it, it
        is found without --judge-card.
    role
        Judge of harm (judge) or of refusals (refusal_judge) for api:MODEL, which can be either. Harm by default.
    json
        Print the card as one JSON object in place of tables.
    """
    require_ending(out, ".json")
    if out:
        refuse_existing(out)
    from holdfast.pipeline.judge_card import make_card

    with shown_progress() as progress:
        card = make_card(judge, labels, role=role, options=judging, progress=progress)
    if out:
        save_json(out, card.as_json())
    _warn_of(card)
    show(card.as_json(), _tables(card), json, note=_note(card, out))


def _warn_of(card: "JudgeCard") -> None:
    """Warns of a card from few labels, or from a judge that left many responses without a verdict."""
    from holdfast.evaluate.corrected import LEAST_LABELS, least_labels

    whole = card.whole
    if whole.unscored > MOST_UNSCORED * (whole.n + whole.unscored):
        warn(
            f"the judge has no verdict on {whole.unscored} of {whole.n + whole.unscored} responses, and the card is "
            f"that of the other {whole.n} alone; give a judge that can read them."
        )
    if (least := least_labels(whole)) < LEAST_LABELS:
        warn(
            f"a class has only {least} labels with a verdict; label more responses, because rates are corrected from "
            f"{LEAST_LABELS} of each class on."
        )


def _tables(card: "JudgeCard") -> "list[Table]":
    from holdfast.evaluate.judge_card import HEADER

    rows = [(part, *confusion.cells()) for part, confusion in card.parts().items()]
    title = f"{card.name} against the labels of {card.labels['name']}"
    judged = sorted({verdict for counts in card.verdicts.values() for verdict in counts})
    counted = [(label, *(counts.get(verdict, 0) for verdict in judged)) for label, counts in card.verdicts.items()]
    return [
        table(title, ("prompts", *HEADER), rows),
        table("Responses by label and by the judge's verdict", ("label", *judged), counted),
    ]


def _note(card: "JudgeCard", out: Path | None) -> str:
    """Writes the judge's fingerprint, how to read the numbers unless quiet, and where the card is."""
    explained = [f"{card.counted.capitalize()} is what counts."]
    if card.labels["prompts"] != card.labels["responses"]:
        explained.append(
            f"{card.labels['responses']} responses answer {card.labels['prompts']} prompts. The intervals take them as "
            "independent, so they are too narrow."
        )
    if not out and Path(card.name).is_dir():
        explained.append(f"Nothing was written. --out {card.name}.{CARD} would be found by evaluations.")
    lines = [f"Fingerprint of the judge: {card.fingerprint[:12]}", unless_quiet("\n".join(explained))]
    return "\n".join(filter(None, [*lines, f"Card: {out}" if out else ""]))
