"""B <- C B   where cos(C B A, B A) <= threshold,   C = V V^T / ||V||_F,   V = W_aligned - W_base

SafeLoRA (Hsu et al., NeurIPS 2024, arXiv 2405.16833) projects the change B A of an adapted matrix onto the directions
in which alignment moved that matrix. For LoRA it is an alternative to `restore`. It needs the base model from before
alignment.

C is no projection: C C differs from C, and its size is that of V, so that C B A can be much smaller than B A. The
published code has the same C. Ours makes no matrix of d_out x d_out: with G = A A^T,
<C B A, B A> = sum(C B G * B), and C B = V (V^T B) / ||V||_F.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.intervene.patch.low_rank import WEIGHTS, LowRank, open_adapter
from holdfast.models.stored import StoredModel, StoredParameter
from holdfast.progress import Progress, silent
from holdfast.tensor_files import read_header


@dataclass(frozen=True)
class Projected:
    """One adapted matrix."""

    name: str
    cosine: float | None
    """Cosine of the projected and the unprojected change. None where alignment did not move the matrix, or the adapter
    does not."""
    projected: bool


def project(
    b: Float[Tensor, "d_out rank"], a: Float[Tensor, "rank d_in"], alignment: Float[Tensor, "d_out d_in"]
) -> tuple[Float[Tensor, "d_out rank"], float | None]:
    """Returns C B, and the cosine of C B A with B A. It is None where one of the two is zero."""
    size, inner = alignment.norm(), a @ a.T
    if not size:
        return torch.zeros_like(b), None
    projected = alignment @ (alignment.T @ b) / size
    product = (projected @ inner * b).sum()
    lengths = [((each @ inner) * each).sum().clamp(min=0).sqrt() for each in (projected, b)]
    return projected, float(product / (lengths[0] * lengths[1])) if all(lengths) else None


def write_projected(
    aligned: StoredModel, base: StoredModel, adapter: str, out: Path, threshold: float, progress: Progress = silent
) -> list[Projected]:
    """Copies an adapter's folder, with B projected where the cosine is at most the threshold.

    Raises:
        ValueError: the adapter is no plain LoRA, or the three do not belong to each other.
    """
    changes = open_adapter(adapter, aligned)
    for name in changes:
        _refuse_other_shape(name, aligned, base)
    shutil.copytree(adapter, out)
    stored, _ = read_header(out / WEIGHTS)
    done = []
    for name, change in changes.items():
        alignment = _matrix(aligned.parameters[name], change) - _matrix(base.parameters[name], change)
        projected, cosine = project(change.b, change.a, alignment)
        done.append(Projected(name, cosine, cosine is not None and cosine <= threshold))
        if done[-1].projected:
            place = stored[change.key_b]
            place.write(0, projected.to(place.dtype).flatten())
        progress("projecting matrices", len(done), len(changes))
    return done


def _matrix(parameter: StoredParameter, change: LowRank) -> Float[Tensor, "d_out d_in"]:
    matrix = parameter.read(0, parameter.num_entries).view(parameter.shape).to(torch.float32)
    return matrix.T if change.transposed else matrix


def _refuse_other_shape(name: str, aligned: StoredModel, base: StoredModel) -> None:
    known = base.parameters.get(name)
    if known is None or known.shape != aligned.parameters[name].shape:
        raise ValueError(
            f"{base.name!r} is not the base of {aligned.name!r}: {name} is {known.shape if known else 'absent'} there "
            f"and {aligned.parameters[name].shape} in the aligned model; give the model before alignment."
        )
