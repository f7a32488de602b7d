"""Where a parameter lies, told by its name alone: scores and masks come without their model."""

Place = tuple[int | None, str]
"""A layer, None outside the layers, and a path inside it."""


def by_layer(place: Place) -> tuple[bool, int, str]:
    """Sorts places in the order of layers; what lies outside the layers comes last."""
    layer, path = place
    return layer is None, layer or 0, path


def layer_and_path(name: str) -> Place:
    """The layer of a parameter, and its path inside the layer without numbers, e.g. (3, 'mlp.experts.down_proj').

    The layer is the first number in the name; those after it count experts. A name without one lies outside the layers.
    """
    words = name.split(".")
    first = next((place for place, word in enumerate(words) if word.isdigit()), None)
    inside = words if first is None else words[first + 1 :]
    path = ".".join(word for word in inside if not word.isdigit() and word not in ("weight", "bias"))
    return (None if first is None else int(words[first])), path
