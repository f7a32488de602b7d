"""Names a model by its weights: SHA-256 over the sorted parameters, each by its name, shape and float32 bits.

A wider dtype does not change a fingerprint. Of float64 weights it covers what float32 holds of them.
"""

import hashlib
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from holdfast.models.shards import whole


def fingerprint(model: nn.Module) -> str:
    """Returns the fingerprint of a model."""
    return fingerprint_of(dict(model.named_parameters()))


def fingerprint_of(
    parameters: Mapping[str, nn.Parameter], hashed: Callable[[int, int], None] = lambda done, total: None
) -> str:
    """Returns the fingerprint of a model with these parameters; reads every weight once.

    Args:
        parameters: the model's, by name.
        hashed: called after each with how many are done, and how many there are.
    """
    return _fingerprints(parameters, lambda name, values: [values], 1, hashed)[0]


def fingerprints_now_and_before(
    model: nn.Module, indices: Mapping[str, Tensor], values_before: Mapping[str, Float[Tensor, " selected"]]
) -> tuple[str, str]:
    """Returns a model's fingerprint, and the one that it has with former values in some entries; reads weights once.

    The second equals the fingerprint of the model as it was where no bit outside these entries has moved since.

    Args:
        model: as it is now.
        indices: flat positions of the entries by parameter.
        values_before: what they held, in the parameters' own dtype.
    """

    def both(name: str, values: Tensor) -> list[Tensor]:
        former = values_before.get(name)
        return [values, values if former is None else values.index_copy(0, indices[name], former.to(values))]

    now, before = _fingerprints(dict(model.named_parameters()), both, 2)
    return now, before


def _fingerprints(
    parameters: Mapping[str, nn.Parameter],
    versions: Callable[[str, Tensor], list[Tensor]],
    num_versions: int,
    hashed: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Returns the fingerprint of each version of a model; `versions` makes them of one parameter, flat and float32."""
    check_present(parameters)
    digests = [hashlib.sha256() for _ in range(num_versions)]
    for done, (name, weight) in enumerate(sorted(parameters.items(), key=lambda item: item[0]), start=1):
        values = whole(weight.detach()).to("cpu", torch.float32).contiguous().view(-1)
        for digest, version in zip(digests, versions(name, values), strict=True):
            digest.update(f"{name}{tuple(weight.shape)}".encode())
            digest.update(version.numpy().data)
        hashed(done, len(parameters))
    return [digest.hexdigest() for digest in digests]


def check_present(parameters: Mapping[str, nn.Parameter]) -> None:
    """Raises ValueError when a parameter has a shape and no values."""
    absent = [name for name, weight in parameters.items() if weight.is_meta]
    if absent:
        raise ValueError(
            f"parameter {absent[0]!r} (and {len(absent) - 1} more) is on the meta device, without values; "
            "load the whole model into memory, without offloading."
        )
