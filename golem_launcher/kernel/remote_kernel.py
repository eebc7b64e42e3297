"""A kernel of a session's Jupyter, over one websocket that is made again whenever it breaks. Trusts nothing it says.

Messages are counted on both sides (``agent/resumable_websocket.py`` is the other one): after a break each sends again
what the other has not counted, so nothing is lost and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp

from golem_launcher.access.machine.provider_http import ProviderHttp
from golem_launcher.access.sockets import port_socket
from golem_launcher.agent.kernel_state import COMES_BACK
from golem_launcher.connection_errors import silence_reason
from golem_launcher.errors import AccessError, ProviderError
from golem_launcher.kernel import messages
from golem_launcher.untrusted_json import json_value
from golem_launcher.waiting import cancel_all, wait_for
from golem_launcher.workload.base import FIRST_PORT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from golem_launcher.kernel.messages import JupyterMessage
    from golem_launcher.session.on_disk.directory import SessionDirectory

_LOG = logging.getLogger(__name__)
_TITLE = "Python 3 (Golem)"
"""What the session's own JupyterLab calls our kernels."""
_HOST = "127.0.0.1:8888"
"""The name by which the Lab is asked: it answers to a loopback address alone."""
_LARGEST = 256 * 1024 * 1024
"""Of a message."""
_LARGEST_STATUS = 4096
_CONNECT_SECONDS = 15.0
_HEARTBEAT_SECONDS = 15.0
_ANSWER_SECONDS = 10.0
_START_SECONDS = 60.0
_AGAIN_SECONDS = (0.05, 1.0)
_TELL_EVERY = 64
_TELL_BYTES = 1024 * 1024
_TELL_SECONDS = 1.0
_ALREADY_MADE = 409
_NOT_FOUND = 404
_FIRST_ERROR = 400


class KernelGone(ProviderError):  # noqa: N818 - reads as what it says
    """The Jupyter over there answers, and has no such kernel any more, or none that lives."""


class LabClient:
    """Requests to a session's Jupyter, by its port socket. ``aclose`` once. Raises ``AccessError`` for all failures."""

    def __init__(self, directory: SessionDirectory) -> None:
        path = port_socket.port_socket_path(directory.path)
        self.host = _HOST
        self.base = directory.base_url().rstrip("/")
        self.http = ProviderHttp(lambda: port_socket.dial(path, FIRST_PORT), directory.token() or "")

    async def ask(
        self, method: str, path: str, body: Any = None, *, seconds: float = _ANSWER_SECONDS, most: int | None = None
    ) -> Any:
        """The JSON that it answers, of a bounded size; ``None`` for an empty answer."""
        data = await self.read(method, path, body, seconds=seconds, **({} if most is None else {"most": most}))
        try:
            return json_value(data, most=len(data)) if data else None
        except ValueError:
            raise AccessError("The Jupyter over there makes no sense.") from None

    async def read(
        self, method: str, path: str, body: Any = None, *, seconds: float = _ANSWER_SECONDS, most: int = 1024 * 1024
    ) -> bytes:
        """What it answers."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        data = None if body is None else json.dumps(body).encode()
        try:
            async with await self.http.request(
                method, self.base + path, timeout=timeout, host=_HOST, data=data
            ) as response:
                found = await response.content.read(most + 1)
                while not response.content.at_eof() and len(found) <= most:
                    found += await response.content.read(most + 1 - len(found))
                if response.status == _NOT_FOUND:
                    raise KernelGone("There is no such thing over there.")
                if response.status >= _FIRST_ERROR:
                    raise AccessError(f"The Jupyter over there refused ({response.status}).")
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise AccessError(f"The Jupyter over there does not answer: {silence_reason(error)}.") from error
        if len(found) > most:
            raise AccessError("The Jupyter over there says more than it should.")
        return found

    async def aclose(self) -> None:
        """End its connections."""
        await self.http.aclose()


async def start_kernel(lab: LabClient) -> str:
    """Start a Python kernel over there; its id."""
    found = await lab.ask("POST", "/api/kernels", {"name": "python3"}, seconds=_START_SECONDS)
    return _kernel_id(found)


class Started(NamedTuple):
    """A notebook's kernel over there."""

    id: str
    variables_wait: bool
    """Whether variables of before come back with its first cell."""


async def start_kernel_of(lab: LabClient, notebook: str) -> Started:
    """The kernel of the session ``notebook``, a new one unless it has one; what it had at another machine comes back.

    To be used where a kernel's variables are kept. Raises ``AccessError``.
    """
    session = {"path": notebook, "name": _TITLE, "type": "console", "kernel": {"name": "python3"}}
    found = await lab.ask("POST", "/api/sessions", session, seconds=_START_SECONDS)
    if not isinstance(found, dict):
        found = {}
    return Started(_kernel_id(found.get("kernel")), found.get(COMES_BACK) is True)


