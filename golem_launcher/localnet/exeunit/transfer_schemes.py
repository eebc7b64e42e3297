"""The http, https and gftp schemes of the transfer command."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from golem_launcher.errors import LocalNetError
from golem_launcher.node.gftp import transfer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from golem_launcher.node.gsb.calls import Bus

    Progress = Callable[[int, int | None], None]

_CHUNK = 1 << 20
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=30.0, sock_read=60.0)


class Http:
    """``http:`` and ``https:`` addresses: GET, and PUT the other way."""

    async def download(self, url: str, path: Path, progress: Progress) -> None:
        """GET ``url``. Raises :class:`LocalNetError` or ``OSError``."""
        try:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.get(url) as response:
                _check(response)
                done = 0
                with path.open("xb") as file:
                    async for chunk in response.content.iter_chunked(_CHUNK):
                        await asyncio.to_thread(file.write, chunk)
                        done += len(chunk)
                        progress(done, response.content_length)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise LocalNetError(f"The download failed: {_why(error)}.") from error

    async def upload(self, path: Path, url: str, progress: Progress) -> None:
        """PUT the file. Raises :class:`LocalNetError` or ``OSError``."""
        size = (await asyncio.to_thread(path.stat)).st_size
        headers = {"Content-Length": str(size)}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.put(url, data=_chunks(path, size, progress), headers=headers) as response,
            ):
                _check(response)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise LocalNetError(f"The upload failed: {_why(error)}.") from error


class Gftp:
    """``gftp:`` addresses: files of the requestor's node, over a bus on which other nodes can be called."""

    def __init__(self, bus: Bus, caller: str = "") -> None:
        """``caller``: what the bus is told who asks (a node id, on a router)."""
        self._bus = bus
        self._caller = caller

    async def download(self, url: str, path: Path, progress: Progress) -> None:
        """Fetch a published file. Raises :class:`BusError` or ``OSError``."""
        await transfer.download(self._bus, url, path, progress=progress, caller=self._caller)

    async def upload(self, path: Path, url: str, progress: Progress) -> None:
        """Send a file to where it is waited for. Raises :class:`BusError` or ``OSError``."""
        await transfer.upload(self._bus, path, url, progress=progress, caller=self._caller)


async def _chunks(path: Path, size: int, progress: Progress) -> AsyncIterator[bytes]:
    done = 0
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
            done += len(chunk)
            progress(done, size)


def _check(response: aiohttp.ClientResponse) -> None:
    if not response.ok:
        raise LocalNetError(f"The server answered {response.status} {response.reason}.")


def _why(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
