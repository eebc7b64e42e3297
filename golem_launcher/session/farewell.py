"""``python -m golem_launcher.session.farewell DIRECTORY``: answers at a Lab's address once its session has ended.

Whoever reloads the Lab, or opens a laptop that slept through the end, is told where the files are and how to go on,
in place of a browser's "can't be reached". A process of its own, small and for an hour: the supervisor is gone by
then. It ends when the session is taken off the list, and on ``golem-launcher down``.
"""

from __future__ import annotations

import html
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from golem_launcher import files, modules, paths, processes
from golem_launcher.access.origin_policy import FAREWELL, OUR_PAGE, html_page
from golem_launcher.peers import is_another_person

if TYPE_CHECKING:
    from golem_launcher.session.directory import SessionDirectory

_RECORD = "farewell.json"
"""In a session's directory: what to say and where. Without it nobody answers any more."""
_MOST_SECONDS = 3600.0
_LOOK_SECONDS = 1.0
_SLOWEST_SECONDS = 10.0
"""A browser that asks nothing for so long is let go."""


def begin(directory: SessionDirectory, address: str, text: str) -> None:
    """Have ``text``, a few lines, said at the ``address`` at which the Lab was; called by a supervisor at its end."""
    files.write_json(directory.path / _RECORD, {"address": address, "text": text})
    processes.spawn_detached(
        modules.command(__name__, str(directory.path)), env=os.environ, log=directory.supervisor_log, cwd=Path("/")
    )


def end_all() -> None:
    """Have nothing said any more of any session, within a second."""
    for record in paths.sessions_directory().glob(f"*/{_RECORD}"):
        record.unlink(missing_ok=True)


class _Farewell(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, text: str) -> None:
        super().__init__((host, port), _Handler)
        self.timeout = _LOOK_SECONDS
        self.host = f"{host}:{port}"
        body = "".join(f"<p>{html.escape(line)}</p>" for line in text.splitlines())
        self.page = html_page("This session has ended", body)
        self.news = json.dumps({"ended": text}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: _Farewell
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


def main() -> int:
    """Answer for the session in the directory that the first argument names."""
    record = Path(sys.argv[1]) / _RECORD
    told = files.read_json(record)
    if not isinstance(told, dict):
        return 0
    where = urlsplit(str(told["address"]))
    until = time.monotonic() + _MOST_SECONDS
    try:
        server = _Farewell(str(where.hostname), int(where.port or 0), str(told["text"]))
    except OSError:  # somebody has the address already
        return 0
    with server:
        while time.monotonic() < until and files.read_json(record) == told:
            server.handle_request()
    return 0


if __name__ == "__main__":
    sys.exit(main())
