"""The gftp scheme of the transfer command: files of the requestor's node, over the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.node.gftp import transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from golem_launcher.node.gsb.calls import Bus


class Gftp:
    """``gftp:`` addresses, over a bus on which other nodes can be called."""

    def __init__(self, bus: Bus, caller: str = "") -> None:
        """``caller``: what the bus is told who asks (a node id, on a router)."""
        self._bus = bus
        self._caller = caller

    async def download(self, url: str, path: Path, progress: Callable[[int, int | None], None]) -> None:
        """Fetch a published file. Raises :class:`BusError` or ``OSError``."""
        await transfer.download(self._bus, url, path, progress=progress, caller=self._caller)

    async def upload(self, path: Path, url: str, progress: Callable[[int, int | None], None]) -> None:
        """Send a file to where it is waited for. Raises :class:`BusError` or ``OSError``."""
        await transfer.upload(self._bus, path, url, progress=progress, caller=self._caller)
