"""Allocates buffers for large values, in huge pages where the kernel has them."""

from __future__ import annotations

import contextlib
import mmap

_LARGE = 4 * 1024 * 1024


def room(size: int) -> bytearray | mmap.mmap:
    """So many bytes; many of them at once where the system has large pages, and its own after a fork.

    Raises ``MemoryError`` or ``OSError``.
    """
    if size < _LARGE or not hasattr(mmap, "MAP_ANONYMOUS"):
        return bytearray(size)
    made = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(AttributeError, OSError):
        made.madvise(mmap.MADV_HUGEPAGE)
    return made
