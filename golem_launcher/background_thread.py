"""A background thread for work that must not block an event loop, such as a note behind another process's lock."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")


def run_in_background(function: Callable[..., object], *args: Any) -> None:
    """Call ``function`` soon, after what was given before, in a thread; the process does not end before it has."""
    _WORKER.submit(_call, function, args)


def _call(function: Callable[..., object], args: tuple[Any, ...]) -> None:
    try:
        function(*args)
    except Exception:  # noqa: BLE001 - nobody waits for it
        _LOG.exception("what ran in the background failed")
