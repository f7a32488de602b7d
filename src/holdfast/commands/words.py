"""Writes the facts of a result in words and rounded, for the terminal. `--json` keeps the keys and every digit."""

from collections.abc import Mapping

WORDS = {
    "out": "output",
    "entries_trained": "weights trained",
    "share_trained": "share of all weights trained",
    "untouched_identical": "all other weights kept every bit",
    "entries_protected": "weights held",
    "protected_identical": "held weights kept every bit",
    "safety_read": "safety exchanges read, repeats included",
    "safety_given": "safety exchanges given",
    "entries_changed": "weights changed",
    "routing_drift": "change of the routing to experts",
    "start_loss": "loss before training, on the last step's batch",
    "saved_loss": "loss of the saved checkpoint, on the last step's batch",
    "patch": "file",
    "entries": "entries in the patch",
    "tensors": "tensors changed",
    "bytes": "size in bytes",
    "bytes_per_entry": "bytes per weight",
    "reversible": "reverts without the base",
    "base": "fingerprint of the base",
    "tuned.name": "leads to",
    "tuned.fingerprint": "fingerprint of what it leads to",
    "old_hash": "hash of the old values",
}
ONLY_JSON = ("first_loss", "last_loss")
"""Facts that the terminal leaves out, because losses of two batches, or before rounding, compare with no other row."""
DIGITS = 3


def facts(result: Mapping[str, object]) -> list[tuple[str, str]]:
    """Makes the rows of a table from a result: the name of each fact in words, and its value."""
    return [(fact_words(name), value_words(value)) for name, value in result.items() if name not in ONLY_JSON]


def fact_words(name: str) -> str:
    """Returns the words for a key, such as 'weights held' for entries_protected. Other keys are spelled out."""
    return WORDS.get(name, name.replace("_", " ").replace(".", ": "))


def value_words(value: object) -> str:
    """Formats a value: whole numbers with separators, others with three digits, booleans as yes or no, lists joined."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(value_words, value)) or "none"
    return str(value)
