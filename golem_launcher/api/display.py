"""Shows a session where its user is: a display that changes in a notebook, lines in a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from golem_launcher.session.reporting.narration import Narration
from golem_launcher.text import clean_line

if TYPE_CHECKING:
    from golem_launcher.kernel.output import Shown
    from golem_launcher.session_state import SessionState


class Display:
    """What is shown while a session gets ready. Made where the user's cell runs."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._narration = Narration()
        self._place: Any = None
        self._shown = ""
        self._in_notebook = in_notebook()

    def show(self, state: SessionState) -> None:
        """The session as it is now."""
        if self._in_notebook:
            from golem_launcher.kernel import cards  # noqa: PLC0415 - the same words as in a notebook of our kernel

            self._put(cards.starting(state, self._title))
        elif sys.stderr.isatty():
            for line in self._narration.lines(state):
                self.tell(line)

    def tell(self, text: str) -> None:
        """A line, whoever reads it: a terminal, a notebook's output, a log."""
        sys.stderr.write(clean_line(text) + "\n")
        sys.stderr.flush()

    def _put(self, shown: Shown) -> None:
        if shown.html == self._shown:
            return
        self._shown = shown.html
        from IPython.display import display  # noqa: PLC0415 - it is there where a notebook is

        if self._place is None:
            self._place = display(bundle(shown), raw=True, display_id=True)
        else:
            self._place.update(bundle(shown), raw=True)


def in_notebook() -> bool:
    """Whether this is a kernel of Jupyter's."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def bundle(shown: Shown) -> dict[str, str]:
    """As Jupyter's messages have it."""
    return {"text/plain": shown.text, "text/html": shown.html}
