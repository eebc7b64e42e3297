"""A loopback address of its own for each session.

Browsers keep cookies by host and ignore the port (RFC 6265, section 8.5), and a Lab in a provider is a stranger's
program. On ``127.0.0.1`` it would be given the cookies of the launcher's page and of every other Jupyter of the user.
On an address of its own it is another site.

Linux has the whole of 127.0.0.0/8; other systems need ``ifconfig lo0 alias`` for each address.
"""

from __future__ import annotations

import hashlib
import itertools
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
    """The address for the session ``name``: the same each time, unless somebody already listens there."""
    taken = _listening()
    return next(address for address in _candidates(name) if address not in taken)


def _candidates(name: str) -> Iterator[str]:
    for attempt in itertools.count():
        digest = hashlib.sha256(f"{attempt}:{name}".encode()).digest()
        yield f"127.{_FIRST + digest[0] % (_LAST - _FIRST + 1)}.{digest[1]}.{1 + digest[2] % 254}"


def _listening() -> set[str]:
    """Addresses with a listener on any port (the port does not matter to cookies); none where that can't be read."""
    try:
        lines = _TABLE.read_text().splitlines()[1:]
    except OSError:
        return set()
    found = set()
    for line in lines:
        _, local, _, state, *_ = line.split()
        if state == _LISTENS:
            raw = bytes.fromhex(local.partition(":")[0])
            found.add(
                str(IPv4Address(raw[::-1]))
            )  # in the byte order of the machine: all that yagna runs on are little
    return found
