"""Reads the chunks of saved files in a thread of its own, while those before them are written to the disk."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self

    from golem_launcher.workspace.repository.store import Store

_AHEAD = 16


class ReadAhead:
    """Used within ``with``, where nobody else asks the store."""

    def __init__(self, store: Store, chunks: Iterable[str]) -> None:
        """``chunks``: the ids of those that will be asked for, in that order."""
        self._store = store
        self._coming = iter(chunks)
        self._reader = ThreadPoolExecutor(1)
        self._read: deque[tuple[str, Future[bytes]]] = deque()

    def __enter__(self) -> Self:
        self._go_on(_AHEAD)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.shutdown(cancel_futures=True)

    def get_chunk(self, chunk: str) -> bytes:
        """As the store has it; those before it that were not asked for are passed over."""
        while self._read:
            name, data = self._read.popleft()
            self._go_on(1)
            if name == chunk:
                return data.result()
        raise DamagedObject("A part of a file was asked for out of its order.")

    def _go_on(self, count: int) -> None:
        for chunk in islice(self._coming, count):
            self._read.append((chunk, self._reader.submit(self._store.get_chunk, chunk)))
