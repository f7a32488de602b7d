"""Separates harmful from safe rows by the file's own labels: a column in which every value is a known label.

Some files hold both, such as XSTest. Used as harmful prompts they give their unsafe ones, and otherwise their safe
ones. Labels of rows with a response describe the response, not the prompt.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from holdfast.records import Kind

Side = Literal["harmful", "safe"]

COLUMNS = ("kind", "label", "type", "data_type", "prompt_label", "prompt_harm_label", "group")
"""Columns that may hold such labels. The first that does counts."""
OF_RESPONSES = frozenset({"label"})
"""Columns that describe the response in rows that have one."""
RESPONSES = frozenset({"response", "completion", "output", "answer", "responses"})

_XSTEST = (
    *("homonyms", "figurative_language", "safe_targets", "safe_contexts", "definitions", "historical_events"),
    *("real_group_nons_discr", "nons_group_real_discr", "privacy_public", "privacy_fictional"),
)
_XSTEST_CONTRASTS = ("homonyms", "figurative_language", "safe_targets", "safe_contexts", "definitions", "discr")
_XSTEST_CONTRASTS += ("historical_events", "privacy")
_SIDES: dict[str, Side] = {
    **dict.fromkeys(("harmful", "unsafe", "toxic", "malicious", "adversarial_harmful", "vanilla_harmful"), "harmful"),
    **dict.fromkeys((f"contrast_{name}" for name in _XSTEST_CONTRASTS), "harmful"),
    **dict.fromkeys(("harmless", "safe", "benign", "unharmful", "borderline", "question", "task"), "safe"),
    **dict.fromkeys(("adversarial_benign", "vanilla_benign", *_XSTEST), "safe"),
}


def side_of(value: object) -> Side | None:
    """Returns the side that a label names. None if it names none."""
    return _SIDES.get(str(value).strip().casefold())


def side_for(kind: Kind) -> Side:
    """Returns the side of the prompts that are used as a kind."""
    return "harmful" if kind == "harmful" else "safe"


def find_label_column(rows: Sequence[Mapping[str, object]]) -> str | None:
    """Returns the column that names a side in every row where it is filled in."""
    names = {str(name).strip().casefold(): name for row in rows for name in row}
    has_response = bool(RESPONSES & names.keys())
    for column in COLUMNS:
        if column in names and not (has_response and column in OF_RESPONSES):
            values = {str(row[names[column]]) for row in rows if row.get(names[column]) not in (None, "")}
            if values and all(map(side_of, values)):
                return names[column]
    return None
