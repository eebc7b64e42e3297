"""How large files go between browsers and a session's JupyterLab, where there is a faster way than the tunnel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.lab.uploads import ActiveUploads
    from golem_launcher.access.sockets.in_process_stream import Stream


@dataclass(frozen=True)
class LargeFiles:
    """The large files of one session, shared by everything that serves its JupyterLab."""

    connect: Callable[[], Awaitable[Stream]]
    """Connects to JupyterLab for one question, whose answer may be long. Raises ``AccessError`` or ``OSError``."""
    uploads: ActiveUploads
    """Takes the parts of files that pages send there."""
