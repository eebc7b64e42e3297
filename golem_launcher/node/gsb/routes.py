"""Routes an address to the longest registered prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

_Owner = TypeVar("_Owner")
_MOST_REMEMBERED: Final = 1024


class Routes(Generic[_Owner]):
    """Prefixes and their owners. Answers are remembered: the same few addresses carry thousands of frames a second."""

    def __init__(self) -> None:
        self._owners: dict[str, _Owner] = {}
        self._remembered: dict[str, tuple[str, _Owner] | None] = {}

    def add(self, prefix: str, owner: _Owner) -> bool:
        """Add a prefix; ``False`` when it is taken."""
        if prefix in self._owners:
            return False
        self._owners[prefix] = owner
        self._remembered.clear()
        return True

    def remove(self, prefix: str) -> bool:
        """Remove a prefix; ``False`` when it was not there."""
        self._remembered.clear()
        return self._owners.pop(prefix, None) is not None

    def get(self, prefix: str) -> _Owner | None:
        """The owner of exactly this prefix."""
        return self._owners.get(prefix)

    def find(self, address: str) -> tuple[str, _Owner] | None:
        """The longest prefix of an address and its owner."""
        try:
            return self._remembered[address]
        except KeyError:
            pass
        found = self._search(address)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[address] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._owners))

    def __len__(self) -> int:
        return len(self._owners)

    def _search(self, address: str) -> tuple[str, _Owner] | None:
        prefix = address
        while prefix:
            owner = self._owners.get(prefix)
            if owner is not None:
                return prefix, owner
            prefix = prefix.rpartition("/")[0]
        return None
