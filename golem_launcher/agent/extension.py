"""A Jupyter server extension: the agent's log and the session's usage, behind Jupyter's own authentication.

GET <base>/golem-launcher/log?offset=N&wait=S   bytes of the log from N on, as text/plain; waits up to S seconds
                                                (at most 25, 20 unless given) while there are none
GET <base>/golem-launcher/usage                 what the session uses, as JSON (see ``usage``)
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from .lab import SETTINGS
from .log import LogReader
from .usage import usage

if TYPE_CHECKING:
    from .settings import Settings

START_HEADER = "Golem-Launcher-Log-Start"
"""The number of the first byte given: larger than asked for where the oldest are gone."""
_LONGEST_WAIT = 25.0
_WAIT = 20.0
_LARGEST_ANSWER = 128 * 1024
_LOOK_SECONDS = 0.25
_LARGEST_OFFSET = 1 << 53


class _Handler(APIHandler):  # type: ignore[misc]
    auth_resource = "golem-launcher"
    _track_activity = False

    @property
    def _of_launcher(self) -> Settings:
        found: Settings = self.settings[SETTINGS]
        return found

    def _number(self, name: str, default: float, largest: float) -> float:
        try:
            value = float(self.get_query_argument(name, str(default)))
        except ValueError:
            value = -1.0
        if not 0 <= value <= largest:
            raise web.HTTPError(400, f"{name} must be a number from 0 to {largest:.0f}")
        return value


class LogHandler(_Handler):
    """The log, by long polls."""

    _gone = False

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Answer as soon as there is something to tell."""
        offset = int(self._number("offset", 0, _LARGEST_OFFSET))
        loop = asyncio.get_running_loop()
        end = loop.time() + min(self._number("wait", _WAIT, 3600), _LONGEST_WAIT)
        reader = LogReader(Path(self._of_launcher.log))
        start, data = reader.read(offset, _LARGEST_ANSWER)
        while not data and loop.time() < end and not self._gone:
            await asyncio.sleep(_LOOK_SECONDS)
            start, data = reader.read(offset, _LARGEST_ANSWER)
        self.set_header(START_HEADER, str(start))
        self.set_header("Cache-Control", "no-store")
        if not self._gone:
            await self.finish(data, set_content_type="text/plain; charset=utf-8")

    def on_connection_close(self) -> None:
        """Nobody waits any more."""
        self._gone = True


class UsageHandler(_Handler):
    """What the session uses."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Measure now."""
        settings = self._of_launcher
        # Our parent is the agent, and everything of the session is below it.
        measured = await asyncio.to_thread(usage, os.getppid(), settings.root)
        await self.finish({**measured, "deadline": settings.deadline})


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "golem-launcher", "log"), LogHandler),
            (url_path_join(base, "golem-launcher", "usage"), UsageHandler),
        ],
    )
