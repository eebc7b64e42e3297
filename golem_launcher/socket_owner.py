"""Identifies the user at the other end of a loopback connection, by Linux's sock_diag(7)."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any, Protocol

_SOCKET_DIAGNOSIS = 4  # NETLINK_INET_DIAG
_BY_FAMILY = 20
_REQUEST = 1
_ALL_STATES = 0xFFFFFFFF
_SECONDS = 1.0
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBBI")
_ANY_SOCKET = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_ADDRESS = 16
_OWNER = struct.Struct("=II")
_ROOT = 0
_LOOPBACK = "127."
_UID_OFFSET = _HEADER.size + 64  # in inet_diag_msg, behind four bytes, the socket's identity and three numbers


class HasPeer(Protocol):
    """A transport of asyncio's, or a stream's writer."""

    def get_extra_info(self, name: str, /) -> Any:
        """``peername`` and ``sockname`` are asked for."""


def is_ours(connection: HasPeer) -> bool:
    """Whether the program at the other end runs as the same user, or as root. True where there is no kernel to ask."""
    peer, mine = connection.get_extra_info("peername"), connection.get_extra_info("sockname")
    if peer is None or mine is None:
        return False
    try:
        return owner(peer, mine) in {os.geteuid(), _ROOT}
    except (OSError, AttributeError):
        return not hasattr(socket, "AF_NETLINK")


def is_another_person(peer: tuple[str, int], mine: tuple[str, int]) -> bool:
    """Whether the program at the other end is another user's, root aside: links hold tokens, and arguments show links.

    False where there is no kernel to ask, and when this is root's own, whose browser is somebody else's.
    """
    if os.geteuid() == _ROOT:
        return False
    try:
        return owner(peer, mine) not in {os.geteuid(), _ROOT}
    except ConnectionAbortedError:  # what it left to be read is of whoever closed it
        return True
    except (OSError, AttributeError):
        return False


def refusal() -> bytes:
    """The whole of what such a program is answered, by HTTP."""
    body = b"This is another user's Golem Launcher.\n"
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def owner(local: tuple[str, int], remote: tuple[str, int]) -> int:
    """The user id of the TCP socket on this machine between these addresses (IPv4). Raises ``OSError``.

    That is ``ConnectionAbortedError`` where its program has closed it: it is nobody's then, which the kernel tells as
    root's, and what was sent is still to be read.
    """
    found = _ask(local, remote)
    if found is None and not (local[0].startswith(_LOOPBACK) and _ask(remote, local)):
        raise OSError("the kernel knows no such socket")
    uid, inode = found or (_ROOT, 0)
    if not inode:
        raise ConnectionAbortedError("its program has closed the socket")
    return uid


def _ask(local: tuple[str, int], remote: tuple[str, int]) -> tuple[int, int] | None:
    """The user id of a socket, and the inode by which programs have it open, 0 for none; ``None``: it is not there.

    One exchange with the kernel; its table in /proc would be long, and leaves entries out while others come and go.
    """
    identity = struct.pack(">HH", local[1], remote[1])
    for host, _ in (local, remote):
        identity += socket.inet_aton(host).ljust(_ADDRESS, b"\0")
    question = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ALL_STATES) + identity + _ANY_SOCKET
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCKET_DIAGNOSIS) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.send(_HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 1, 0) + question)
        answer = kernel.recv(4096)
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _BY_FAMILY:
        return None
    uid, inode = _OWNER.unpack_from(answer, _UID_OFFSET)
    return uid, inode
