"""Finds the cards of the judges that made an evaluation.

An evaluation has a judge of harm, if any, and a judge of refusals. A card fits if its fingerprint and its reading (the
options of a guard or classifier) are the judge's. A judge that is a folder may have its card in that folder as
judge_card.json, or beside it as FOLDER.judge_card.json. Cards are found there without being named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from holdfast.arguments import checked_call, require_name
from holdfast.evaluate.judge_card import JudgeCard, card_from
from holdfast.file_kinds import identify_record
from holdfast.json_files import load_json
from holdfast.judge.options import CARD, REFUSAL_RULES, Role
from holdfast.made_by import Meta
from holdfast.prompts.labelled import Counted
from holdfast.remedy import remedy
from holdfast.wrong_files import refuse_other

COUNTED: Mapping[Role, Counted] = {"judge": "unsafe", "refusal_judge": "refused"}
"""Verdict that the measures of each judge of an evaluation count."""
REFUSAL_JUDGE_NAME = "refusal_judge_name"
"""Entry of an evaluation's provenance with the name of its judge of refusals. Absent for the refusal rules."""


@checked_call
def load_card(path: str | Path) -> JudgeCard:
    """Loads the card that `holdfast judge-card` wrote. Raises ValueError for another or a damaged file."""
    require_name(path, "a card", "give the file that `holdfast judge-card` wrote")
    path = Path(path)
    record = load_json(path, "judge_card")
    refuse_other(path, identify_record(record), "judge_card")
    try:
        return card_from(record)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        advice = remedy(path, "judge_card")
        raise ValueError(f"{str(path)!r} is the card of a judge, and damaged ({error}); {advice}.") from error


@dataclass(frozen=True)
class JudgeOf:
    """A judge of an evaluation, with its card if it has one."""

    role: Role
    name: str
    fingerprint: str
    reading: Meta
    """Settings by which the judge reads an exchange, such as its template."""
    card: JudgeCard | None = None
    stale: Path | None = None
    """Card at the judge's folder that belongs to another judge, and is not used."""

    @property
    def words(self) -> str:
        """Name with the start of the fingerprint."""
        return f"{self.name} (fingerprint {self.fingerprint[:12]})"

    def why_not(self, card: JudgeCard) -> str | None:
        """Returns the reason why a card is not this judge's. None if it is."""
        if card.counted != COUNTED[self.role]:
            return f"counts {card.counted}"
        if card.fingerprint != self.fingerprint:
            return f"is of the fingerprint {card.fingerprint[:12]}"
        own = card.judge.get("reading")
        for kind, options in own.items() if isinstance(own, Mapping) else ():
            if kind in self.reading and self.reading[kind] != options:
                return f"was measured with other options of the {kind}"
        return None


def cards_of(made_by: Meta, given: Sequence[Path] = ()) -> list[JudgeOf]:
    """Returns the judges of an evaluation, each with the card that was given or lies at its folder.

    Raises:
        ValueError: a given card is of none of the judges, or is no card.
    """
    judges = list(_judges(made_by))
    loaded = {path: load_card(path) for path in given}
    for path, card in loaded.items():
        reasons = [judge.why_not(card) for judge in judges]
        if all(reasons):
            known = " and ".join(judge.words for judge in judges) or "a judge that its file does not name"
            raise ValueError(
                f"the card {str(path)!r} is of another judge: it is of {card.name} for {card.counted!r} (fingerprint "
                f"{card.fingerprint[:12]}), which {_closest(judges, card, reasons)}, and the evaluation was judged by "
                f"{known}; measure that judge with `holdfast judge-card`, or leave the card out."
            )
    return [_with_card(judge, list(loaded.values())) for judge in judges]


def _closest(judges: Sequence[JudgeOf], card: JudgeCard, reasons: Sequence[str | None]) -> str:
    """Words for the reason that comes closest to a match: other options before another fingerprint."""
    same = [why for judge, why in zip(judges, reasons, strict=True) if why and card.fingerprint == judge.fingerprint]
    return same[0] if same else "made none of the verdicts"


def _with_card(judge: JudgeOf, given: Sequence[JudgeCard]) -> JudgeOf:
    fitting = next((card for card in given if judge.why_not(card) is None), None)
    if fitting is not None or judge.name == REFUSAL_RULES:
        return replace(judge, card=fitting)
    folder = Path(judge.name)
    places = (folder / CARD, folder.with_name(f"{folder.name}.{CARD}")) if folder.is_dir() else ()
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return judge
    card = load_card(path)
    return replace(judge, card=card) if judge.why_not(card) is None else replace(judge, stale=path)


def _judges(made_by: Meta) -> Iterator[JudgeOf]:
    """Yields the judge of harm, if any, and the judge of refusals, as far as the evaluation names them."""
    entry = made_by.get("judge")
    if isinstance(entry, Mapping) and "fingerprint" in entry:
        read = entry.get("reading")
        yield JudgeOf("judge", str(entry["name"]), str(entry["fingerprint"]), read if isinstance(read, Mapping) else {})
    if refusals := made_by.get("refusal_judge"):
        yield JudgeOf("refusal_judge", str(made_by.get(REFUSAL_JUDGE_NAME, REFUSAL_RULES)), str(refusals), {})
