"""Derives the layer and the component of a parameter from its name, since scores and masks come without a model."""

from collections.abc import Collection, Iterable, Sequence

Place = tuple[int | None, str]
"""A layer, None outside the layers, and a path inside it."""


USUAL_ORDER = (
    *("self_attn", "attn", "attention", "self_attention"),
    *("q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj", "gate_proj", "up_proj", "gate_up_proj", "down_proj"),
)
"""Words of paths in the order in which a model computes them. Other words come after these."""


def by_layer(place: Place) -> tuple[bool, int, list[tuple[int, str]]]:
    """Sorts places by layer, as a sort key. Places outside the layers come last."""
    layer, path = place
    return layer is None, layer or 0, as_computed(path)


def as_computed(path: str) -> list[tuple[int, str]]:
    """Sorts paths inside a layer in the order in which a model computes them, as a sort key."""
    ranks = {word: rank for rank, word in enumerate(USUAL_ORDER)}
    return [(ranks.get(word, len(ranks)), word) for word in path.split(".")]


def layer_and_path(name: str) -> Place:
    """Returns a parameter's layer, and its path inside the layer without numbers, e.g. (3, 'mlp.experts.down_proj').

    The layer is the first number in the name. Later numbers count experts. A name without a number lies outside the
    layers.
    """
    words = name.split(".")
    number_at = next((place for place, word in enumerate(words) if word.isdigit()), None)
    inside = words if number_at is None else words[number_at + 1 :]
    path = ".".join(word for word in inside if not word.isdigit() and word not in ("weight", "bias"))
    return (None if number_at is None else int(words[number_at])), path


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Shortens every path to the fewest last words that tell it apart from the others.

    Experts keep the word 'experts'.
    """
    split = {path: path.split(".") for path in paths}
    return {path: ".".join(words[-_words_needed(words, split.values()) :]) for path, words in split.items()}


def _words_needed(words: Sequence[str], all_words: Collection[Sequence[str]]) -> int:
    fewest = 2 if words[-2:-1] == ["experts"] else 1
    for length in range(fewest, len(words)):
        if sum(other[-length:] == words[-length:] for other in all_words) == 1:
            return length
    return len(words)
