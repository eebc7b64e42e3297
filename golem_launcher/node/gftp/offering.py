"""Offers a file by its content hash for as long as a session needs it: its image."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from golem_launcher.errors import BusCallError, BusError
from golem_launcher.node.gftp import publisher
from golem_launcher.node.gftp.files import Published
from golem_launcher.node.gftp.wire import GftpUrl
from golem_launcher.node.gsb import packets
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from pathlib import Path

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0


class Offering:
    """Offers one file, again after the node was started anew, and in the place of another process that ends.

    Several sessions offer the same image under the same name, so that providers know it by one address. The node takes
    a name from one of them at a time; the others stand by.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Published | None = None
        self._name = ""
        """Its hash."""
        self._publisher: publisher.Publisher | None = None
        self._ours = False
        """Whether it is this process that the node asks."""
        self._keeping: asyncio.Task[None] | None = None

    @property
    def served(self) -> int | None:
        """Bytes that this process has given to peers so far; ``None`` while another process offers the file."""
        return self._file.served if self._file is not None and self._ours else None

    def served_to(self, node_id: str) -> int | None:
        """How many of these bytes one peer was given; ``None`` where that is not known."""
        return self._file.served_to(node_id) if self._file is not None and self._ours else None

    async def start(self) -> str:
        """Offer the file, by the node that the environment names; its URL, the same until :meth:`aclose`.

        Raises :class:`~golem_launcher.errors.BusError` when the node is not there, ``OSError`` for the file.
        """
        node = await publisher.connect(os.environ)
        try:
            self._file = await asyncio.to_thread(Published, self._path, largest_chunk=node.largest_chunk)
            self._name = await asyncio.to_thread(self._file.digest)
            self._ours = await self._offer(node, self._file)
        except BaseException:
            await node.aclose()
            raise
        self._publisher = node
        self._keeping = asyncio.create_task(self._keep(self._file))
        return str(GftpUrl(node.node_id, self._name))

    async def aclose(self) -> None:
        """Stop offering it. Safe to call at any moment."""
        if self._keeping is not None:
            await cancel_all(self._keeping)
        if self._publisher is not None:
            await self._publisher.aclose()
        if self._file is not None:
            self._file.close()

    async def _keep(self, file: Published) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                node = self._publisher
                if node is not None and not node.connected:
                    self._ours, self._publisher = False, None
                    await node.aclose()
                    continue  # a node that is still clearing up would take the new offer for the old one
                if node is None:
                    node = self._publisher = await publisher.connect(os.environ)
                if not self._ours:
                    self._ours = await self._offer(node, file)
            except BusError as error:
                _LOG.info("%s is not offered at the moment: %s", self._path.name, error)

    async def _offer(self, node: publisher.Publisher, file: Published) -> bool:
        file.largest_chunk = node.largest_chunk  # a node that was started anew may be reached by another way
        try:
            await node.offer(self._name, file)
        except BusCallError as error:
            if error.code != packets.CONFLICT:
                raise
            return False
        return True
