"""Every exception of Golem Launcher, in one tree.

    LauncherError            what happened, and what to do about it
    ├── RequestError         a request (form, command line, file) asks for something impossible; nothing was started
    ├── NodeError            the user's yagna
    │   ├── NodeStartError   it could not be started
    │   ├── NodeUnreachable  it does not answer, or refuses our key
    │   └── NodeRefused      it answered a request with an error
    ├── BusError             the service bus (GSB)
    │   ├── BusClosed        the connection ended
    │   ├── BusCallError     the other side answered with an error
    │   └── BusProtocolError the other side broke the protocol
    ├── LocalNetError        the embedded network
    ├── ImageError           an image can't be made, or is not what it should be
    ├── ServiceError         a service on the internet (images, reputation) does not answer
    ├── MarketError          no offer fits, or nobody agreed
    ├── BudgetError          the money allowed does not reach
    ├── ProviderError        the provider failed, misbehaved or vanished
    │   ├── ImageBlamed      it says that the image is at fault
    │   ├── ProviderGone     it ended what was agreed, or vanished
    │   └── ProviderSilent   it does not answer
    ├── SessionError         a session
    │   ├── SessionNotFound  no session has that name
    │   ├── SessionNameTaken a session of that name is alive
    │   ├── SessionDamaged   its files can't be read
    │   ├── SessionNotEnded      it was not ended, because something of it is not saved
    │   ├── SupervisorSilent its supervisor lives, and does not answer
    │   └── UsedUp           its time or its budget is over, and it can go on with more
    ├── TaskError            a task of a job failed, or was not done
    ├── AccessError          a way in could not be opened
    └── WorkspaceError       saved work can't be written, read or trusted
        └── NothingToSave    the workspace is empty, and always was

Messages are for the user: ``what`` is one sentence without a trailing newline, ``remedy`` one sentence that
says what to do, or empty when nothing can be done.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as golem_launcher itself has it
if TYPE_CHECKING:
    from collections.abc import Mapping

_GONE = (404, 410)
"""The statuses of HTTP for what there is not, and what there is no more."""

__all__ = [
    "AccessError",
    "BudgetError",
    "BusCallError",
    "BusClosed",
    "BusError",
    "BusProtocolError",
    "ImageBlamed",
    "ImageError",
    "LauncherError",
    "LocalNetError",
    "MarketError",
    "NodeError",
    "NodeRefused",
    "NodeStartError",
    "NodeUnreachable",
    "NothingToSave",
    "ProviderError",
    "ProviderGone",
    "ProviderSilent",
    "RequestError",
    "ServiceError",
    "SessionDamaged",
    "SessionError",
    "SessionNameTaken",
    "SessionNotEnded",
    "SessionNotFound",
    "SupervisorSilent",
    "TaskError",
    "UsedUp",
    "WorkspaceError",
]


class LauncherError(Exception):
    """What happened (``what``) and what to do about it (``remedy``, may be empty)."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()


class RequestError(LauncherError):
    """A request asks for something impossible; ``field`` names the field at fault, when one is.

    ``is_secret``: what was given for it is a secret that belongs nowhere, and is not to be kept or shown.
    """

    def __init__(self, what: str, remedy: str = "", *, field: str | None = None, is_secret: bool = False) -> None:
        super().__init__(what, remedy)
        self.field = field
        self.is_secret = is_secret


class NodeError(LauncherError):
    """The user's yagna."""


class NodeStartError(NodeError):
    """The node could not be started."""


class NodeUnreachable(NodeError):  # noqa: N818 - reads as what it says
    """The node does not answer, or refuses our key."""


class NodeRefused(NodeError):  # noqa: N818
    """The node answered a request with an error; ``status`` is the HTTP status, ``details`` the answer's own fields."""

    def __init__(
        self, what: str, remedy: str = "", *, status: int = 0, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(what, remedy)
        self.status = status
        self.details = details or {}

    @property
    def unknown(self) -> bool:
        """Whether the node said that there is no such thing, or none any more; else it may only be in trouble."""
        return self.status in _GONE


class BusError(LauncherError):
    """The service bus."""


class BusClosed(BusError):  # noqa: N818
    """The connection to the bus ended."""


class BusCallError(BusError):
    """The called service answered with an error; ``code`` is the bus's reply code (400, 500) or 0."""

    def __init__(self, what: str, remedy: str = "", *, code: int = 0) -> None:
        super().__init__(what, remedy)
        self.code = code


class BusProtocolError(BusError):
    """The other side broke the protocol of the bus."""


class LocalNetError(LauncherError):
    """The embedded network."""


class ImageError(LauncherError):
    """An image can't be made, or is not what it should be."""


class ServiceError(LauncherError):
    """A service on the internet does not answer; ``status`` is the HTTP status of what it said, 0 for nothing."""

    def __init__(self, what: str, remedy: str = "", *, status: int = 0) -> None:
        super().__init__(what, remedy)
        self.status = status


class MarketError(LauncherError):
    """No offer fits, or nobody agreed."""


class BudgetError(LauncherError):
    """The money allowed does not reach."""


class ProviderError(LauncherError):
    """The provider failed, misbehaved or vanished."""


class ImageBlamed(ProviderError):  # noqa: N818
    """The provider says that the image lacks what a session needs."""


class ProviderGone(ProviderError):  # noqa: N818
    """The provider ended what was agreed, or vanished: nothing is to be asked of it any more."""


class ProviderSilent(ProviderError):  # noqa: N818
    """The provider does not answer, which may be the way's fault."""


class SessionError(LauncherError):
    """A session."""


class SessionNotFound(SessionError):  # noqa: N818
    """No session has that name."""


class SessionDamaged(SessionError):  # noqa: N818
    """The files of a session can't be read."""


class SupervisorSilent(SessionError):  # noqa: N818
    """The supervisor of a session lives, and did not answer in time."""


class SessionNameTaken(SessionError):  # noqa: N818
    """A session of that name is alive."""


class UsedUp(SessionError):  # noqa: N818
    """The time or the budget of a session or job is over; ``field`` of its request, given anew, has it go on."""

    def __init__(self, what: str, remedy: str = "", *, field: str) -> None:
        super().__init__(what, remedy)
        self.field = field


class TaskError(LauncherError):
    """A task of a job failed, or was not done."""


class AccessError(LauncherError):
    """A way in could not be opened."""


class SessionNotEnded(SessionError):  # noqa: N818
    """A session was not ended though somebody asked for it: something of it is not saved."""


class WorkspaceError(LauncherError):
    """Saved work can't be written, read or trusted."""


class NothingToSave(WorkspaceError):  # noqa: N818
    """The workspace is empty, and always was."""
