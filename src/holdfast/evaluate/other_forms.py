"""Evaluations of a model in another form than its checkpoint: a GGUF file, or a model behind a server.

Such a form has a chat template, end tokens or sampling of its own. They are part of what is shipped, so a comparison
with the checkpoint itself is allowed, and says what else differs than the weights.
"""

from collections.abc import Iterator, Mapping

from holdfast.made_by import Meta, model_name
from holdfast.outcomes import Evaluation
from holdfast.printable import printable

OWN = ("rendering", "responses")
"""Entries of `made_by` that belong to the form: the rendered prompts, and the end tokens of responses."""


def comparable(before: Meta, after: Meta) -> tuple[Meta, Meta]:
    """Leaves out what the form of one of the two decides, so that the rest of their settings can be compared.

    Two checkpoints come back unchanged. Of a served model's generation only the settings that both name remain.
    """
    if not any(_is_gguf(one) or is_served(one) for one in (before, after)):
        return before, after
    kept = [{name: entry for name, entry in one.items() if name not in OWN} for one in (before, after)]
    if is_served(before) or is_served(after):
        settings = [_mapping(one.get("generation")) for one in kept]
        common = settings[0].keys() & settings[1].keys()
        for one, given in zip(kept, settings, strict=True):
            one["generation"] = {name: given[name] for name in sorted(common)}
    return kept[0], kept[1]


def warnings_of_form(before: Evaluation, after: Evaluation) -> list[str]:
    """Says what differs between two evaluations beside the weights, where one is of a GGUF file or a served model."""
    both = {"before": before.made_by, "after": after.made_by}
    served = [_served_words(when, made_by) for when, made_by in both.items() if is_served(made_by)]
    if served or not any(map(_is_gguf, both.values())):
        return served
    other = list(_other_parts(before.made_by, after.made_by))
    if not other:
        return []
    return [
        f"a GGUF file holds a chat template and end tokens of its own, and {' and '.join(other)} of the two "
        "evaluations differ, so their difference is not of the weights alone."
    ]


def form_line(made_by: Meta) -> str | None:
    """Describes a GGUF file or a served model in one line. None for a checkpoint."""
    model, served = _mapping(made_by.get("model")), _mapping(made_by.get("served"))
    if served:
        return printable(f"served as {model.get('name')} at {served.get('address')}, with {form_words(served)}")
    gguf = _mapping(model.get("gguf"))
    words = f"a GGUF file of {gguf.get('quantisation')} weights, dequantised {gguf.get('dequantised')}"
    return printable(words) if gguf else None


def form_words(served: Mapping[str, object]) -> str:
    """Names the chat template and the sampling of a served model, from the entry `served` of its evaluation."""
    return f"{served.get('chat_template')} chat template and sampling: {served.get('sampling')}"


def is_served(made_by: Meta) -> bool:
    """True for the evaluation of a model behind a server."""
    return isinstance(made_by.get("served"), Mapping)


def _is_gguf(made_by: Meta) -> bool:
    return "gguf" in _mapping(made_by.get("model"))


def _served_words(when: str, made_by: Meta) -> str:
    served = _mapping(made_by.get("served"))
    return printable(
        f"the evaluation {when} is of the served model {model_name(made_by)!r} at {served.get('address')}, with "
        f"{form_words(served)}, so the difference is that of all that is served, not of the weights alone."
    )


def _other_parts(before: Meta, after: Meta) -> Iterator[str]:
    """Yields the parts in which the two forms differ, as far as both files name them."""
    renderings = [_mapping(one.get("rendering")) for one in (before, after)]
    if any(renderings[0][name] != renderings[1][name] for name in renderings[0].keys() & renderings[1].keys()):
        yield "the rendered prompts"
    ends = [_mapping(one.get("responses")).get("end_ids") for one in (before, after)]
    if None not in ends and ends[0] != ends[1]:
        yield "the end tokens"


def _mapping(entry: object) -> Mapping[str, object]:
    return entry if isinstance(entry, Mapping) else {}
