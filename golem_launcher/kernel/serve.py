"""The process of a kernel, from its connection file to its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil

from golem_launcher.errors import LauncherError
from golem_launcher.kernel.client_sockets import ClientSockets
from golem_launcher.kernel.connection_record import KernelRecord
from golem_launcher.kernel.notebook_session import Notebook, OnShutdown
from golem_launcher.kernel.orphan import until_orphaned
from golem_launcher.kernel.proxy import Proxy
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from pathlib import Path

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
        asyncio.run(_serve(connection_file, KernelRecord(connection_file), fields, on_shutdown))
    except LauncherError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


async def _serve(file: Path, record: KernelRecord, fields: dict[str, object] | None, on_shutdown: OnShutdown) -> None:
    sockets = ClientSockets(file)
    proxy = Proxy(
        sockets,
        lambda owner: Notebook(owner, record, request=fields, on_shutdown=on_shutdown),
        lines=_started_by_console(),
    )
    loop = asyncio.get_running_loop()
    interrupting: set[asyncio.Task[None]] = set()

    def interrupt() -> None:
        task = asyncio.ensure_future(proxy.interrupt())
        interrupting.add(task)
        task.add_done_callback(interrupting.discard)

    told_to_end = asyncio.Event()

    def end() -> None:
        told_to_end.set()
        proxy.shut_down()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, end)
    orphaned = asyncio.create_task(until_orphaned())
    orphaned.add_done_callback(lambda task: None if task.cancelled() else proxy.shut_down())
    restarts = False
    try:
        restarts = await proxy.run()
    finally:
        try:
            await proxy.notebook.end(restarts=restarts, orphaned=told_to_end if orphaned.done() else None)
        finally:
            await cancel_all(orphaned, *interrupting)
            await sockets.aclose()


def _started_by_console() -> bool:
    """Whether a console in a terminal started this kernel: it shows no updates of displays."""
    try:
        words = psutil.Process(os.getppid()).cmdline()[:4]
    except psutil.Error:
        return False
    return any(word.rpartition("/")[2] in _CONSOLES for word in words)
