"""The record that the agent leaves when it does not start or has ended; the launcher reads it as data.

A record is a line of its own, ``golem-launcher-agent {"kind": …, "what": …}``: ``kind`` is one of those below, and
``what`` says it to a person. The command that starts the agent writes one to its errors when it refuses; the command
``--last-words`` prints one, with ``log``, the last line of what ran there, when everything has ended.
"""

from __future__ import annotations

import json
from typing import NamedTuple

MARK = "golem-launcher-agent "
LARGEST = 8192

CONFIGURATION, IMAGE, PORT = "configuration", "image", "port"
"""Why it did not start: what it was asked for is wrong; the image lacks something; a port is taken."""
RUNS = "runs"
"""It has not ended; ``what`` is what it said last."""
DEADLINE, TOLD, OVER, CRASHED, FAILED = "deadline", "told", "over", "crashed", "failed"
"""Why it has ended: in time, as told, as the workload ended in order or crashed too often; or the agent failed."""
SHELL = "shell"
"""Said before the agent by the shell that starts it: an image without a shell says nothing at all."""
STARTS = frozenset({SHELL, CONFIGURATION, IMAGE, PORT})
ENDS = frozenset({DEADLINE, TOLD, OVER, CRASHED, FAILED})


class Report(NamedTuple):
    """One record."""

    kind: str
    what: str
    log: str = ""

    @property
    def line(self) -> str:
        """The report as the line that is written."""
        return f"{MARK}{json.dumps(self._asdict())}\n"


def read(text: str) -> Report | None:
    """The record in what a command wrote, the last where there are several; ``None`` where there is none of ours.

    ``text`` may be anybody's: what is in the record is theirs, to be cleaned before it is shown.
    """
    lines = [line for line in text.splitlines() if line.startswith(MARK)]
    if not lines or len(lines[-1]) > LARGEST:
        return None
    try:
        value = json.loads(lines[-1][len(MARK) :])
        found = Report(**{name: value.get(name, "") for name in Report._fields})
    except (ValueError, RecursionError, AttributeError):
        return None
    known = found.kind in (*STARTS, *ENDS, RUNS) and isinstance(found.what, str) and isinstance(found.log, str)
    return found if known else None
