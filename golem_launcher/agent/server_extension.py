"""What the agent adds to the Jupyter server, behind the same token: the log and the usage of the session.

GET <base>/golem-launcher/log?offset=N&wait=S   bytes of the log from offset N on; waits up to S seconds (25 at
                                                most) for the first; Golem-Launcher-Offset says where to go on
GET <base>/golem-launcher/usage                 a JSON object, see usage.py
POST <base>/golem-launcher/deadline             {"seconds": N}: everything ends N seconds from now
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from . import proc
from .log import OFFSET, OFFSET_HEADER, read_log
from .usage import usage

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_LARGEST_PIECE = 128 * 1024
_LEAST_TO_PACK = 1024
_USUAL_WAIT = 20.0
_LONGEST_WAIT = 25.0
_LONGEST_TERM = 400 * 86400.0
_WAIT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_KEY = "golem_launcher"


class Surroundings(NamedTuple):
    """Where things are."""

    log: str
    root: str
    base_url: str
    bell: int
    """Readable when the log has grown; at its end when the keeper is gone."""
    keeper: int
    orders: int
    """The keeper reads new deadlines there."""


class _Bell:
    """Wakes those who wait for the log."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Set when the log grows after this call."""
        return self._event


class _State(NamedTuple):
    surroundings: Surroundings
    bell: _Bell


def load(server: ServerApp, surroundings: Surroundings) -> None:
    """Add the handlers to an initialized server that is not running yet."""
    bell = _Bell()
    server.web_app.settings[_KEY] = _State(surroundings, bell)
    prefix = url_path_join(surroundings.base_url, "golem-launcher")
    handlers = {"log": LogHandler, "usage": UsageHandler, "deadline": DeadlineHandler}
    server.web_app.add_handlers(".*$", [(url_path_join(prefix, name), handler) for name, handler in handlers.items()])

    def rung(descriptor: int, _: int) -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(descriptor, 65536):
                server.io_loop.remove_handler(descriptor)
                server.log.error("The agent is gone: the server ends.")
                server.stop()
        bell.ring()

    server.io_loop.add_handler(surroundings.bell, rung, server.io_loop.READ)


class _Handler(APIHandler):
    auth_resource = "api"
    _track_activity = False  # a launcher that looks on is no activity

    @property
    def state(self) -> _State:
        found: _State = self.settings[_KEY]
        return found


class LogHandler(_Handler):
    """The log, as a long poll."""

    _waiter: asyncio.Future[Any] | None = None
    _gone = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Bytes of the log, none when nothing came in time."""
        offset = int(self._argument("offset", OFFSET, "0"))
        wait = min(float(self._argument("wait", _WAIT, str(_USUAL_WAIT))), _LONGEST_WAIT)
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            event = self.state.bell.next()
            at, data = await loop.run_in_executor(None, read_log, self.state.surroundings.log, offset, _LARGEST_PIECE)
            left = end - loop.time()
            if data or left <= 0:
                break
            self._waiter = asyncio.ensure_future(event.wait())
            await asyncio.wait([self._waiter], timeout=left)
            self._waiter.cancel()
            if self._gone:
                return
        self.set_header(OFFSET_HEADER, str(at + len(data)))
        if len(data) >= _LEAST_TO_PACK and "gzip" in self.request.headers.get("Accept-Encoding", ""):
            # A log packs to a tenth, and shares the VPN with the user's own work.
            self.set_header("Content-Encoding", "gzip")
            data = gzip.compress(data, 1)
        await self.finish(data, set_content_type="application/octet-stream")

    def compute_etag(self) -> None:
        """None: each answer is read once."""

    def on_connection_close(self) -> None:
        """Whoever waited has left."""
        self._gone = True
        if self._waiter is not None:
            self._waiter.cancel()

    def _argument(self, name: str, pattern: re.Pattern[str], default: str) -> str:
        text: str = self.get_query_argument(name, default, strip=False)
        if not pattern.fullmatch(text):
            raise web.HTTPError(400, f"{name} is not a number that fits")
        return text


class UsageHandler(_Handler):
    """The usage of the session."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """One JSON object."""
        state = self.state.surroundings
        found = await asyncio.get_running_loop().run_in_executor(None, usage, state.keeper, state.root)
        await self.finish(found)


class DeadlineHandler(_Handler):
    """The moment at which everything ends."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Move it."""
        seconds = (self.get_json_body() or {}).get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < _LONGEST_TERM:
            raise web.HTTPError(400, "seconds is not a number that fits")
        os.write(self.state.surroundings.orders, b"%.3f\n" % (proc.clock() + seconds))
        self.set_status(204)
        await self.finish()
