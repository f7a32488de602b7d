"""Fingerprints a model: SHA-256 over its sorted parameters, each with its name, shape and float32 bits.

A copy in a wider dtype has the same fingerprint. For float64 weights, it covers only what float32 holds of them.
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
    """Returns the fingerprint of a model with these parameters. Reads every weight once.

    Args:
        parameters: the model's parameters by name.
        hashed: called after each parameter with the number that is done, and the total.
    """
    return _fingerprints(parameters, lambda name, values: [values], 1, hashed)[0]


def fingerprints_now_and_before(
    model: nn.Module, indices: Mapping[str, Tensor], values_before: Mapping[str, Float[Tensor, " selected"]]
) -> tuple[str, str]:
    """Returns a model's fingerprint, and the one that it would have with earlier values in some entries.

    The second equals the earlier model's fingerprint if no bit outside these entries has changed since. Every weight is
    read once.

    Args:
        model: the model as it is now.
        indices: flat positions of the entries by parameter.
        values_before: the earlier values of the entries, in the parameters' own dtype.
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
    """Returns the fingerprint of each version of a model.

    `versions` makes the versions of one flat float32 parameter.
    """
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
    """Raises ValueError if a parameter has a shape but no values."""
    absent = [name for name, weight in parameters.items() if weight.is_meta]
    if absent:
        raise ValueError(
            f"parameter {absent[0]!r} (and {len(absent) - 1} more) is on the meta device, without values; "
            "load the whole model into memory, without offloading."
        )
