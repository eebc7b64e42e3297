"""Talks to the Lab in the provider through its tunnel: does it answer, what does it log. Trusts nothing it says."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.access.provider_http import ProviderHttp
from golem_launcher.agent.log import OFFSET, OFFSET_HEADER
from golem_launcher.text import clean_line

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from golem_launcher.access.provider_http import Dial
    from golem_launcher.workload.base import Workload

_HOST = "127.0.0.1:8888"
"""The name by which the Lab is asked: it answers to a loopback address alone."""
_PROBE_SECONDS = 4.0
_LOG_SECONDS = 40.0
"""A long poll of the agent's log ends by itself before that."""
_RETRY_SECONDS = 2.0
_TELL_SECONDS = 10.0
_LARGEST_PIECE = 256 * 1024
_BYTES_PER_SECOND = 2 * 1024 * 1024
"""10,000 lines a second, with room; more would be the work of a core, and a stranger's choice."""
_GATHER_SECONDS = 0.1
"""Between two questions for a log that grows: many small answers cost both sides more than one that waited."""
_LARGEST_LOG = 512 * 1024 * 1024
_OK = 200
_NO_CONTENT = 204


class WorkloadClient:
    """A client of the workload that ``dial`` leads to; it answers below ``base_url``. Made where a loop runs."""

    def __init__(self, workload: Workload, dial: Dial, token: str, base_url: str = "/") -> None:
        self._probe = workload.probe
        self._base = base_url.rstrip("/")
        self._http = ProviderHttp(dial, token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def answers(self, *, seconds: float = _PROBE_SECONDS) -> bool:
        """Whether the workload answers its probe."""
        try:
            status, _, _ = await self._get(self._probe, seconds=seconds, largest=65536)
        except (TimeoutError, OSError, aiohttp.ClientError):
            return False
        return status == _OK

    async def usage(self) -> bytes:
        """What the agent says that the session uses, as JSON; empty when it says nothing."""
        status, data, _ = await self._get("/golem-launcher/usage", seconds=_PROBE_SECONDS, largest=65536)
        return data if status == _OK else b""

    async def move_deadline(self, seconds: float) -> bool:
        """Tell the agent that its deadline is ``seconds`` from now; whether it understood."""
        try:
            async with await self._ask(
                "POST", "/golem-launcher/deadline", seconds=_TELL_SECONDS, json={"seconds": round(seconds, 3)}
            ) as response:
                return response.status == _NO_CONTENT
        except (TimeoutError, OSError, aiohttp.ClientError):
            return False

    async def follow_log(self, path: Path) -> None:
        """Append what the Lab logs to ``path``, cleaned, until cancelled; bounded in rate and in size."""
        log = _LogFile(path)
        offset = 0
        while not log.full:
            started = time.monotonic()
            try:
                status, data, following = await self._get(
                    f"/golem-launcher/log?offset={offset}", seconds=_LOG_SECONDS, largest=_LARGEST_PIECE, packed=True
                )
            except (TimeoutError, OSError, aiohttp.ClientError):
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if status != _OK:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            following = following if following is not None else offset + len(data)
            missing = following - len(data) - offset
            offset = following
            if data:
                await asyncio.to_thread(log.append, data, missing)
            least = max(len(data) / _BYTES_PER_SECOND, _GATHER_SECONDS)
            await asyncio.sleep(max(0.0, least - (time.monotonic() - started)))

    async def _ask(self, method: str, path: str, *, seconds: float, **options: Any) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=seconds)
        return await self._http.request(method, self._base + path, timeout=timeout, host=_HOST, **options)

    async def _get(
        self, path: str, *, seconds: float, largest: int, packed: bool = False
    ) -> tuple[int, bytes, int | None]:
        """Status, body and where the log goes on. ``packed``: the body may travel compressed."""
        headers = {"Accept-Encoding": "gzip"} if packed else None
        async with await self._ask("GET", path, seconds=seconds, headers=headers) as response:
            following = response.headers.get(OFFSET_HEADER, "")
            offset = int(following) if OFFSET.fullmatch(following) else None
            gzipped = packed and response.headers.get("Content-Encoding") == "gzip"
            unpack = zlib.decompressobj(31) if gzipped else None
            data = b""
            async for piece in response.content.iter_chunked(65536):
                try:
                    data += unpack.decompress(piece, largest - len(data)) if unpack else piece
                except zlib.error:
                    raise aiohttp.ClientPayloadError("what should be gzip is not") from None
                if len(data) >= largest:
                    response.close()  # more than anybody needs
                    return response.status, data[:largest], None
            return response.status, data, offset


class _LogFile:
    """The lines of a stranger's log, cleaned and never more than ``_LARGEST_LOG`` bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._room = _LARGEST_LOG
        with contextlib.suppress(OSError):
            self._room -= path.stat().st_size  # of the provider before
        self.full = False

    def append(self, data: bytes, missing: int = 0) -> None:
        """Write the whole lines of ``data`` and what was left before; keep the rest (at most a piece of it).

        ``missing`` bytes between both are gone: the log grew faster than it could be brought.
        """
        if missing > 0:
            data = b"\n(%d bytes of the log are missing here: it grew too fast)\n" % missing + data
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LARGEST_PIECE:
            lines.append(self._rest)
            self._rest = b""
        if not lines:
            return
        text = "".join(clean_line(line.rstrip(b"\r").decode(errors="replace")) + "\n" for line in lines).encode()
        if len(text) > self._room:
            text = b"(the log is too long; the rest is left out)\n"
            self.full = True
        self._room -= len(text)
        try:
            with self._path.open("ab") as file:
                file.write(text)
        except OSError:  # a full disk: the session matters more than its log
            self.full = True
