"""Logs that a kernel was killed, and why, as far as that can be known inside the machine.

JupyterLab shows that a kernel "appears to have died" and starts another; why stands nowhere.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import time
from typing import TYPE_CHECKING, Any

from tornado.ioloop import PeriodicCallback

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_MILLISECONDS = 1000
_COUNTS = ("/proc/vmstat", "/sys/fs/cgroup/memory.events")
"""Where Linux counts the programs that it killed as there was no memory left: in the machine, in a container."""
_COUNTED = b"oom_kill "
_SAME_SECONDS = 15.0
"""A kernel's end is noticed a few seconds late."""
_FOR_MEMORY = "was killed: the machine had no memory left."
_BY_SIGNAL = "was killed by signal 9, which most often means that the session's memory was full."


def watch(server: ServerApp) -> None:
    """From when the server runs until it ends. Called once, on an initialized server."""
    manager: Any = server.kernel_manager
    if not hasattr(manager, "add_restart_callback"):  # its kernels run elsewhere
        return
    known: set[str] = set()
    counted, at = killed_for_memory(), float("-inf")

    def look() -> None:
        nonlocal counted, at
        now = killed_for_memory()
        if now != counted:
            counted, at = now, time.monotonic()
        here = set(manager.list_kernel_ids())
        for kernel in here - known:
            manager.add_restart_callback(kernel, functools.partial(tell, kernel), "restart")
        known.intersection_update(here)
        known.update(here)

    def tell(kernel: str) -> None:
        process = getattr(manager.get_kernel(kernel).provisioner, "process", None)
        if process is not None and process.poll() == -signal.SIGKILL:
            look()
            why = _FOR_MEMORY if time.monotonic() - at < _SAME_SECONDS else _BY_SIGNAL
            server.log.error("Kernel %s %s", kernel, why)

    PeriodicCallback(look, _MILLISECONDS).start()


def killed_for_memory(places: tuple[str, ...] = _COUNTS) -> int:
    """How many programs were killed because there was no memory left, as Linux counts them in ``places``."""
    found = 0
    for place in places:
        with contextlib.suppress(OSError, ValueError, LookupError), open(place, "rb") as file:
            found += sum(int(line.split()[1]) for line in file if line.startswith(_COUNTED))
    return found
