"""Imports a supervisor's large packages on threads, while the start does something else.

Imports are most of the time between Start and an agreement. aiohttp, which reads the system's certificates, is imported
beside other modules; yapapi, while the node is asked. Called by the supervisor and by the fork server.
"""

from __future__ import annotations

import gc
import importlib
import threading
import warnings
from typing import Any


def begin() -> None:
    """Load what takes long, beside everything else. No garbage is looked for meanwhile; :func:`end` ends that."""
    gc.disable()
    threading.Thread(target=importlib.import_module, args=("aiohttp",), name="imports").start()


def end() -> None:
    """All that a session needs is loaded, and stays: it is no garbage.

    The little that is among it stays as well: to find that takes as long as a tenth of all these imports.
    """
    gc.freeze()
    gc.enable()


def engine() -> Any:
    """The module of :mod:`golem_launcher.rental.session_engine`, imported once, without yapapi's warnings. Blocks."""
    # yapapi asks setuptools for its own version, in a way that setuptools warns of.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
    return importlib.import_module("golem_launcher.rental.session_engine")
