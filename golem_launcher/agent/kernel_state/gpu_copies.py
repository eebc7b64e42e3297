"""Copies GPU tensors of the notebook's variables into main memory, before the kernel forks to write variables down.

A fork can't use CUDA, so the kernel itself copies: while it is idle, a few milliseconds at a time. When a cell begins,
the copies are dropped, as the cell may change what was copied. Where no tensor can be on a GPU, nothing is looked at.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Any

from . import shared_objects, tensors
from .large_buffers import room
from .pickler import ON_GPU, TOO_LARGE, TOO_LARGE_TO_COPY, CannotKeep
from .size_text import in_words

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

_SECONDS = 2.0
"""By the clock, for all of them."""
_PIECE = 8 * 1024 * 1024
_MOST_OBJECTS, _MOST_WITHIN, _SOME = 1_000_000, 100_000, 1_000
"""That are looked at; a larger list or the like is not looked into; so many between two looks at the clock."""
_NOT_YET = f"{ON_GPU}, and is copied from there once no cell waits"


class GpuCopies:
    """Of the GPU's storages that ``variables`` reach; ``apart`` is as in ``shared_objects.py``. For one thread."""

    def __init__(self, variables: Iterable[object], apart: Iterable[object], most_bytes: int) -> None:
        self._torch: Any = sys.modules.get(tensors.LIBRARY)
        self._most = self._left = most_bytes
        self._copies: dict[int, Any] = {}
        self._lost: dict[int, str] = {}
        """Why a storage is not copied."""
        self._why = _NOT_YET
        """The same for all others."""
        self._work = self._copied(list(variables), list(apart))
        self._end = time.monotonic() + _SECONDS

    def go_on(self, seconds: float) -> bool:
        """Copy, for about so long; whether all is copied that will be. Raises nothing."""
        pause = time.monotonic() + seconds
        try:
            for is_free in self._work:
                now = time.monotonic()
                if now > self._end:
                    self._why = f"{TOO_LARGE_TO_COPY} {_SECONDS:g} s"
                    self._work.close()
                elif now > pause or not is_free:
                    return False
            if self._why is _NOT_YET:
                self._why = ON_GPU
        except Exception as error:  # noqa: BLE001 - of a GPU that fell out, say
            self._why = f"it can't be copied from the GPU: {error}"
        return True

    def of(self, storage: Any) -> memoryview:
        """The bytes of one. Raises ``CannotKeep``."""
        key = tensors.key(storage)
        if key not in self._copies:
            raise CannotKeep(self._lost.get(key, self._why))
        return memoryview(self._copies[key])

    def _copied(self, variables: list[object], apart: list[object]) -> Generator[bool, None, None]:
        """Whether the GPU is free, after each piece of work."""
        in_use = getattr(getattr(self._torch, "cuda", None), "is_initialized", None)
        if in_use is None or not in_use():
            return
        for storage in _storages(variables, apart):
            if storage is not None:
                yield from self._copy(storage)
            yield True

    def _copy(self, storage: Any) -> Iterator[bool]:
        torch, key, size = self._torch, tensors.key(storage), storage.nbytes()
        if size > self._left:
            self._lost[key] = f"{TOO_LARGE} {in_words(self._most)}"
            return
        while not torch.cuda.current_stream(storage.device).query():
            yield False  # what the last cell began goes on there: copying would wait for it
        try:
            copy = room(size)
        except (MemoryError, OSError):
            self._lost[key] = "there is no memory to save it"
            return
        if size:
            here = torch.frombuffer(copy, dtype=torch.uint8)
            there = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
            for at in range(0, size, _PIECE):
                here[at : at + _PIECE].copy_(there[at : at + _PIECE])
                yield True
        self._left -= size
        self._copies[key] = copy


def _storages(variables: list[object], apart: list[object]) -> Iterator[Any]:
    """Each storage on a GPU, once; ``None`` now and then."""
    tensor = tensors.kind()
    seen = {id(one): one for one in (*apart, variables)}  # which keeps them, and so their numbers are nobody else's
    waiting, known = variables, set()
    while waiting and len(seen) < _MOST_OBJECTS:
        some = waiting[-_SOME:]
        del waiting[-_SOME:]
        for one in some:
            if id(one) in seen or not shared_objects.is_looked_into(one):
                continue
            seen[id(one)] = one
            storage = tensors.storage_of(one) if isinstance(one, tensor) else None
            if storage is not None and tensors.is_on_gpu(storage) and tensors.key(storage) not in known:
                known.add(tensors.key(storage))
                yield storage
            if shared_objects.size_of(one) <= _MOST_WITHIN:
                waiting += filter(gc.is_tracked, shared_objects.held_by(one))
        yield None
