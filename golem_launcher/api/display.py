"""Shows what is waited for where the user is: in a notebook a changing display, in a terminal lines, else nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

from golem_launcher.api.blocking_calls import in_thread, pause_here, result
from golem_launcher.errors import LauncherError
from golem_launcher.progress_rate import SOON_SECONDS
from golem_launcher.session.reporting.progress_lines import ProgressLines
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.kernel.output import Shown
    from golem_launcher.session_state import SessionState

_T = TypeVar("_T")
_CELL_SECONDS, _LINE_SECONDS = 0.5, 2.0


class Display:
    """What is shown while a session gets ready. Made where the user's cell runs."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._progress_lines = ProgressLines()
        self._cell = _Cell() if in_notebook() else None

    def show(self, state: SessionState) -> None:
        """The session as it is now."""
        if self._cell is not None:
            from golem_launcher.kernel import cards  # noqa: PLC0415 - the same words as in a notebook of our kernel

            self._cell.put(cards.starting(state, self._title))
        elif sys.stderr.isatty():
            for line in self._progress_lines.lines(state):
                self.tell(line)

    def tell(self, text: str) -> None:
        """A line, whoever reads it: a terminal, a notebook's output, a log."""
        _print(text)


class Meanwhile:
    """What is shown of a call that takes more than a second. Made where the user's cell runs, when it begins."""

    def __init__(self, title: str, far: Callable[[], tuple[str, float | None]]) -> None:
        """``far``: in words how far it is, and of 1; no words where nobody knows."""
        self._title = title
        self._far = far
        self._cell = _Cell() if in_notebook() else None
        self._began = time.monotonic()
        self._due = self._began + SOON_SECONDS

    def look(self) -> None:
        """Show how far it is, now and then: called again and again while it lasts."""
        if time.monotonic() < self._due:
            return
        words, share = self._words()
        if self._cell is not None:
            from golem_launcher.kernel import cards  # noqa: PLC0415 - as above

            self._due = time.monotonic() + _CELL_SECONDS
            self._cell.put(cards.progress(self._title, words or f"{self._took} by now", share))
        else:
            self._due = time.monotonic() + _LINE_SECONDS
            if sys.stderr.isatty():
                _print(f"{self._title}: {words}" if words else f"{self._title} … {self._took}")

    def over(self) -> None:
        """It is done: what was shown of it says so."""
        if self._cell is not None and self._cell.is_used:
            from golem_launcher.kernel import cards  # noqa: PLC0415 - as above

            self._cell.put(cards.progress(f"{self._title}: done after {self._took}"))

    def _words(self) -> tuple[str, float | None]:
        try:
            return self._far()
        except LauncherError:  # the session's directory is gone: the call itself says what that means
            return "", None

    @property
    def _took(self) -> str:
        return f"{time.monotonic() - self._began:.0f} s"


def waited(title: str, call: Callable[[], _T], far: Callable[[], tuple[str, float | None]] = lambda: ("", None)) -> _T:
    """The answer of a call that blocks, with a :class:`Meanwhile`; an interrupt ends the waiting at once."""
    shown = Meanwhile(title, far)
    answer = result(in_thread(call), pause_here(), shown.look)
    shown.over()
    return answer


class _Cell:
    """A display in a notebook that changes."""

    def __init__(self) -> None:
        self._place: Any = None
        self._shown = ""

    @property
    def is_used(self) -> bool:
        """Whether anything was shown."""
        return self._place is not None

    def put(self, shown: Shown) -> None:
        """Show this now; what is the same is not sent again."""
        if shown.html == self._shown:
            return
        self._shown = shown.html
        from IPython.display import display  # noqa: PLC0415 - it is there where a notebook is

        if self._place is None:
            self._place = display(bundle(shown), raw=True, display_id=True)
        else:
            self._place.update(bundle(shown), raw=True)


def _print(text: str) -> None:
    sys.stderr.write(clean_line(text) + "\n")
    sys.stderr.flush()


def in_notebook() -> bool:
    """Whether this is a kernel of Jupyter's."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def bundle(shown: Shown) -> dict[str, str]:
    """A MIME bundle, as Jupyter's display messages have it."""
    return {"text/plain": shown.text, "text/html": shown.html}
