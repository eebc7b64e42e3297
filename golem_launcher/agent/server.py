"""The agent's server: one process beside the workload, from the agent's start to its end.

It serves HTTP at the third port after the workload's first, behind the session's token. As a process of its own, with
the least claim to the processor, it keeps no cell waiting; it answers before the workload is there, so that a workspace
can be put back first, and while that is being started anew.

    GET  /log?offset=N&wait=S     bytes of the log from offset N on; waits up to S seconds (25 at most) for the first;
                                  the header Golem-Launcher-Offset says where to go on
    GET  /usage                                       a JSON object, see usage.py
    POST /deadline {"seconds": n}                     everything ends n seconds from now
    GET  /state                                       {"held": whether the workload waits for /open,
                                                       "ended": whether it has ended in order}
    POST /plan     {"base": "…" or null, "state": "…"}   a list of entries, see wire.py
    POST /chunks   {"ids": […]}                       frames, in that order
    POST /pack     {"ids": […], "name": "…"}          the same into a file, for a transfer; {"size": n}
    POST /drop     {"name": "…"}                      remove such a file
    POST /restore  a list of entries                  begin to put a workspace back
    POST /put      frames                             {"next": n, "error": "…"}
    POST /take     {"name": "…"}                      the same from a file
    POST /finish   {}                                 {"problems": [[path, reason], …]}
    POST /install  {"requirements": […], "seconds": n}   JSON lines, see packages.py
    POST /open     {}                                 the workload may start
"""

from __future__ import annotations

import contextlib
import gzip
import hmac
import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from .control import Control, LogPiece
from .log import OFFSET_HEADER
from .workspace import wire
from .workspace.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .config import Config

_NICE = 10
_LARGEST_JSON = 16 * 1024 * 1024
_LARGEST_LIST = 512 * 1024 * 1024
_PIECE = 256 * 1024
_LEAST_TO_PACK = 1024
_SILENCE_SECONDS = 120.0
_MOST_CONNECTIONS = 16


def run(config: Config, gate: int, bell: int, orders: int) -> None:
    """Serve until the keeper is gone. A byte into ``gate`` lets the workload start; the others are control.py's."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:  # noqa: PTH123
        name.write("golem-server")  # what `ps` shows: it looks like the Lab otherwise
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    control = Control(config, bell, orders)
    server = _Server((config.hosts[0], config.server_port), _Handler, Service(config, gate), control)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    control.follow()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], service: Service, control: Control
    ) -> None:
        self.service = service
        self.control = control
        self.turns = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Without the look-up of a name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, as long as there are not too many."""
        if self.turns.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, from its beginning to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.turns.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no news."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SILENCE_SECONDS
    server: _Server
    _left = 0

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name in the base class
        """Nothing: the log is the workload's."""

    def do_GET(self) -> None:
        """What only looks."""
        control = self.server.control
        self._answer(
            {
                "/log": lambda: control.log(**self._query("offset", "wait")),
                "/usage": control.usage,
                "/state": self.server.service.state,
            }
        )

    def do_POST(self) -> None:
        """Everything else."""
        service = self.server.service

        def with_body(answer: Callable[[dict[str, Any]], Any]) -> Callable[[], Any]:
            return lambda: answer(self._object())

        self._answer(
            {
                "/plan": with_body(lambda body: wire.pack_lines(service.plan(body.get("base"), body.get("state")))),
                "/chunks": with_body(lambda body: _joined(service.chunks(_ids(body)))),
                "/pack": with_body(lambda body: service.pack(body["name"], _ids(body))),
                "/drop": with_body(lambda body: service.drop(body["name"])),
                "/restore": lambda: service.begin(self._entries()),
                "/put": lambda: service.put(self._body()),
                "/take": with_body(lambda body: service.take(body["name"])),
                "/finish": with_body(lambda _: service.finish()),
                "/install": with_body(lambda body: _json_lines(service.install(*_packages(body)))),
                "/open": with_body(lambda _: service.open()),
                "/deadline": with_body(lambda body: self.server.control.move_deadline(body.get("seconds"))),
            }
        )

    def _answer(self, ways: dict[str, Any]) -> None:
        token = self.headers.get("Authorization", "").encode()
        length = self.headers.get("Content-Length", "0")
        self._left = int(length) if length.isdigit() else 0
        status = 200
        found: Any
        if not hmac.compare_digest(token, b"token " + self.server.service.token.encode()):
            status, found = 403, {"error": "the token is missing or wrong"}
        elif (path := self.path.partition("?")[0]) not in ways:
            status, found = 404, {"error": "there is nothing here"}
        else:
            try:
                found = ways[path]()
            except (wire.WireError, ValueError, TypeError, KeyError, IndexError) as error:
                status, found = 400, {"error": str(error)[:200]}
            except OSError as error:
                status, found = 507, {"error": error.strerror or str(error)}
        if isinstance(found, dict):
            self._say(status, found)
        elif isinstance(found, LogPiece):
            self._give(found)
        else:
            self._stream(found)

    def _query(self, *names: str) -> dict[str, str]:
        """What the query says of these, where it does."""
        query = dict(parse_qsl(self.path.partition("?")[2], keep_blank_values=True))
        return {name: query[name] for name in names if name in query}

    def _object(self) -> dict[str, Any]:
        body = json.loads(b"".join(self._body(_LARGEST_JSON)) or b"{}")
        if not isinstance(body, dict):
            raise wire.WireError("the request is not an object")
        return body

    def _say(self, status: int, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _give(self, piece: LogPiece) -> None:
        data, headers = piece.data, {"Content-Type": "application/octet-stream", OFFSET_HEADER: str(piece.following)}
        if len(data) >= _LEAST_TO_PACK and "gzip" in self.headers.get("Accept-Encoding", ""):
            # A log packs to a tenth, and shares the VPN with the user's own work.
            headers["Content-Encoding"] = "gzip"
            data = gzip.compress(data, 1)
        self._send(200, data, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self._left:  # what was not read would be taken for the next request
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, pieces: Iterator[bytes]) -> None:
        """In chunks of HTTP; an error in the middle ends the connection, so that nobody takes a part for the whole."""
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in pieces:
                if piece:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        except BaseException:
            self.close_connection = True
            raise

    def _body(self, most: int = 1 << 62) -> Iterator[bytes]:
        if self._left > most:
            raise wire.WireError("the request is too long")
        while self._left:
            piece = self.rfile.read(min(_PIECE, self._left))
            if not piece:
                raise ConnectionResetError
            self._left -= len(piece)
            yield piece

    def _entries(self) -> Iterator[Any]:
        lines = wire.Lines(_LARGEST_LIST)
        for piece in self._body():
            yield from lines.feed(piece)
        lines.end()


def _ids(body: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(each) for each in body["ids"]]


def _packages(body: dict[str, Any]) -> tuple[list[str], float]:
    requirements = body["requirements"]
    if not isinstance(requirements, list) or not all(isinstance(each, str) for each in requirements):
        raise wire.WireError("the requirements are no list of strings")
    return requirements, float(body["seconds"])


def _json_lines(values: Iterable[Any]) -> Iterator[bytes]:
    for value in values:
        yield json.dumps(value).encode() + b"\n"


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """In writes of some size: each small one would be a packet of its own."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)