async def free_name(lab: LabClient, names: Sequence[str]) -> str:
    """The first of ``names`` that no session over there has, or the last. Raises ``AccessError``."""
    found = await lab.ask("GET", "/api/sessions")
    used = [one.get("path") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return next((name for name in names if name not in used), names[-1])


def _kernel_id(about: Any) -> str:
    """That of a kernel as Jupyter tells about one. Raises ``AccessError``."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(uuid.UUID(str(about.get("id"))))
    raise AccessError("The Jupyter over there started no kernel.")


class RemoteKernel:
    """The kernel ``kernel_id`` of a Jupyter. ``run`` in a task until it is given up; ``send`` at any time.

    ``heard`` is awaited with each message and its channel, ``broke`` called whenever a connection ended.
    """

    def __init__(
        self,
        lab: LabClient,
        kernel_id: str,
        *,
        heard: Callable[[str, JupyterMessage], Awaitable[None]],
        broke: Callable[[], None] = lambda: None,
    ) -> None:
        self.id = kernel_id
        self._lab = lab
        self._heard = heard
        self._broke = broke
        self._session = uuid.uuid4().hex
        self._received = 0
        self._unsent: deque[bytes] = deque()
        """What the other side has not counted; the first has the number ``_counted``."""
        self._counted = 0
        self._sent = 0
        """How many were sent on this connection or counted before."""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._something = asyncio.Event()
        self.connected = asyncio.Event()
        """Set while messages come and go."""

    def send(self, channel: str, message: JupyterMessage) -> None:
        """Send a message, now or when there is a connection again."""
        self._unsent.append(messages.pack_for_websocket(channel, message))
        self._something.set()

    async def run(self) -> None:
        """Keep connected. Raises ``KernelGone``, when the Jupyter over there says so."""
        least, most = _AGAIN_SECONDS
        pause = least
        while True:
            try:
                await self._connect()
                pause = least
            except KernelGone:
                raise
            except (TimeoutError, OSError, ValueError, aiohttp.ClientError, AccessError) as error:
                _LOG.info("the connection to the kernel ended: %s", error)
            finally:
                self.connected.clear()
                self._broke()
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)

    async def state(self) -> str:
        """What the Jupyter over there says that the kernel does: ``idle``, ``busy``, …. Raises ``AccessError``."""
        found = await self._lab.ask("GET", f"/api/kernels/{self.id}")
        return str(found.get("execution_state")) if isinstance(found, dict) else ""

    async def interrupt(self) -> None:
        """Interrupt what it runs. Raises ``AccessError``."""
        await self._lab.read("POST", f"/api/kernels/{self.id}/interrupt")

    async def shut_down(self, seconds: float = _ANSWER_SECONDS) -> None:
        """End it; nothing is said when that does not work."""
        with contextlib.suppress(AccessError, ProviderError):
            await self._lab.read("DELETE", f"/api/kernels/{self.id}", seconds=seconds)

    async def _connect(self) -> None:
        """One connection, from its beginning to its end."""
        path = f"{self._lab.base}/api/kernels/{self.id}/channels?session_id={self._session}&resume=1"
        try:
            socket = await self._lab.http.websocket(
                path,
                protocol=messages.WEBSOCKET_PROTOCOL,
                largest=_LARGEST,
                heartbeat=_HEARTBEAT_SECONDS,
                seconds=_CONNECT_SECONDS,
                host=_HOST,
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status == _NOT_FOUND:
                raise KernelGone("The kernel over there is gone.") from None
            raise
        try:
            if socket.protocol != messages.WEBSOCKET_PROTOCOL:
                raise AccessError("The Jupyter over there is older than 2.0, and speaks another protocol.")
            first = await wait_for(socket.receive(), _CONNECT_SECONDS)
            if first.type is not aiohttp.WSMsgType.TEXT:
                raise AccessError("The Jupyter over there does not count messages.")
            self._take_count(first.data)
            self._sent = self._counted
            await self._tell(socket)
            self._socket = socket
            self.connected.set()
            parts = [asyncio.ensure_future(part(socket)) for part in (self._send, self._receive, self._keep_telling)]
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                for part in done:
                    part.result()
            finally:
                await cancel_all(*parts)
        finally:
            self._socket = None
            await wait_for(_closed(socket), _CONNECT_SECONDS)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            self._something.clear()
            while self._sent - self._counted < len(self._unsent):
                data = self._unsent[self._sent - self._counted]
                self._sent += 1
                await socket.send_bytes(data)
            await self._something.wait()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        told, size = self._received, 0
        async for said in socket:
            if said.type is aiohttp.WSMsgType.TEXT:
                self._take_count(said.data)
            elif said.type is aiohttp.WSMsgType.BINARY:
                self._received += 1
                size += len(said.data)
                try:
                    channel, message = messages.unpack_from_websocket(said.data)
                except ValueError as error:
                    _LOG.warning("a message is left out: %s", error)
                    continue
                await self._heard(channel, message)
                if _says_dead(channel, message):
                    raise KernelGone("The kernel over there died, and did not start again.")
                if self._received - told >= _TELL_EVERY or size > _TELL_BYTES:
                    told, size = self._received, 0
                    await self._tell(socket)

    async def _keep_telling(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        told = self._received
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            if self._received != told:
                told = self._received
                await self._tell(socket)

    async def _tell(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str(json.dumps({"received": self._received}))

    def _take_count(self, text: str) -> None:
        """Take how many messages the other side has.

        Raises ``ValueError`` if there are not so many, or fewer than before.
        """
        value = json_value(text.encode(), most=256)
        received = value.get("received") if isinstance(value, dict) else None
        if not isinstance(received, int) or not self._counted <= received <= self._counted + len(self._unsent):
            raise ValueError("a count that can't be")
        while self._counted < received:
            self._unsent.popleft()
            self._counted += 1
        self._sent = max(self._sent, self._counted)


def _says_dead(channel: str, message: JupyterMessage) -> bool:
    """Whether this is Jupyter's word that it starts the kernel no more: what is asked of it is never answered."""
    if channel != "iopub" or message.kind != "status" or message.parent:
        return False
    try:
        return message.content(most=_LARGEST_STATUS).get("execution_state") == "dead"
    except ValueError:
        return False


async def _closed(socket: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(OSError, aiohttp.ClientError):
        await socket.close()
