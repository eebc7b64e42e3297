"""What a supervisor loads, in an order and a manner that a start does not wait for.

Between Start and an agreement, most of the time is Python's imports. Two of them need not be waited for: aiohttp
reads the system's certificates (a twentieth of a second, in which other modules load), and yapapi asks setuptools'
``pkg_resources`` for its own version, which looks at everything that is installed.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import sys
import threading
import types
from typing import Any

_ASKED_BY_YAPAPI = "pkg_resources"


def begin() -> None:
    """Load what takes long, beside everything else. No garbage is looked for meanwhile; :func:`end` ends that."""
    gc.disable()
    threading.Thread(target=importlib.import_module, args=("aiohttp",), name="imports").start()


def end() -> None:
    """All that a session needs is loaded, and stays: it is no garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()


def engine() -> Any:
    """The module of yapapi's engine. Blocking."""
    if _ASKED_BY_YAPAPI in sys.modules or "yapapi" in sys.modules:
        return importlib.import_module("golem_launcher.rental.engine")
    answer: Any = types.ModuleType(_ASKED_BY_YAPAPI)
    answer.get_distribution = importlib.metadata.distribution  # what it is asked for, in the same form
    sys.modules[_ASKED_BY_YAPAPI] = answer
    try:
        return importlib.import_module("golem_launcher.rental.engine")
    finally:
        del sys.modules[_ASKED_BY_YAPAPI]
