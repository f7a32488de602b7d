"""Results of comparing a tuned checkpoint with its base, inside and outside a mask: counts, verdict and errors."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from holdfast.counts import agreeing, counted
from holdfast.errors import InvariantError
from holdfast.models.by_layer import ByLayer, Part


@dataclass(frozen=True)
class MovedEntry:
    """A held entry whose value differs."""

    name: str
    index: int
    """Flat index in row-major order."""
    before: float
    after: float


@dataclass(frozen=True)
class Component:
    """Counts for one component of one layer."""

    layer: int | None
    """Number of the layer. None outside the layers."""
    component: str
    entries: int
    held: int
    held_moved: int
    others_moved: int


@dataclass(frozen=True)
class HoldCheck:
    """Result of `check_hold`."""

    components: tuple[Component, ...]
    """Counts by component, in the order of layers. Components outside the layers come last."""
    moved: tuple[MovedEntry, ...]
    """The first held entries that moved. `OnlyMaskCheck` lists the first others."""
    not_compared: tuple[str, ...]
    """Parameters that one of the two checkpoints lacks or stores in another shape. None of them is in the mask."""

    def __str__(self) -> str:
        """Says the result in words, so that `print(check_hold(...))` does."""
        return self.verdict

    def __repr__(self) -> str:
        """Shows only the result, because components and moved entries can be thousands."""
        return f"<{type(self).__name__}: {self.verdict}>"

    def __bool__(self) -> bool:
        """True where every held weight kept its bits, so that `assert check_hold(...)` proves the hold."""
        return not self.held_moved

    @property
    def held(self) -> int:
        """Number of entries that the mask selects."""
        return sum(component.held for component in self.components)

    @property
    def held_moved(self) -> int:
        """Number of held entries that moved. The hold promises 0."""
        return sum(component.held_moved for component in self.components)

    @property
    def entries(self) -> int:
        """Number of entries that were compared."""
        return sum(component.entries for component in self.components)

    @property
    def others_moved(self) -> int:
        """Number of entries outside the mask that moved."""
        return sum(component.others_moved for component in self.components)

    @property
    def verdict(self) -> str:
        """The result in one line of words."""
        others = f"{self.others_moved:,} {agreeing(self.others_moved, 'other', 'others')} moved"
        if self.held_moved:
            where = self._where_moved(lambda component: component.held_moved)
            text = f"{self.held_moved:,} of {self.held:,} held weights moved, {where}; {others}"
        else:
            text = f"{self.held:,} held weights kept every bit; {others}"
        return self._with_not_compared(text)

    def _with_not_compared(self, text: str) -> str:
        alone = len(self.not_compared)
        return f"{text}; {counted(alone, 'parameter')} could not be compared" if alone else text

    def moved_by_layer(self) -> ByLayer:
        """Counts the weights that moved by layer, held or not."""
        return self._by_layer(lambda component: (component.entries, component.held_moved + component.others_moved))

    def held_moved_by_layer(self) -> ByLayer:
        """Counts the held weights that moved by layer, among the held ones."""
        return self._by_layer(lambda component: (component.held, component.held_moved))

    def _by_layer(self, count: Callable[[Component], tuple[int, int]]) -> ByLayer:
        return ByLayer(
            tuple(Part(component.layer, component.component, *count(component)) for component in self.components),
            "moved",
        )

    def _where_moved(self, count: Callable[[Component], int]) -> str:
        """Names the component in which most of the counted entries moved."""
        most = max(self.components, key=count)
        place = most.component if most.layer is None else f"layer {most.layer} {most.component}"
        is_all = count(most) == sum(map(count, self.components))
        return f"all in {place}" if is_all else f"most in {place} ({count(most):,})"

    def as_json(self) -> dict[str, object]:
        """Returns the check as one JSON object."""
        totals = {name: getattr(self, name) for name in ("held", "held_moved", "entries", "others_moved")}
        return totals | asdict(self)

    def refuse_unchanged(self, model: str, accept: str = "allow_unchanged=True") -> None:
        """Raises ValueError when no weight moved at all, because then nothing was tuned and no check could fail.

        Args:
            model: name of the checkpoint that should be the tuned one.
            accept: the option that accepts such a checkpoint.
        """
        if self.held_moved or self.others_moved:
            return
        count = len(self.not_compared)
        alone = f", apart from {counted(count, 'parameter')} that could not be compared" if count else ""
        raise ValueError(
            f"no weight moved at all: {model!r} holds the base's own weights{alone}, so this check could not fail; "
            f"give the tuned checkpoint, or accept this one by {accept}."
        )

    def refuse_moved(self, opposite: str = "check_only_mask_moved") -> None:
        """Raises InvariantError when a held entry moved.

        Args:
            opposite: what checks that only the mask's weights moved, for a model that SET made.
        """
        if self.held_moved:
            entry, only_these = self.moved[0], not self.others_moved and not self.not_compared
            action = (
                f"No other weight moved, as after SET: check that by {opposite}."
                if only_these
                else "Check that the checkpoint, the base and the mask belong to one run, and train again from the "
                "base with the mask held."
            )
            raise InvariantError(
                f"{self.held_moved:,} of {self.held:,} held weights moved, the first is entry {entry.index} of "
                f"{entry.name}: {entry.before!r} before, {entry.after!r} after. {action}"
            )


@dataclass(frozen=True, repr=False)
class OnlyMaskCheck(HoldCheck):
    """Result of `check_only_mask_moved`. The mask's weights may move, and all others must keep every bit."""

    def __bool__(self) -> bool:
        """True where every parameter was compared and no entry outside the mask moved."""
        return not self.others_moved and not self.not_compared

    @property
    def others(self) -> int:
        """Number of entries outside the mask."""
        return self.entries - self.held

    @property
    def verdict(self) -> str:
        """The result in one line of words."""
        of_mask = f"{self.held_moved:,} of the mask's {self.held:,} moved"
        if not self.others_moved:
            return self._with_not_compared(f"{self.others:,} weights outside the mask kept every bit; {of_mask}")
        where = self._where_moved(lambda component: component.others_moved)
        text = f"{self.others_moved:,} of {self.others:,} weights outside the mask moved, {where}; {of_mask}"
        return self._with_not_compared(text)

    def others_moved_by_layer(self) -> ByLayer:
        """Counts the weights outside the mask that moved by layer, among those outside it."""
        return self._by_layer(lambda component: (component.entries - component.held, component.others_moved))

    def refuse_moved(self, opposite: str = "check_only_mask_moved") -> None:
        """Raises InvariantError when an entry outside the mask moved, or a parameter could not be compared.

        Args:
            opposite: without effect.
        """
        if self.others_moved:
            entry = self.moved[0]
            raise InvariantError(
                f"{self.others_moved:,} of {self.others:,} weights outside the mask moved, the first is entry "
                f"{entry.index} of {entry.name}: {entry.before!r} before, {entry.after!r} after. Check that the "
                "checkpoint, the base and the mask belong to one run of SET, and train again from the base."
            )
        if self.not_compared:
            raise InvariantError(
                f"whether only the mask's weights moved is not known: {self.not_compared[0]} is in one checkpoint "
                "alone, or has another shape there; save both checkpoints from one architecture."
            )
