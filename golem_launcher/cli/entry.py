"""Where the program ``golem-launcher`` begins: Ctrl-C is one line from the first moment to the last.

Whatever its output leads to takes whatever is printed.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as golem_launcher itself has it
if TYPE_CHECKING:
    from typing import Any

_INTERRUPTED = 130
_STARTS_SESSIONS = ("start", "run", "sweep")
"""Commands that start a session as soon as they are loaded, if they do."""


def main() -> None:
    """The console script ``golem-launcher``: run the command line and exit with its code."""
    signal.signal(signal.SIGINT, _leave)  # until a command begins (cli/command_io.py) nothing is to be looked after
    _take_every_letter()
    if sys.argv[1:] == ["--version"]:  # needs none of what commands need, which takes longer to load
        from golem_launcher.cli.own_version import own_version

        print(own_version())  # noqa: T201 - all that was asked for
        return
    if sys.argv[1:] == ["list"]:  # likewise: there is nothing to parse
        from golem_launcher.cli.sessions.session_table import list_sessions
        from golem_launcher.cli.terminal.printing import run_alone

        sys.exit(run_alone(list_sessions))
    if sys.argv[1:2] and sys.argv[1] in _STARTS_SESSIONS and not {"-h", "--help"}.intersection(sys.argv):
        from golem_launcher.session.supervision import loaded_ahead

        loaded_ahead.begin()  # which loads on another core what this one does not
    from golem_launcher.cli.main import main as run

    try:
        run()
    finally:
        signal.signal(signal.SIGINT, _leave)  # nor while Python ends


def _take_every_letter() -> None:
    """Have a letter that the user's encoding lacks be a question mark instead of an error: strangers choose names.

    As wide as it was, so that tables stay tables. An output that is closed (``>&-``) is read by nobody, and no error.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for as long as it runs
        else:
            stream.reconfigure(errors="replace")


def _leave(*_: Any) -> None:
    os.write(2, b"Interrupted.\n")
    os._exit(_INTERRUPTED)
