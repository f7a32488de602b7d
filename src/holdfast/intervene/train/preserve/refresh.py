"""Refresh: every N steps training selects a new mask from the current model, and holds that one   (N = 100)

Training changes which weights matter most, so a mask made at the start goes out of date. arXiv 2604.14010 therefore
selects neurons again, and the form for weights is ours. Entries that a new mask adds are held at their present values,
and those that it leaves out are trained from then on. So an entry keeps its bits between two refreshes, and not from
start to end.

Training must not import the code that scores weights, so the caller gives the function that makes a mask.
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
