"""Few bytes are acknowledged at once, many after a while: what the sender holds back meanwhile comes in one piece."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from golem_launcher.access.machine.tcp_quickack import QuickAck
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux has it")

_UNACKNOWLEDGED = slice(24, 28)
"""Of what ``TCP_INFO`` tells: the packets that the other side has not acknowledged."""
_DOWNLOAD = 64 * 1024
_SMALL = 300


@contextlib.contextmanager
def _connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A sender, and a receiver whose acknowledgements wait, as of one that has answered before."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sender:
        receiver, _ = server.accept()
        with receiver:
            receiver.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            yield sender, receiver


def _receive(sender: socket.socket, receiver: socket.socket, size: int, acknowledging: QuickAck) -> None:
    sender.sendall(bytes(size))
    acknowledging.came(len(receiver.recv(size, socket.MSG_WAITALL)))


def _waits(sender: socket.socket) -> bool:
    info = sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKNOWLEDGED.stop)
    return struct.unpack("=I", info[_UNACKNOWLEDGED])[0] > 0


async def _turns() -> None:
    for _ in range(2):  # a timer of no seconds is called in the turn after the next
        await asyncio.sleep(0)


async def _acknowledged(sender: socket.socket) -> None:
    async def look() -> None:
        while _waits(sender):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0)

    await asyncio.wait_for(look(), 60 * slower())


def test_a_small_message_is_acknowledged_at_once():
    async def look() -> tuple[bool, bool]:
        with _connected() as (sender, receiver):
            acknowledging = QuickAck(receiver)
            _receive(sender, receiver, _SMALL, acknowledging)
            before = _waits(sender)
            await _turns()
            return before, _waits(sender)

    assert asyncio.run(look()) == (True, False)


def test_in_a_download_it_takes_a_while():
    async def look() -> tuple[bool, bool]:
        with _connected() as (sender, receiver):
            acknowledging = QuickAck(receiver)
            _receive(sender, receiver, _DOWNLOAD, acknowledging)
            await _acknowledged(sender)
            _receive(sender, receiver, _SMALL, acknowledging)
            await _turns()
            at_once = _waits(sender)
            await _acknowledged(sender)
            return at_once, _waits(sender)

    assert asyncio.run(look()) == (True, False)


def test_a_connection_that_was_closed_meanwhile_is_left_alone():
    async def close() -> None:
        with _connected() as (sender, receiver):
            acknowledging = QuickAck(receiver)
            _receive(sender, receiver, _SMALL, acknowledging)
        await _turns()

    asyncio.run(close())
