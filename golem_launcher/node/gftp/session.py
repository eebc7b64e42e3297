"""The operations of a ``gftp`` process, independent of JSON-RPC and command line."""

from __future__ import annotations

import asyncio
import os
import secrets
import string
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.node.gftp import publisher, transfer
from golem_launcher.node.gftp.files import Published, Receiving
from golem_launcher.node.gftp.wire import GftpError, GftpUrl

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.node.gftp.files import FileService

_NAME_LENGTH = 65  # never taken for a hash, which has 64
_NAME_LETTERS = string.ascii_letters + string.digits


class GftpSession:
    """Files offered by one process. The node is looked for when it is first needed; close it with :meth:`aclose`.

    Every method may raise :class:`~golem_launcher.errors.BusError` and ``OSError``.
    """

    def __init__(self) -> None:
        self._publisher: publisher.Publisher | None = None
        self._services: dict[str, FileService] = {}
        self._lock = asyncio.Lock()

    async def publish(self, file: str) -> str:
        """Offer a file for download; its URL, another one each time."""
        async with self._lock:
            node = await self._node()
            return await self._offer(await asyncio.to_thread(Published, Path(file), largest_chunk=node.largest_chunk))

    async def receive(self, output_file: str) -> str:
        """Open a file for upload, emptied; its URL."""
        async with self._lock:
            await self._node()
            return await self._offer(await asyncio.to_thread(Receiving, Path(output_file)))

    async def close(self, url: str) -> bool:
        """Stop offering; ``False`` when it was not offered."""
        name = GftpUrl.parse(url).name
        async with self._lock:
            service = self._services.pop(name, None)
            if service is None:
                return False
            await (await self._node()).withdraw(name)
            service.close()
            return True

    async def download(self, url: str, output_file: str, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Fetch a file that another node offers."""
        await transfer.download((await self._bus()).bus, url, Path(output_file), progress=progress)

    async def upload(self, url: str, file: str, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Send a file to where another node waits for it."""
        await transfer.upload((await self._bus()).bus, Path(file), url, progress=progress)

    async def aclose(self) -> None:
        """Withdraw all files that are still on offer. Called once, when yapapi ends the program."""
        if self._publisher is not None:
            await self._publisher.aclose()
        for service in self._services.values():
            service.close()
        self._services.clear()

    async def _offer(self, service: FileService) -> str:
        """The URL of a service, which is closed where it can't be offered."""
        name = "".join(secrets.choice(_NAME_LETTERS) for _ in range(_NAME_LENGTH))
        try:
            node = await self._node()
            await node.offer(name, service)
        except BaseException:
            service.close()
            raise
        self._services[name] = service
        return str(GftpUrl(node.node_id, name))

    async def _node(self) -> publisher.Publisher:
        current = self._publisher
        if isinstance(current, publisher.BusPublisher) and current.bus.closed.is_set():  # the node was started anew
            await current.aclose()
            self._publisher = current = await publisher.connect(os.environ)
            for name, service in self._services.items():
                if isinstance(service, Published):
                    service.largest_chunk = current.largest_chunk
                await current.offer(name, service)
        if current is None:
            self._publisher = current = await publisher.connect(os.environ)
        return current

    async def _bus(self) -> publisher.BusPublisher:
        async with self._lock:
            node = await self._node()
        if not isinstance(node, publisher.BusPublisher):
            raise GftpError("Fetching and sending files needs the bus itself.", "Set GSB_URL to your node's bus.")
        return node
