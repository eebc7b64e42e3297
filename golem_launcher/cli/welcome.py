"""What ``golem-launcher`` alone says: what runs, and where to start."""

from __future__ import annotations

import contextlib

from golem_launcher.cli.terminal.command_io import reports_errors, say

_START = """\
Where to start:
  golem-launcher page          the page in your browser: a form, and one click
  golem-launcher start --wait  a JupyterLab on a network of this computer; free
  golem-launcher demo          a machine dies before your eyes, nothing is lost
  golem-launcher doctor        what is missing here, and what to do about it
  golem-launcher --help        all commands"""


@reports_errors
def welcome() -> None:
    """Say it. Nothing is started."""
    from golem_launcher.cli.sessions.session_table import print_sessions
    from golem_launcher.errors import SessionNotFound
    from golem_launcher.session.on_disk.liveness import alive
    from golem_launcher.session.on_disk.session_paths import SessionPaths, session_paths
    from golem_launcher.session.on_disk.session_summary import summary

    found = []
    for place in map(SessionPaths, session_paths()):
        with contextlib.suppress(SessionNotFound):  # removed meanwhile
            if not place.is_settled and alive(place):
                found.append(summary(place))
    if found:
        print_sessions(found)
        say("\nOpen one: golem-launcher open NAME. End it: golem-launcher stop NAME.\n")
    else:
        say("Golem Launcher: a full JupyterLab on somebody else's computer. Nothing runs.\n")
    say(_START)
