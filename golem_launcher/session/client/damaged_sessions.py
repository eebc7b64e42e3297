"""The check of ``doctor`` for sessions of this computer whose files can't be read."""

from __future__ import annotations

from golem_launcher.node.doctor_check import Check, Verdict
from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.units import counted
from golem_launcher.untrusted_text import clean_line

NAME = "sessions"
_MOST_NAMED = 5


def check() -> Check:
    """Name the sessions whose files are damaged, for ``golem-launcher doctor``. Blocking."""
    found = list(session_directories())
    damaged = {directory.name: names for directory in found if (names := client.damaged(directory))}
    if not damaged:
        return Check(NAME, Verdict.OK, f"The files of {counted(len(found), 'session')} can be read.")
    words = [f"{name} ({', '.join(names)})" for name, names in list(damaged.items())[:_MOST_NAMED]]
    more = f" and {len(damaged) - _MOST_NAMED} more" if len(damaged) > _MOST_NAMED else ""
    return Check(
        NAME,
        Verdict.WARN,
        clean_line(f"Files of sessions are damaged: {'; '.join(words)}{more}."),
        "golem-launcher stop NAME ends what runs of it and mends its state. Its saves are not touched: see workspaces.",
    )
