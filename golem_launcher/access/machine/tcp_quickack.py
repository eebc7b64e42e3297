"""When the kernel acknowledges what comes from yagna: few bytes at once, many every few milliseconds.

yagna holds a message of a websocket back until the one before is acknowledged, for which Linux takes 40 ms unless it is
asked to hurry, each time anew: the small messages of a cell, or a terminal's echo, took as long. In a download hurry
costs: packets in the VPN are small, so a megabyte comes in eight hundred messages, and each that is acknowledged by
itself wakes this process by itself. Held back for a while they come in one piece, with a quarter of the CPU and no
slower.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

_QUICK: Any = getattr(socket, "TCP_QUICKACK", None)
"""Linux has it."""
_BULK = 32 * 1024
"""Bytes in a row that are no cell's messages any longer."""
_BULK_SECONDS = 0.01
"""A message may wait so long in a download, its last one too."""
_PAUSE_SECONDS = 0.05
"""What comes after such a pause is not of the same row."""


class QuickAck:
    """When one connection's messages are acknowledged.

    Its reader calls this; without ``TCP_QUICKACK``, or a socket, it does nothing.
    """

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection if _QUICK is not None else None
        self._loop = asyncio.get_running_loop()
        self._asked = False
        self._last = 0.0
        self._in_a_row = 0

    def came(self, size: int) -> None:
        """A message of ``size`` bytes was read."""
        if self._connection is None:
            return
        now = self._loop.time()
        self._in_a_row = size + (self._in_a_row if now - self._last < _PAUSE_SECONDS else 0)
        self._last = now
        if not self._asked:
            self._asked = True
            self._loop.call_later(_BULK_SECONDS if self._is_bulk else 0, self._acknowledge, self._connection)

    @property
    def _is_bulk(self) -> bool:
        return self._in_a_row > _BULK

    def _acknowledge(self, connection: socket.socket) -> None:
        self._asked = False
        with contextlib.suppress(OSError):  # closed meanwhile
            connection.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)
            if self._is_bulk:  # else it goes on to hurry for a while
                connection.setsockopt(socket.IPPROTO_TCP, _QUICK, 0)
