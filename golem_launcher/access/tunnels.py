"""Tunnels that a command opens: a listener here, the session's door, a port of the provider."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from golem_launcher.access import door
from golem_launcher.access.peers import is_ours
from golem_launcher.access.tunnel import Listener
from golem_launcher.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def to_port(path: Path, host: str, port: int, remote_port: int, ready: Callable[[str], None]) -> None:
    """Lead ``host:port`` to ``remote_port`` of the provider behind the door at ``path``, until SIGINT or SIGTERM.

    What listens there may ask for no password: so only programs of this user are let in. ``ready`` gets the address
    once it listens. Raises ``AccessError`` when it can't.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_ours(writer):
            raise AccessError("Another user's program.")
        await door.carry(path, remote_port, reader, writer)

    listener = Listener(host, port, serve)
    await listener.start()
    try:
        ready(f"{host}:{listener.port}")
        await until_told()
    finally:
        await listener.aclose()


async def until_told() -> None:
    """Wait for SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()
