"""Names the settings of an evaluation in words, from its `made_by`: responses, prompt sets and rules."""

from collections.abc import Mapping

from holdfast.made_by import Meta

SHOWN_DIGITS = 12
"""Digits of a hash that tables and sentences print."""


def settings_words(made_by: Meta) -> dict[str, str]:
    """Lists the settings that two comparable evaluations have in common, as far as they are recorded."""
    generation, suite, responses = (_mapping(made_by.get(name)) for name in ("generation", "suite", "responses"))
    sets = {name: ", ".join(str(one)[:SHOWN_DIGITS] for one in _listed(hashes)) for name, hashes in suite.items()}
    rules = {"refusals": made_by.get("refusal_judge"), "coherence": _mapping(made_by.get("coherence")).get("rules")}
    found = {
        "responses": ", ".join(
            f"{name} {value}" for name, value in (generation | responses).items() if value is not None
        ),
        "prompt sets": ", ".join(f"{name} {text}" for name, text in sets.items() if text),
        "rules": ", ".join(f"{name} {_short(value)}" for name, value in rules.items() if value),
        "system prompt that the chat template adds": str(made_by.get("system_prompt") or ""),
        "steering": ", ".join(f"{name} {_short(value)}" for name, value in _mapping(made_by.get("steering")).items()),
    }
    return {name: text for name, text in found.items() if text}


def _mapping(entry: object) -> dict[str, object]:
    return {str(name): value for name, value in entry.items()} if isinstance(entry, Mapping) else {}


def _listed(hashes: object) -> list[object]:
    return list(hashes) if isinstance(hashes, list | tuple) else [hashes]


def _short(entry: object) -> str:
    """Returns the name of a judge, or the first digits of the hash of rules."""
    return str(_mapping(entry).get("name") or str(entry)[:SHOWN_DIGITS])
