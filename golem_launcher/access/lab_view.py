"""How a session's JupyterLab is shown in browsers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.access.lab_frontend import tell_nobody

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.lab_frontend import Served
    from golem_launcher.access.open_documents import OpenDocuments
    from golem_launcher.access.origin_policy import Headers, OriginPolicy
    from golem_launcher.access.streams import Stream
    from golem_launcher.access.use import Use


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


@dataclass(frozen=True)
class RemoteLab:
    """One JupyterLab at a provider, as a link or a hub's port shows it."""

    dial: Callable[[], Awaitable[Stream]]
    """Connects to it."""
    secret: str
    """The session's token."""
    base_url: str = "/"
    extensions: bool = False
    """Whether the provider's front-end extensions are shown."""
    left_out: Callable[[tuple[str, ...]], None] = tell_nobody
    """Called with the names of those that are not shown."""
    attend: Callable[[], Awaitable[Stream]] | None = None
    """Connects to whoever its pages tell of their documents."""
    lead: Callable[[OriginPolicy, str, Headers], Awaitable[Served | None]] | None = None
    """Where a browser is sent that goes to a page of another server in the session."""
    use: Use | None = None
    """Told when somebody does something there."""
