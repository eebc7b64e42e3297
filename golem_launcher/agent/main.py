"""``python3 agent.pyz SETTINGS.json``: start JupyterLab in the background, return at once.

Exit codes, with a reason on standard error: 0 it starts, 2 wrong usage or settings, 3 no JupyterLab in this Python,
4 the port can't be had, 5 the agent can't run here. That JupyterLab answers is for the user's side to see.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from .keeper import Keeper
from .settings import Settings, SettingsError, read

USAGE, NO_JUPYTERLAB, NO_PORT, NO_START = 2, 3, 4, 5
_LARGEST_DESCRIPTOR = 4096
_LARGEST_REASON = 4096


def main() -> None:
    """What the zip application runs."""
    if sys.argv[1:] == ["--lab"]:
        from .lab import run  # noqa: PLC0415 - only there

        run()
        return
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its argument
        _leave(USAGE, "usage: python3 agent.pyz SETTINGS.json")
    try:
        settings = read(Path(sys.argv[1]))
    except SettingsError as error:
        _leave(USAGE, str(error))
    if importlib.util.find_spec("jupyterlab") is None:
        _leave(NO_JUPYTERLAB, f"{sys.executable} has no JupyterLab; choose an image that has (pip install jupyterlab)")
    try:
        _try_port(settings)
    except OSError as error:
        _leave(NO_PORT, f"port {settings.port} on {settings.address} can't be had ({error.strerror})")
    reason = _in_background(settings, Path(sys.argv[0]).absolute())
    if reason:
        _leave(NO_START, reason)


def _in_background(settings: Settings, archive: Path) -> str:
    """Run the keeper in a process of its own that outlives this one; why it can't, or nothing once it runs."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(write_end)
        with os.fdopen(read_end, "rb") as report:
            reason = report.read(_LARGEST_REASON).decode(errors="replace")
        os.waitpid(child, 0)
        return reason
    code = NO_START
    try:
        os.setsid()
        if os.fork() == 0:
            _keep(settings, archive, write_end)
        code = 0
    finally:
        os._exit(code)
    raise AssertionError("not reached")


def _keep(settings: Settings, archive: Path, report: int) -> None:
    """The background process: nothing of the caller's stays open, or its command would not end."""
    with open(os.devnull, "r+b") as null:  # noqa: PTH123
        for descriptor in range(3):
            os.dup2(null.fileno(), descriptor)
    for descriptor in range(3, _LARGEST_DESCRIPTOR):
        if descriptor != report:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    os.set_inheritable(report, False)
    running = False

    def ready() -> None:
        nonlocal running
        running = True
        os.close(report)

    try:
        Keeper(settings, archive).run(ready)
    except OSError as error:
        if not running:
            os.write(report, f"it can't start here ({error})".encode())


def _try_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((settings.address, settings.port))


def _leave(code: int, reason: str) -> NoReturn:
    sys.stderr.write(f"golem-launcher agent: {reason}\n")
    sys.exit(code)
