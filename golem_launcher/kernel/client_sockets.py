"""The side that clients see: a kernel's five ZeroMQ sockets on loopback, each message signed."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
import logging
from typing import TYPE_CHECKING, Any

import zmq
import zmq.asyncio
from jupyter_client.session import DELIM, Session

from golem_launcher.errors import LauncherError
from golem_launcher.kernel import messages
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from golem_launcher.kernel.messages import JupyterMessage

_LOG = logging.getLogger(__name__)
_ROUTERS = ("shell", "control", "stdin")
_FULL_SECONDS = 30.0
"""For so long a client that reads no output holds up the output; then it misses some, and the others don't."""
_AGAIN_SECONDS = 0.005
_LINGER_MS = 1000


class ClientSockets:
    """The sockets of a connection file. ``open`` once, ``aclose`` once; made where a loop runs."""

    def __init__(self, file: Path) -> None:
        """Raises ``LauncherError`` for a file that would have us listen to others, or believe anybody."""
        file.chmod(0o600)  # as jupyter_client writes it; whoever wrote it otherwise gave the key away
        described = json.loads(file.read_bytes())
        if not described.get("key"):
            raise LauncherError(f"The connection file {file} has no key.")
        if described["transport"] != "ipc" and not _is_loopback(described["ip"]):
            raise LauncherError("The kernel listens on this computer's own addresses alone.", "Set ip to 127.0.0.1.")
        self._described = described
        self._session = Session(
            key=described["key"].encode(), signature_scheme=described.get("signature_scheme", "hmac-sha256")
        )
        self._context = zmq.asyncio.Context()
        self._sockets: dict[str, zmq.asyncio.Socket] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._patient = True
        """Whether who does not read is waited for: once it was in vain, no more until all read again."""

    @property
    def session(self) -> str:
        """The session id of messages that we make ourselves."""
        return str(self._session.session)

    def open(self, heard: Callable[[str, list[bytes], JupyterMessage], None]) -> None:
        """Listen; ``heard`` is called with channel, identities and message for each of a client's."""
        kinds = dict.fromkeys(_ROUTERS, zmq.ROUTER) | {"iopub": zmq.XPUB, "hb": zmq.REP}
        for name, kind in kinds.items():
            socket = self._context.socket(kind)
            self._sockets[name] = socket
            socket.linger = _LINGER_MS
            if name in _ROUTERS:
                socket.set_hwm(0)
            elif name == "iopub":
                socket.setsockopt(zmq.XPUB_NODROP, 1)
                socket.setsockopt(zmq.XPUB_VERBOSE, 1)
            self._encrypt(socket)
            socket.bind(self._address(name))
        self._tasks = [
            *(asyncio.create_task(self._listen(name, heard)) for name in _ROUTERS),
            asyncio.create_task(self._welcome()),
            asyncio.create_task(self._beat()),
        ]

    async def aclose(self) -> None:
        """Send what waits, and close."""
        await cancel_all(*self._tasks)
        for socket in self._sockets.values():
            socket.close()
        await asyncio.to_thread(self._context.term)

    async def reply(self, channel: str, identities: list[bytes], message: JupyterMessage) -> None:
        """Send a message to one client."""
        await self._sockets[channel].send_multipart([*identities, *self._signed(message)])

    async def publish(self, message: JupyterMessage, topic: bytes | None = None) -> None:
        """Send a message to all clients. Waits for those that read slowly, for a while."""
        kind = message.kind.encode("utf-8", "replace")
        parts = [topic if topic is not None else b"kernel." + kind, *self._signed(message)]
        socket: zmq.Socket[bytes] = zmq.Socket.shadow(self._sockets["iopub"].underlying)
        end = asyncio.get_running_loop().time() + (_FULL_SECONDS if self._patient else 0.0)
        while True:
            with contextlib.suppress(zmq.Again):
                socket.send_multipart(parts, zmq.DONTWAIT)
                self._patient = True
                return
            if asyncio.get_running_loop().time() >= end:
                break
            await asyncio.sleep(_AGAIN_SECONDS)
        self._patient = False
        socket.setsockopt(zmq.XPUB_NODROP, 0)  # to those who read
        socket.send_multipart(parts, zmq.DONTWAIT)
        socket.setsockopt(zmq.XPUB_NODROP, 1)

    def _signed(self, message: JupyterMessage) -> list[bytes]:
        return [DELIM, self._session.sign(list(message.frames[:4])), *message.frames]

    async def _listen(self, channel: str, heard: Callable[[str, list[bytes], JupyterMessage], None]) -> None:
        socket = self._sockets[channel]
        while True:
            parts = await socket.recv_multipart()
            try:
                identities, (signature, *frames) = self._session.feed_identities(parts)
                self._check(signature, frames)
                message = messages.read(frames)
            except (ValueError, TypeError) as error:
                _LOG.warning("a message is left unheard: %s", error)
                continue
            heard(channel, identities, message)

    def _check(self, signature: bytes, frames: list[bytes]) -> None:
        if not hmac.compare_digest(signature, self._session.sign(frames[:4])):
            raise ValueError("a wrong signature")

    async def _welcome(self) -> None:
        """Tell whoever subscribes that what comes from now on reaches them (JEP 65)."""
        while True:
            said = await self._sockets["iopub"].recv()
            if said[:1] == b"\x01":
                topic = said[1:]
                content = {"subscription": topic.decode(errors="replace")}
                await self.publish(messages.make("iopub_welcome", content, session=self.session), topic)

    async def _beat(self) -> None:
        socket = self._sockets["hb"]
        while True:
            await socket.send(await socket.recv())

    def _encrypt(self, socket: zmq.asyncio.Socket) -> None:
        """With the key pair that jupyter_client gives where its user asks for encryption."""
        if secret := self._described.get("curve_secretkey"):
            socket.curve_secretkey = secret.encode()
            socket.curve_publickey = self._described["curve_publickey"].encode()
            socket.curve_server = True

    def _address(self, name: str) -> str:
        transport, ip, port = (self._described[key] for key in ("transport", "ip", f"{name}_port"))
        return f"{transport}://{ip}{'-' if transport == 'ipc' else ':'}{port}"


def _is_loopback(ip: Any) -> bool:
    try:
        return ip == "localhost" or ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False
