"""Looks at something again and again, in a thread, while something else is done."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def sampled(look: Callable[[], None], every: float) -> Iterator[None]:
    """Have ``look`` called every so many seconds while the ``with`` block runs."""
    over = threading.Event()

    def sample() -> None:
        while not over.wait(every):
            look()

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
