"""The bills of sessions whose files are deleted: a line of each is kept, so that the ledger has all that was paid.

Who writes holds the lock of the sessions' directory. Everything here blocks.
"""

from __future__ import annotations

import contextlib

from pydantic import ValidationError

from golem_launcher import paths
from golem_launcher.errors import LauncherError
from golem_launcher.session.on_disk.bill import Bill, bill_of
from golem_launcher.session.on_disk.directory import SessionDirectory, read_lines

_FILE = ".ledger.jsonl"


def note(directory: SessionDirectory) -> None:
    """Keep a session's bill as it is known now; one that can't be read is left out. Raises ``OSError``."""
    with contextlib.suppress(LauncherError):
        line = bill_of(directory).model_dump_json()
        with (paths.sessions_directory() / _FILE).open("ab") as file:
            file.write(line.encode() + b"\n")


def noted() -> list[Bill]:
    """What was kept, the newest first; a line that is damaged is passed over."""
    found: list[Bill] = []
    lines, end = read_lines(paths.sessions_directory() / _FILE, 0)
    while lines:
        for line in lines:
            with contextlib.suppress(ValidationError):
                found.append(Bill.model_validate_json(line))
        lines, end = read_lines(paths.sessions_directory() / _FILE, end)
    return found[::-1]
