"""How a session's JupyterLab is shown in browsers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.access.lab_frontend import tell_nobody

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.open_documents import OpenDocuments


@dataclass(frozen=True)
class LabView:
    """What link and hub port need to show JupyterLab; other workloads are shown as they are."""

    documents: OpenDocuments
    """Where its open pages are listened to."""
    extensions: bool = False
    """Whether the front-end extensions that are installed at the provider are shown."""
    hub_extensions: bool = False
    """Whether they are shown on a hub's origin too, where their scripts could do more."""
    left_out: Callable[[tuple[str, ...]], None] = tell_nobody
    """Called with the names of those that are not shown."""
