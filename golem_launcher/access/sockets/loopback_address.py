"""Allocates a loopback address for each session, so that its workload has an origin and cookies of its own.

Cookies ignore ports (RFC 6265, section 8.5) but not hosts, and what runs at a provider is a stranger's program. On
127.0.0.1 it would be given the cookies of the launcher's page and of every other Jupyter of the user.

Linux has the whole of 127.0.0.0/8; other systems need an alias of the loopback interface for each address.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import socket
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE = Path("/proc/net/tcp")
_LISTENS = "0A"
_FIRST, _LAST = 128, 254
"""The second byte: 127.0 is everybody's, 127.64 to 127.127 are the local network's activities, 127.255 broadcasts."""


def loopback_address(name: str) -> str:
    """Choose the loopback address ``127.x.y.z`` of the session ``name``: always the same unless it is in use."""
    taken = _listening()
    return next(address for address in _candidates(name) if address not in taken)


@contextlib.contextmanager
def reserved(place: tuple[str, int]) -> Iterator[None]:
    """Keep a port of an address from other users' programs in a ``with`` block, whether one of ours listens or not.

    So who listens there can hand it to the next of ours; both say that they share it (``SO_REUSEPORT``), which is for
    programs of one user. Raises ``OSError`` where somebody else has it.
    """
    with socket.socket() as kept:  # it never listens, and is asked nothing
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(place)
        yield


def _candidates(name: str) -> Iterator[str]:
    for attempt in itertools.count():
        first, second, third = hashlib.sha256(f"{attempt}:{name}".encode()).digest()[:3]
        yield f"127.{_FIRST + first % (_LAST - _FIRST + 1)}.{second}.{1 + third % 254}"


def _listening() -> set[str]:
    """Addresses with a listener, on whatever port; none where that can't be read."""
    try:
        lines = _TABLE.read_text().splitlines()[1:]
    except OSError:
        return set()
    found = set()
    for line in lines:
        _, local, _, state, *_ = line.split()
        if state == _LISTENS:
            address, _, _ = local.partition(":")
            found.add(str(IPv4Address(int(address, 16).to_bytes(4, sys.byteorder))))
    return found
