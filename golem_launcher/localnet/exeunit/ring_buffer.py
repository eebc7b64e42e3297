"""The 4 KiB ring buffer between a program and its exe-unit, as in the init of Golem's VM.

A program that writes more than that between two looks loses the oldest of it, without a word.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RING_BYTES = 4096
_LOOK_SECONDS = 0.02


class Ring:
    """Passes one output stream of a program on, as much of it as the ring holds."""

    def __init__(self, pass_on: Callable[[bytes], None]) -> None:
        self._pass_on = pass_on
        self._kept = bytearray()
        self._look: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        """The program wrote; in an event loop."""
        self._kept += data
        del self._kept[:-RING_BYTES]
        if self._look is None and self._kept:
            self._look = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self.fetch)

    def fetch(self) -> None:
        """Look now: what is kept goes on. To be called at the program's end."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        kept, self._kept = bytes(self._kept), bytearray()
        if kept:
            self._pass_on(kept)
