"""Refresh: every N steps the mask is selected anew from the model in training, and the new one is held   (N = 100)

Training changes which weights matter most, so a mask of the start grows old (arXiv 2604.14010, which selects neurons
anew; the form for weights is ours). Entries that a new mask adds are held at their present values, and those that it
leaves out are trained from then on. So an entry keeps its bits between two refreshes, and not from start to end.

The scores lie on the same floor as training, so the caller gives the function that makes a mask.
"""

from transformers import TrainerCallback

from holdfast.intervene.hold.callback import ProtectCallback
from holdfast.intervene.train.holds import REFRESHED
from holdfast.intervene.train.parts import Parts, Start


def _make(start: Start) -> TrainerCallback:
    if start.refresh is None or start.mask is None:
        raise ValueError(
            "method refresh needs a function that makes a new mask and got none; give "
            "refresh=holdfast.top_mask_refresh(tokenizer, None, refusals)."
        )
    # `start.py` has checked that the mask belongs to this model, or this is a resumed run of the same settings.
    every = start.options.refresh_every
    return ProtectCallback(start.mask, refresh=start.refresh, every=every, check_base=False, quiet=True)


PARTS = Parts(hold=REFRESHED, callbacks=(_make,))
