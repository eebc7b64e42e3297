"""Keeps the requests of clients that are not answered completely yet."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golem_launcher.kernel.messages import JupyterMessage

EXECUTE = "execute_request"


@dataclass
class Request:
    """One that a client made, or we on behalf of a cell of its, and that is not answered to its end."""

    channel: str
    identities: list[bytes]
    message: JupyterMessage
    content: dict[str, Any] = field(default_factory=dict)
    """Of an ``execute_request``."""
    cell: Request | None = None
    """The cell that it is a part of."""
    meant: str = ""
    """The command of ours that a line of it misses by a letter or two."""
    aborted: bool = False
    """A cell before it failed."""
    reply: dict[str, Any] | None = None
    """What was replied, read."""
    idle: bool = False
    passed_on: float = field(default_factory=time.monotonic)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def parent(self) -> bytes:
        """The header that its output has as parent."""
        return (self.cell or self).message.frames[0]


class Outstanding:
    """The requests at the kernel over there, by the ids of their messages, and the subshells that it has."""

    def __init__(self) -> None:
        self._requests: dict[str, Request] = {}
        self.subshells: set[str] = set()

    def __bool__(self) -> bool:
        """Whether one waits."""
        return bool(self._requests)

    def add(self, request: Request) -> None:
        """It is passed on now."""
        request.passed_on = time.monotonic()
        self._requests[request.message.id] = request

    def of(self, message: JupyterMessage) -> Request | None:
        """The one that a message from over there belongs to."""
        return self._requests.get(message.parent_id)

    def all(self, *, older_than: float = 0.0) -> list[Request]:
        """Those that wait for more than so many seconds."""
        before = time.monotonic() - older_than
        return [one for one in self._requests.values() if one.passed_on <= before]

    def cells(self) -> list[Request]:
        """Those that run something."""
        return [one for one in self._requests.values() if one.message.kind == EXECUTE]

    def knows_subshell(self, message: JupyterMessage) -> bool:
        """Whether it is for a subshell that there is."""
        return message.header.get("subshell_id") in self.subshells

    def drop(self, request: Request) -> bool:
        """It is waited for no more; whether it was."""
        return self._requests.pop(request.message.id, None) is not None

    def close_if_answered(self, request: Request) -> None:
        """Drop one that has its reply and its end."""
        # Requests on control have their idle as well; old kernels leave it out, and nobody waits for it.
        if request.reply is not None and (request.idle or request.channel == "control"):
            self.drop(request)
            request.done.set()

    async def cells_are_over(self) -> None:
        """Until no cell is at the kernel over there, but for those of subshells."""
        while busy := [one for one in self.cells() if not self.knows_subshell(one.message)]:
            await busy[0].done.wait()
