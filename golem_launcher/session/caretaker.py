"""``python -m golem_launcher.session.caretaker``: answers at the addresses of sessions that do not run.

Whoever reloads the Lab, or opens a laptop that slept through the end, is told where the files are and how to go on,
in place of a browser's "can't be reached". One small process for all sessions of a launcher's directory, since their
supervisors have gone by then: begun when an address is parked, gone when none is any more.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import selectors
import sys
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, NamedTuple

from golem_launcher import files, modules, paths, processes
from golem_launcher.access.origin_policy import FAREWELL, OUR_PAGE, html_page
from golem_launcher.peers import is_another_person
from golem_launcher.session import parked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from golem_launcher.session.parked import Parked

_LOCK, _PROCESS, _LOG = ".caretaker.lock", ".caretaker.json", ".caretaker.log"
"""In the directory of all sessions."""
_LOCK_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_SLOWEST_SECONDS = 10.0
"""A browser that asks nothing for so long is let go."""
_END_SECONDS = 2.0


def begin(environment: Mapping[str, str]) -> None:
    """Have a caretaker at work, unless one is. Called once an address is parked.

    ``environment``: its own, which knows of no session's node.
    """
    sessions = paths.sessions_directory()
    if any(parked.everywhere(sessions)) and not _is_at_work(sessions):
        processes.spawn_detached(
            modules.command(__name__),
            env={**environment, **paths.variables()},
            log=sessions / _LOG,
            cwd=sessions,
        )


def end() -> None:
    """End it. Whatever is parked is answered for again once another one begins."""
    record = processes.ProcessRecord.from_json(files.read_json(paths.sessions_directory() / _PROCESS))
    if record is not None:
        record.stop(grace=_END_SECONDS)


def _is_at_work(sessions: Path) -> bool:
    try:
        with files.locked(sessions / _LOCK, deadline=0):
            return False
    except TimeoutError:
        return True


class _Address(ThreadingTCPServer):
    """One address. ``handle_request`` when somebody comes there."""

    allow_reuse_address = True
    daemon_threads = True
    timeout = 0

    def __init__(self, what: Parked) -> None:
        """Raises ``OSError`` when somebody else has the address."""
        super().__init__(what.place, _Handler)
        self.socket.setblocking(False)
        host, port = what.place
        self.host = f"{host}:{port}"
        body = "".join(f"<p>{html.escape(line)}</p>" for line in what.told.splitlines())
        self.page = html_page("This session has ended", body)
        self.news = json.dumps({"ended": what.told}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: _Address
    timeout = _SLOWEST_SECONDS

    def do_GET(self) -> None:
        """Tell a person by a page, and the Lab's own script by JSON."""
        if self.headers.get("Host") != self.server.host or is_another_person(
            self.client_address, self.connection.getsockname()
        ):
            self._give(403, "text/plain", b"")
        elif self.path.endswith(FAREWELL):
            self._give(200, "application/json", self.server.news)
        else:
            self._give(410, "text/html; charset=utf-8", self.server.page)

    def _give(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in OUR_PAGE:
            self.send_header(name.decode(), value.decode())
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: who looks at the Lab is nobody's business."""


class _Answered(NamedTuple):
    """An address at which somebody answers."""

    what: Parked
    server: _Address


class _Round:
    """Answers at all addresses that are parked in ``sessions``."""

    def __init__(self, sessions: Path) -> None:
        self._sessions = sessions
        self._coming = selectors.DefaultSelector()
        self._answered: dict[Path, _Answered] = {}

    def run(self) -> None:
        """Until nothing is parked any more."""
        while self._look():
            until = time.monotonic() + _LOOK_SECONDS
            while (left := until - time.monotonic()) > 0:
                for key, _ in self._coming.select(left):
                    key.data.handle_request()

    def close(self) -> None:
        """Let go of all addresses."""
        for directory in list(self._answered):
            self._let_go(directory)
        self._coming.close()

    def _look(self) -> bool:
        """Answer where something is parked and nowhere else; whether anything is."""
        there = dict(parked.everywhere(self._sessions))
        for directory, known in list(self._answered.items()):
            if there.get(directory) != known.what:
                self._let_go(directory)
        for directory, what in there.items():
            if directory not in self._answered:
                with contextlib.suppress(OSError):  # its supervisor has it for a moment yet, or another program
                    self._take(directory, what)
        return bool(there)

    def _take(self, directory: Path, what: Parked) -> None:
        server = _Address(what)
        self._coming.register(server.fileno(), selectors.EVENT_READ, server)
        self._answered[directory] = _Answered(what, server)

    def _let_go(self, directory: Path) -> None:
        server = self._answered.pop(directory).server
        self._coming.unregister(server.fileno())
        server.server_close()


def main() -> int:
    """Answer for all sessions, unless another caretaker does."""
    sessions = paths.sessions_directory()
    while True:
        try:
            with (
                files.locked(sessions / _LOCK, deadline=_LOCK_SECONDS),
                contextlib.closing(_Round(sessions)) as at_work,
            ):
                files.write_json(sessions / _PROCESS, processes.ProcessRecord.of(os.getpid()).to_json())
                at_work.run()
        except (TimeoutError, FileNotFoundError):  # another one is at work; or the launcher's directory is gone
            return 0
        if not any(parked.everywhere(sessions)):  # whoever parked one since then saw this one at work
            return 0


if __name__ == "__main__":
    sys.exit(main())
