"""Pieces of large files are gone from this computer once nobody reads them any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.session.endpoints import lab_large_files
from golem_launcher.workspace.transfer.relayed_download import RelayedDownload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


class _Endless(RelayedDownload):
    """A download that brings nothing, and is read all the time."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._block = memoryview(b"")
        self._blocks = self._nothing()

    async def _nothing(self) -> AsyncGenerator[bytes, None]:
        await asyncio.Event().wait()
        yield b""

    def close(self) -> None:
        self.closed.set()


def test_pieces_of_a_download_that_is_read_when_its_machine_goes_are_removed(tmp_path: Path) -> None:
    scratch = tmp_path / "pieces"
    scratch.mkdir()
    (scratch / "piece").write_bytes(b"x")

    async def scene() -> None:
        file = _Endless()
        reading = asyncio.create_task(file.read(1))
        await asyncio.sleep(0)
        tending = asyncio.create_task(lab_large_files._to_its_end(file, scratch))
        await asyncio.sleep(0)
        tending.cancel()
        await asyncio.gather(tending, return_exceptions=True)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(scene())
    assert not scratch.exists()
