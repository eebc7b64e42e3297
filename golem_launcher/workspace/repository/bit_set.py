"""A set of numbers below a bound: of ten million it takes a megabyte."""

from __future__ import annotations


class BitSet:
    """A set of numbers below ``many``, empty at first. One thread at a time may change it."""

    def __init__(self, many: int) -> None:
        self._bytes = bytearray((many + 7) // 8)

    def __getitem__(self, number: int) -> bool:
        """Whether it is in."""
        return self._bytes[number >> 3] >> (number & 7) & 1 != 0

    def add(self, number: int) -> None:
        """Add a number."""
        self._bytes[number >> 3] |= 1 << (number & 7)

    def remove(self, number: int) -> None:
        """Remove a number."""
        self._bytes[number >> 3] &= ~(1 << (number & 7))
