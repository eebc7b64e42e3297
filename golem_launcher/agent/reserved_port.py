"""Takes a port before there is anybody who serves it: who comes meanwhile waits. For the agent, and the user's side."""

from __future__ import annotations

import socket
from typing import Any


def listen(
    address: tuple[Any, ...], *, backlog: int, family: int = socket.AF_INET, shared: bool = False
) -> socket.socket:
    """A listener whose connections send what is small at once. Raises ``OSError`` when the port can't be had.

    ``shared``: other programs of this user may have the port as well that say so, too.

    They have that from it. asyncio sees to it only at ports that it binds itself: an answer's body, or a kernel's next
    message, would wait 40 ms and more until what went before has arrived.
    """
    listener = socket.create_server(address, family=family, backlog=backlog, reuse_port=shared)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
