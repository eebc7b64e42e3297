"""What the agent's servers have in common: HTTP behind the session's token, a thread for each connection."""

from __future__ import annotations

import hmac
import json
import select
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from .whole_number import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Routes = dict[str, Callable[[], Any]]

PIECE = 256 * 1024
_LARGEST_JSON = 16 * 1024 * 1024
_SILENCE_SECONDS = 120.0
_MOST_CONNECTIONS = 32


class Mistake(ValueError):  # noqa: N818 - it is an answer
    """A request that makes no sense; the text says why."""


class Server(ThreadingHTTPServer):
    """Listens at ``address`` for who shows the ``token``."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[Handler], token: str) -> None:
        self.token = token
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


class Handler(BaseHTTPRequestHandler):
    """One connection. What derives from it answers by :meth:`answer`."""

    protocol_version = "HTTP/1.1"
    timeout = _SILENCE_SECONDS
    disable_nagle_algorithm = True
    """A body follows its head at once; else it would wait, 40 ms mostly, until that was acknowledged."""
    server: Server
    _left = 0

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name in the base class
        """Nothing: the log is the workload's."""

    def has_left(self) -> bool:
        """Whether who asks waits for no answer any more; asked between the steps of one that takes long."""
        try:
            looking = select.poll()
            looking.register(self.connection, select.POLLIN)
            return bool(looking.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):  # it is closed
            return True

    def answer(self, routes: Routes, of_others: dict[str, Routes] | None = None) -> None:
        """Answer by the route that the path names: a JSON object, or pieces of bytes.

        ``of_others``: by another token than the session's, the routes of who shows that.
        """
        token = self.headers.get("Authorization", "").encode()
        length = whole(self.headers.get("Content-Length", "0"))
        self._left = length or 0
        status = 200
        found: Any
        every = {self.server.token: routes, **(of_others or {})}
        open_to = [own for shown, own in every.items() if hmac.compare_digest(token, b"token " + shown.encode())]
        if length is None:
            self.close_connection = True  # where the next request would begin is not known
            status, found = 400, {"error": "the length is no number"}
        elif not open_to:
            status, found = 403, {"error": "the token is missing or wrong"}
        elif (path := self.path.partition("?")[0]) not in open_to[0]:
            status, found = 404, {"error": "there is nothing here"}
        else:
            try:
                found = open_to[0][path]()
            except (ValueError, TypeError, KeyError, IndexError) as error:
                status, found = 400, {"error": str(error)[:200]}
            except OSError as error:
                status, found = 507, {"error": error.strerror or str(error)}
        self.give(status, found)

    def give(self, status: int, found: Any) -> None:
        """Send what was found."""
        if isinstance(found, (dict, list)):
            self.send(status, json.dumps(found).encode(), {"Content-Type": "application/json"})
        else:
            self._stream(found)

    def query(self, *names: str) -> dict[str, str]:
        """What the query says of these, where it does."""
        query = dict(parse_qsl(self.path.partition("?")[2], keep_blank_values=True))
        return {name: query[name] for name in names if name in query}

    def json_object(self) -> dict[str, Any]:
        """The body, a JSON object."""
        try:
            body = json.loads(b"".join(self.body(_LARGEST_JSON)) or b"{}")
        except RecursionError:
            raise Mistake("the request is nested too deep") from None
        if not isinstance(body, dict):
            raise Mistake("the request is not an object")
        return body

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """A whole answer."""
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

    def body(self, most: int = 1 << 62) -> Iterator[bytes]:
        """The request's, in pieces."""
        if self._left > most:
            raise Mistake("the request is too long")
        while self._left:
            piece = self.rfile.read(min(PIECE, self._left))
            if not piece:
                raise ConnectionResetError
            self._left -= len(piece)
            yield piece
