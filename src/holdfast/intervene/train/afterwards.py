"""Steps that a method takes after training: it may compare entries with the start, or make a patch."""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.errors import InvariantError
from holdfast.intervene.entries import OTHERS_CHANGED, masked_entries, refuse_changed
from holdfast.intervene.patch.patch import make_patch, selected_values
from holdfast.intervene.train.one_tuning import Tuning
from holdfast.models.fingerprints import fingerprint, fingerprints_now_and_before
from holdfast.values import Patch


@dataclass(frozen=True)
class Finished:
    """The tuned model's fingerprint and patch, after the method's last step."""

    base: str
    """Fingerprint of the tuned model."""
    patch: Patch | None = None
    """The difference to the start, for a method that makes a patch."""
    changed: int | None = None
    """Number of entries of the patch that differ from the start."""


Afterwards = Callable[[Tuning], Callable[[], Finished]]
"""Called before training, to keep values of the start. Returns a function to call on the trained model."""


def nothing(tuning: Tuning) -> Callable[[], Finished]:
    """Leaves the trained model as it is."""
    return lambda: Finished(fingerprint(tuning.model))


def compare_held(tuning: Tuning) -> Callable[[], Finished]:
    """Compares every entry of the mask with the start.

    The returned function raises InvariantError when a bit has changed.
    """
    entries = masked_entries(tuning.model, tuning.selected)
    start = [entry.read() for entry in entries]

    def compare() -> Finished:
        refuse_changed(entries, start)
        return Finished(fingerprint(tuning.model))

    return compare


def make_patch_and_compare_rest(tuning: Tuning) -> Callable[[], Finished]:
    """Makes the patch of the mask's entries and compares all other entries with the start.

    With the former values of the mask's entries put back, the model must have the fingerprint that it was loaded with.
    Then no other bit has changed. The returned function raises InvariantError when one has.
    """
    loaded, mask = tuning.loaded, tuning.selected
    old_values = selected_values(loaded.model, mask, loaded.storage_dtype, loaded.stored_apart, check_base=False)
    former = {entry.name: entry.read_whole() for entry in masked_entries(loaded.model, mask)}

    def finish() -> Finished:
        base, without_patch = fingerprints_now_and_before(loaded.model, mask.indices, former)
        if without_patch != loaded.base:
            raise InvariantError(OTHERS_CHANGED)
        patch = make_patch(old_values, loaded.model, mask, {})
        changed = sum(int((patch.values[name] != old).sum()) for name, old in old_values.items())
        return Finished(base, patch, changed)

    return finish
