"""Finds the fastest way to continue a model, by trial: its answers in a batch must be those that it gives alone.

Each way is tried once per model, on two short made-up prompts with forced continuations. The file compares the logits
with those of the model's own forward pass over each whole sequence, without padding and without a cache. It takes the
fastest way that agrees:

    in stretches, padded    attention with a cache of keys and values
    unbroken, padded        hybrids and state-space models that mask padding: their state can't be reused or shrunk
    unbroken, not padded    states that padding enters, such as RWKV's: only prompts of equal length share a batch
    without a cache         all others, where `generate` cannot keep a state (xLSTM of some sizes)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedModel

from holdfast.models.continuing import Decoding, Way, continue_rows
from holdfast.models.plain_settings import plain_settings
from holdfast.models.tables import num_token_ids

WAYS = (
    Way(pads=True, in_stretches=True, caches=True),
    Way(pads=True, in_stretches=False, caches=True),
    Way(pads=False, in_stretches=False, caches=True),
    Way(pads=False, in_stretches=False, caches=False),
)
"""All ways, the fastest first. The last one computes what the forward pass does, so it only has to run."""
TOLERANCE = 1e-3
"""Relative error of float32 logits that rounding explains. The largest seen is 3e-5. A wrong state gives 0.1 to 2."""
HALF_TOLERANCE = 0.25
"""Relative error allowed in half precision. The largest seen is 0.07, but rounding can also send a token to other
experts."""
SMALLEST_TABLE = 11
"""Number of token ids tried for a model that names no embedding: one for each place in the scripts."""
_known: WeakKeyDictionary[PreTrainedModel, Way] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Script:
    """A prompt and its forced continuation."""

    prompt: list[int]
    continuation: list[int]


class _Forced(LogitsProcessor):
    """Records the logits of every step and forces the scripts' tokens.

    The rows that remain belong to the last scripts.
    """

    def __init__(self, scripts: Sequence[_Script]) -> None:
        self.scripts = scripts
        self.logits: list[list[Tensor]] = [[] for _ in scripts]

    def __call__(
        self, input_ids: Int[Tensor, "batch token"], scores: Float[Tensor, "batch d_vocab"]
    ) -> Float[Tensor, "batch d_vocab"]:
        """Returns logits that allow one token per row."""
        forced = torch.full_like(scores, -1.0)
        first_row = len(self.scripts) - len(scores)
        for row, script in enumerate(self.scripts[first_row:]):
            recorded = self.logits[first_row + row]
            if len(recorded) < len(script.continuation):
                forced[row, script.continuation[len(recorded)]] = 1.0
                recorded.append(scores[row].float().cpu())
        return forced


@torch.no_grad()
def find_way(model: PreTrainedModel, pad_id: int) -> Way:
    """Returns the fastest way to continue the model's prompts that agrees with its own forward pass.

    Tries once per model.

    Raises:
        ValueError: the model can't be continued at all.
    """
    if model not in _known:
        _known[model] = _try_ways(model, pad_id)
    return _known[model]


def _try_ways(model: PreTrainedModel, pad_id: int) -> Way:
    for way in WAYS[:-1]:
        try:
            if _agrees(model, pad_id, way):
                return way
        except torch.OutOfMemoryError:
            raise
        except Exception:  # a model that can't be continued this way may raise anything
            continue
    try:
        _run(model, pad_id, WAYS[-1])
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{type(model).__name__} can't continue a prompt with its `generate`, with or without a cache ({reason}); "
            "choose a model that can."
        ) from error
    return WAYS[-1]


def _agrees(model: PreTrainedModel, pad_id: int, way: Way) -> bool:
    """Returns True if this way gives the logits of the forward pass, within tolerance."""
    scripts, logits = _run(model, pad_id, way)
    half = model.dtype in (torch.bfloat16, torch.float16)
    with plain_settings(model, set()):
        expected = [_forward(model, script) for script in scripts]
    return all(
        _relative_error(torch.stack(ours), theirs) <= (HALF_TOLERANCE if half else TOLERANCE)
        for ours, theirs in zip(logits, expected, strict=True)
    )


def _run(model: PreTrainedModel, pad_id: int, way: Way) -> tuple[list[_Script], list[list[Tensor]]]:
    """Follows the scripts in stretches of two tokens. The first row ends with one stretch, the second goes on alone."""
    end = (num_token_ids(model) or SMALLEST_TABLE) - 1
    # Ids from all over the table: the first are often special tokens, whose logits are off by half in half precision.
    ids = [end * place // 11 for place in range(1, 11)]
    short = _Script(ids[:2], [ids[2], end])
    long = _Script(ids[1:7] if way.pads else ids[1:3], ids[7:10])
    forced = _Forced([short, long])
    decoding = Decoding(max_new_tokens=3, temperature=0.0, end_ids=frozenset({end}), pad_id=pad_id)
    continue_rows(model, [short.prompt, long.prompt], decoding, way, stretch=2, watch=[forced])
    return [short, long], forced.logits


def _forward(model: PreTrainedModel, script: _Script) -> Float[Tensor, "token d_vocab"]:
    """Returns the logits of the continuation's tokens, from one pass over the whole sequence."""
    sequence = torch.tensor([script.prompt + script.continuation[:-1]], device=model.device)
    logits = model(sequence, use_cache=False).logits[0, len(script.prompt) - 1 :]
    return logits.float().cpu()


def _relative_error(ours: Float[Tensor, "token d_vocab"], theirs: Float[Tensor, "token d_vocab"]) -> float:
    """Returns the root mean square of the difference, divided by that of the logits around their mean.

    It is infinite if the two are not finite in the same places, and 0 if nothing is finite.
    """
    finite = ours.isfinite() & theirs.isfinite()
    if not torch.equal(ours.isfinite(), theirs.isfinite()):
        return torch.inf
    ours, theirs = ours[finite], theirs[finite]
    if not len(theirs):
        return 0.0
    return float((ours - theirs).norm() / (theirs - theirs.mean()).norm().clamp(min=torch.finfo(torch.float32).tiny))
