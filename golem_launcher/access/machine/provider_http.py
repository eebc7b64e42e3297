"""An HTTP client for servers at the provider: aiohttp over dialled streams, without a local socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.errors import AccessError
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.client_proto import ResponseHandler

    from golem_launcher.access.sockets.in_process_stream import Stream

    Dial = Callable[[], Awaitable[Stream]]
    """A new stream to the server. Raises ``OSError`` or ``AccessError``."""

_PIECE = 64 * 1024
_HIGH_WATER = 256 * 1024
"""So many bytes may wait to be sent before whoever writes them is told to pause."""


class ProviderHttp:
    """A client of the server that ``dial`` leads to, which shows it the ``token``. Made where a loop runs.

    No cookies are kept, no proxy is asked, nothing is followed or unpacked unseen: the other side is a stranger.
    """

    def __init__(self, dial: Dial, token: str) -> None:
        self._connector = _StreamConnector(dial)
        self._client = aiohttp.ClientSession(
            connector=self._connector,
            headers={"Authorization": f"token {token}", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def request(
        self, method: str, path: str, *, timeout: aiohttp.ClientTimeout, host: str = "provider", **options: Any
    ) -> aiohttp.ClientResponse:
        """Send one request to ``path``; the answer, its body not read yet, is to be entered. ``options`` are aiohttp's.

        ``host`` is what the server is called. Raises ``aiohttp.ClientError``, ``OSError``, ``asyncio.TimeoutError``.
        """
        return await self._client.request(
            method, f"http://{host}{path}", timeout=timeout, allow_redirects=False, **options
        )

    async def websocket(
        self, path: str, *, protocol: str, largest: int, heartbeat: float, seconds: float, host: str = "provider"
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket to ``path`` within ``seconds``; messages have up to ``largest`` bytes.

        The other side must answer a ping each ``heartbeat`` seconds. Raises as :meth:`request` does.
        """
        async with asyncio.timeout(seconds):
            return await self._client.ws_connect(
                f"http://{host}{path}", protocols=(protocol,), max_msg_size=largest, heartbeat=heartbeat
            )

    async def aclose(self) -> None:
        """End all its connections."""
        await self._client.close()
        await cancel_all(*self._connector.carrying)


class _StreamConnector(aiohttp.BaseConnector):
    """Makes connections by ``dial``; as with aiohttp's own, they are kept for a while and used again."""

    def __init__(self, dial: Dial) -> None:
        super().__init__()
        self._dial = dial
        self.carrying: set[asyncio.Task[None]] = set()
        """One for each connection that has not ended."""

    async def _create_connection(self, *_: Any) -> ResponseHandler:
        """What aiohttp asks of each kind of connector. The request's own limit bounds it."""
        try:
            stream = await self._dial()
        except (OSError, AccessError) as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        protocol: ResponseHandler = self._factory()
        task = _StreamTransport(stream, protocol).carrying
        self.carrying.add(task)
        task.add_done_callback(self.carrying.discard)
        return protocol


class _StreamTransport(asyncio.Transport):
    """A stream as asyncio's protocols want it, until either side ends it."""

    def __init__(self, stream: Stream, protocol: ResponseHandler) -> None:
        super().__init__()
        self._stream = stream
        self._protocol = protocol
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._unsent: list[bytes] = []
        self._has_unsent = asyncio.Event()
        self._paused = False
        """Whether the protocol was told to write no more."""
        self._closing = False
        protocol.connection_made(self)
        self.carrying = asyncio.create_task(self._carry())
        """Done when the connection has ended."""
        self.carrying.add_done_callback(self._ended)  # also of a task that was cancelled before it ran

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, soon."""
        self._unsent.append(bytes(data))
        self._has_unsent.set()
        if not self._paused and self.get_write_buffer_size() > _HIGH_WATER:
            self._paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """Bytes that the stream has not taken yet."""
        return sum(map(len, self._unsent))

    def pause_reading(self) -> None:
        """Let what comes wait."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """Read again."""
        self._may_read.set()

    def is_reading(self) -> bool:
        """Whether it does."""
        return self._may_read.is_set()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def close(self) -> None:
        """End both directions; what is not sent yet is not sent."""
        self._closing = True
        self.carrying.cancel()

    def abort(self) -> None:
        """As :meth:`close`."""
        self.close()

    async def _carry(self) -> None:
        sending, reading = asyncio.ensure_future(self._send()), asyncio.ensure_future(self._read())
        try:
            done, _ = await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancel_all(sending, reading)

    def _ended(self, carrying: asyncio.Task[None]) -> None:
        self._closing = True
        self._stream.close()
        self._protocol.connection_lost(None if carrying.cancelled() else carrying.exception())

    async def _read(self) -> None:
        while data := await self._stream.read(_PIECE):
            self._protocol.data_received(data)
            await self._may_read.wait()
        self._protocol.eof_received()

    async def _send(self) -> None:
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            data, self._unsent = b"".join(self._unsent), []
            self._stream.write(data)
            await self._stream.drain()
            if self._paused and self.get_write_buffer_size() <= _HIGH_WATER:
                self._paused = False
                self._protocol.resume_writing()
