"""A generic registry that maps names to items. It rejects duplicates and lists the known names in errors."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from holdfast.spelling import meant

Item = TypeVar("Item")


class Registry(Generic[Item]):
    """Items of one kind by name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, Item] = {}

    def register(self, name: str) -> Callable[[Item], Item]:
        """Returns a decorator that registers its argument under `name`.

        Raises:
            ValueError: the name is registered already.
        """

        def add(item: Item) -> Item:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is already registered; choose another name.")
            self._items[name] = item
            return item

        return add

    def __getitem__(self, name: str) -> Item:
        if name not in self._items:
            raise ValueError(f"unknown {self.kind} {name!r}; {meant(name, self)}.")
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))

    def registered(self) -> tuple[Item, ...]:
        """Returns everything in the order of registration."""
        return tuple(self._items.values())
