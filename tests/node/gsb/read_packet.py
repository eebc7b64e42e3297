"""The packets of a stream one by one, for peers that are played by hand."""

import asyncio

from golem_launcher.errors import BusClosed
from golem_launcher.node.gsb import frames


async def read_packet(reader):
    """The next packet; ``BusClosed`` when the stream ends."""
    try:
        head = await reader.readexactly(frames.LENGTH_BYTES)
        return frames.decode(head + await reader.readexactly(frames.frame_length(head, 0)))
    except (asyncio.IncompleteReadError, OSError) as error:
        raise BusClosed("The connection to the bus ended.") from error
