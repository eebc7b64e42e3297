"""What a wait for a session prints in a terminal: each stage once as it is entered, and how far a long one is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from golem_launcher.events import Stage

if TYPE_CHECKING:
    from golem_launcher.events import Progress
    from golem_launcher.session_state import SessionState

_ENDING = {
    Stage.SAVING: "What is there is saved a last time",
    Stage.STOPPING: "The provider's bill is waited for, and what is left at the node is given back",
}
"""What an end is at, by its stage."""
_TELL_SECONDS = 2.0
_SAME_SECONDS = 6.0
"""What has not come further is told so seldom, with how long it has taken by now."""


class ProgressLines:
    """Turns states into lines; one of it for each wait."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._at = self._since = time.monotonic()
        self._words = ""

    def lines(self, state: SessionState) -> list[str]:
        """The lines to print for what is new in ``state`` since the last call."""
        found = []
        if state.stage.value not in self._told:
            self._told.add(state.stage.value)
            found.append(f"{state.name}: {state.stage.value} …")
        if state.progress is not None and (words := self._words_of(state.progress)):
            found.append(f"{state.name}: {words}")
        return found

    def _words_of(self, progress: Progress) -> str:
        """How far it is, when that is to be told now."""
        now, words = time.monotonic(), progress.words
        if words == self._words and now - self._at > _SAME_SECONDS:
            self._at = now
            return f"{words} … {now - self._since:.0f} s"
        if words == self._words or now - self._at <= _TELL_SECONDS:
            return ""
        self._words, self._at, self._since = words, now, now
        return words


def meanwhile(state: SessionState) -> tuple[str, float | None]:
    """What a session does that somebody waits for, and how far that is, of 1; no words where that is not known.

    Of a save, a move or an end that was asked for.
    """
    if state.move is not None and not state.move.over:
        progress = state.move.progress
        return state.move.words, progress.share if progress is not None else None
    if state.progress is not None:
        return state.progress.words, state.progress.share
    return _ENDING.get(state.stage, ""), None
