"""A Jupyter server extension: the session's log and usage, for whoever has the Lab's token."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from . import log, processes
from .config import SECTION

PREFIX = "golem-launcher"
NEXT_OFFSET = "X-Next-Offset"

_LARGEST_PIECE = 256 * 1024
_LONGEST_WAIT_SECONDS = 25.0
_POLL_SECONDS = 0.25


class LogHandler(APIHandler):
    """``GET log?offset=N&wait=S``: the log's bytes from N on; waits up to S seconds (at most 25) for the first."""

    def initialize(self, directory: Path) -> None:
        """``directory`` is the log's."""
        self._directory = directory

    @web.authenticated
    async def get(self) -> None:
        """Answer with bytes; the header ``X-Next-Offset`` says where to go on."""
        offset = _number(self.get_argument("offset", "0"), int)
        wait = _number(self.get_argument("wait", str(_LONGEST_WAIT_SECONDS)), float)
        end = time.monotonic() + min(wait, _LONGEST_WAIT_SECONDS)
        data, following = log.read(self._directory, offset, _LARGEST_PIECE)
        while not data and time.monotonic() < end and not self.request.connection.stream.closed():
            await asyncio.sleep(_POLL_SECONDS)
            data, following = log.read(self._directory, offset, _LARGEST_PIECE)
        self.set_header(NEXT_OFFSET, str(following))
        await self.finish(data, set_content_type="application/octet-stream")


class UsageHandler(APIHandler):
    """``GET usage``: what the session uses, as JSON."""

    def initialize(self, root: Path) -> None:
        """``root`` is the notebook directory."""
        self._root = root

    @web.authenticated
    async def get(self) -> None:
        """CPU seconds so far, bytes of memory now, bytes of disk used and free where the notebooks are."""
        used = processes.usage(os.getppid())
        disk = os.statvfs(self._root)
        await self.finish(
            {
                "cpu_seconds": used.cpu_seconds,
                "cpus": len(os.sched_getaffinity(0)),
                "memory_bytes": used.memory_bytes,
                "disk_used_bytes": (disk.f_blocks - disk.f_bfree) * disk.f_frsize,
                "disk_free_bytes": disk.f_bavail * disk.f_frsize,
            }
        )


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    base = url_path_join(server.web_app.settings["base_url"], PREFIX)
    logs = Path(server.config[SECTION]["logs"])
    server.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "log"), LogHandler, {"directory": logs}),
            (url_path_join(base, "usage"), UsageHandler, {"root": Path(server.root_dir)}),
        ],
    )


def _number(text: str, kind: type[Any]) -> Any:
    try:
        number = kind(text)
    except ValueError:
        raise web.HTTPError(400, "not a number") from None
    if not 0 <= number < 2**63:  # also refuses what is not a number at all
        raise web.HTTPError(400, "out of range")
    return number
