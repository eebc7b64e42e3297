"""How a session's JupyterLab is shown in browsers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from golem_launcher.access.lab.lab_frontend import tell_nobody

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.lab.lab_frontend import Served
    from golem_launcher.access.lab.large_files import LargeFiles
    from golem_launcher.access.lab.open_documents import OpenDocuments
    from golem_launcher.access.lab.uploads import Sending
    from golem_launcher.access.last_use import LastUse
    from golem_launcher.access.machine.provider_http import Dial
    from golem_launcher.access.origin_policy import Headers, OriginPolicy
    from golem_launcher.access.sockets.in_process_stream import Stream


class FilesBeside(Protocol):
    """Moves large files between browsers and JupyterLab, past the tunnel. Both raise ``AccessError`` where it can't."""

    async def connect(self, dial: Dial, /) -> Stream:
        """A connection to JupyterLab for one question, whose answer may be long.

        ``dial`` leads to the agent's server. Raises ``OSError`` as well.
        """

    async def begin_upload(self, headers: Headers, /) -> Sending:
        """What has the parts of an upload asked with these headers."""


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
    files: FilesBeside | None = None
    """How large ones go, where there is a faster way than the tunnel."""


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
    use: LastUse | None = None
    """Told when somebody does something there."""
    large: LargeFiles | None = None
    """How large files go, where there is a faster way than by ``dial``."""
