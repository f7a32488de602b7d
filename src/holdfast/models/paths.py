"""Where a parameter lies, told by its name alone: scores and masks come without their model."""


def layer_and_path(name: str) -> tuple[int | None, str]:
    """The layer of a parameter, and its path inside the layer without numbers, e.g. (3, 'mlp.experts.down_proj').

    The layer is the first number in the name; those after it count experts. A name without one lies outside the layers.
    """
    words = name.split(".")
    first = next((place for place, word in enumerate(words) if word.isdigit()), None)
    inside = words if first is None else words[first + 1 :]
    path = ".".join(word for word in inside if not word.isdigit() and word not in ("weight", "bias"))
    return (None if first is None else int(words[first])), path
