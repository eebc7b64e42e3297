"""The process of a kernel, from its connection file to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil

from golem_launcher.errors import LauncherError
from golem_launcher.kernel.front import Front
from golem_launcher.kernel.notebook import Notebook, OnShutdown
from golem_launcher.kernel.proxy import Proxy
from golem_launcher.kernel.record import Record
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from pathlib import Path

_PARENT_VARIABLE = "JPY_PARENT_PID"
_PARENT_SECONDS = 1.0
_ORPHAN = 1
_CONSOLES = {"jupyter-console", "jupyter_console", "console"}


def serve(connection_file: Path, request: Path | None, on_shutdown: OnShutdown) -> int:
    """Serve until a client shuts the kernel down, or its starter is gone; the exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="golem kernel: %(message)s")
    try:
        fields = None
        if request is not None:
            from golem_launcher.request import parse_request, yaml

            fields = yaml.read(request)
            parse_request(fields)
            fields.pop("name", None)  # each session has its own
        asyncio.run(_serve(connection_file, Record(connection_file), fields, on_shutdown))
    except LauncherError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


async def _serve(file: Path, record: Record, fields: dict[str, object] | None, on_shutdown: OnShutdown) -> None:
    front = Front(file)
    proxy = Proxy(
        front,
        lambda owner: Notebook(owner, record, request=fields, on_shutdown=on_shutdown),
        lines=_started_by_console(),
    )
    loop = asyncio.get_running_loop()
    interrupting: set[asyncio.Task[None]] = set()

    def interrupt() -> None:
        task = asyncio.ensure_future(proxy.interrupt())
        interrupting.add(task)
        task.add_done_callback(interrupting.discard)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, proxy.shut_down)
    orphaned = asyncio.create_task(_until_orphaned())
    orphaned.add_done_callback(lambda task: None if task.cancelled() else proxy.shut_down())
    try:
        restarts = await proxy.run()
        if orphaned.done():
            proxy.notebook.on_shutdown = "keep"  # its starter was killed: the notebook may come back
        await proxy.notebook.end(restarts=restarts)
    finally:
        await cancel_all(orphaned, *interrupting)
        await front.aclose()


def _started_by_console() -> bool:
    """Whether a console in a terminal started this kernel: it shows no updates of displays."""
    try:
        words = psutil.Process(os.getppid()).cmdline()[:4]
    except psutil.Error:
        return False
    return any(word.rpartition("/")[2] in _CONSOLES for word in words)


async def _until_orphaned() -> None:
    """Until the process that started this one is gone, as kernels look for."""
    with contextlib.suppress(ValueError):
        if int(os.environ.get(_PARENT_VARIABLE, "0")) > _ORPHAN:
            parent = os.getppid()  # 1 already, when the starter was killed while this process began
            while os.getppid() == parent != _ORPHAN:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_PARENT_SECONDS)
            return
    await asyncio.get_running_loop().create_future()
