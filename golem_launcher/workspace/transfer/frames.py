"""Decodes chunks from a provider's stream or file, and accepts exactly the requested ones in order.

Raises ``WorkspaceError`` for anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.agent.workspace.wire import AGAIN, GONE, Frames, WireError, frames_in
from golem_launcher.workspace.transfer.responses import nonsense

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

Chunk = tuple[str, "bytes | None"]
"""Its id, and its bytes unless it is not there any more."""


def read_frames(path: Path, ids: Iterable[str], take: Callable[[str, bytes], None]) -> list[str]:
    """Give each chunk in a file of frames to ``take``; those that were not there any more. Blocking."""
    wanted, gone = iter(ids), []
    with path.open("rb") as file:
        for identifier, data in _these(frames_in(file), wanted):
            if data is None:
                gone.append(identifier)
            else:
                take(identifier, data)
    if next(wanted, None) is not None:
        raise nonsense("it ended too early")
    return gone


def expected(frames: Frames, piece: bytes, wanted: Iterator[str]) -> list[Chunk]:
    """The chunks that are whole with this piece of a stream; ``wanted`` goes on with each."""
    return list(_these(frames.feed(piece), wanted))


def _these(frames: Iterator[tuple[bytes, int, bytes]], wanted: Iterator[str]) -> Iterator[Chunk]:
    try:
        for chunk, kind, data in frames:
            identifier = chunk.hex()
            if kind == AGAIN or next(wanted, None) != identifier:
                raise nonsense("a chunk that nobody asked for")
            yield identifier, None if kind == GONE else data
    except WireError as error:
        raise nonsense(str(error)) from None
