"""What clients are told: replies to one of them, output and states to all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.kernel import messages
from golem_launcher.kernel.output import Output

if TYPE_CHECKING:
    from golem_launcher.kernel.client_sockets import ClientSockets
    from golem_launcher.kernel.messages import JupyterMessage
    from golem_launcher.kernel.pending_requests import Request


class Clients:
    """The clients that are connected to a :class:`ClientSockets`. ``lines``: as of :class:`Output`."""

    def __init__(self, sockets: ClientSockets, *, lines: bool = False) -> None:
        self._sockets = sockets
        self._lines = lines

    async def answer(self, request: Request, content: dict[str, Any] | None) -> None:
        """Answer a request from here. With ``None`` nothing is sent: its kind gets no answer."""
        await self.tell_state("busy", request.message)
        if content is not None:
            await self.reply(request, content)
        await self.tell_state("idle", request.message)

    async def reply(self, request: Request, content: dict[str, Any]) -> None:
        """Reply with a message of our own."""
        kind = request.message.kind.removesuffix("_request") + "_reply"
        await self.forward(request, self._made(kind, content, request.message))

    async def forward(self, request: Request, message: JupyterMessage, channel: str = "") -> None:
        """Reply with a message of the kernel over there."""
        await self._sockets.reply(channel or request.channel, request.identities, message)

    async def publish(self, message: JupyterMessage) -> None:
        """Send a message to all clients."""
        await self._sockets.publish(message)

    async def tell_all(self, kind: str, content: dict[str, Any], parent: JupyterMessage) -> None:
        """Send a message of our own to all clients."""
        await self._sockets.publish(self._made(kind, content, parent))

    async def tell_state(self, state: str, parent: JupyterMessage | None = None) -> None:
        """The kernel is ``busy`` with a request, ``idle`` again, or ``starting``."""
        header = parent.frames[0] if parent is not None else b"{}"
        content = {"execution_state": state}
        await self._sockets.publish(messages.make("status", content, session=self._sockets.session, parent=header))

    def output(self, request: Request) -> Output:
        """Where the output of a cell, or of a part of it, goes."""
        return Output(self._sockets.publish, self._sockets.session, request.parent, lines=self._lines)

    def _made(self, kind: str, content: dict[str, Any], parent: JupyterMessage) -> JupyterMessage:
        return messages.make(kind, content, session=self._sockets.session, parent=parent.frames[0])
