"""Streams to a server of this computer, as a session's ways make them to one of its provider."""

import asyncio
import functools
from urllib.parse import urlsplit

from golem_launcher.access.sockets.in_process_stream import DuplexStream


async def _dialled(connect):
    reader, writer = await connect()
    return DuplexStream(reader, writer, writer.close)


def to_origin(origin):
    """What dials the server at ``http://host:port``."""
    parts = urlsplit(origin)
    return functools.partial(_dialled, functools.partial(asyncio.open_connection, parts.hostname, parts.port))


def to_socket(path):
    """What dials the server at a socket file."""
    return functools.partial(_dialled, functools.partial(asyncio.open_unix_connection, str(path)))
