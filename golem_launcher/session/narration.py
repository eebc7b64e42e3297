"""What is said in a terminal while a session gets ready: each stage once, and how far a long one is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.events import SessionState

_TELL_SECONDS = 2.0


class Narration:
    """Turns states into lines; one of it for each wait."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._at = time.monotonic()

    def lines(self, state: SessionState) -> list[str]:
        """The lines to print for what is new in ``state`` since the last call."""
        found = []
        if state.stage.value not in self._told:
            self._told.add(state.stage.value)
            found.append(f"{state.name}: {state.stage.value} …")
        if state.progress is not None and time.monotonic() - self._at > _TELL_SECONDS:
            self._at = time.monotonic()
            found.append(f"{state.name}: {state.progress.words}")
        return found
