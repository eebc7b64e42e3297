"""The workspace server: one process beside the Lab, from the agent's start to its end.

It serves HTTP at the Lab's port + 3, behind the Lab's token. As a process of its own, with the least claim to the
processor, it keeps no cell waiting; it answers before the Lab is there, so that a workspace can be put back first, and
while the Lab is being started anew.

    GET  /state                                       {"held": whether the Lab waits for /open}
    POST /plan     {"base": "…" or null, "state": "…"}   a list of entries, see wire.py
    POST /chunks   {"ids": […]}                       frames, in that order
    POST /pack     {"ids": […], "name": "…"}          the same into a file, for a transfer; {"size": n}
    POST /drop     {"name": "…"}                      remove such a file
    POST /restore  a list of entries                  begin to put a workspace back
    POST /put      frames                             {"next": n, "error": "…"}
    POST /take     {"name": "…"}                      the same from a file
    POST /finish   {}                                 {"problems": [[path, reason], …]}
    POST /install  {"requirements": […], "seconds": n}   JSON lines, see packages.py
    POST /open     {}                                 the Lab may start
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import secrets
import shutil
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from . import wire
from .chunker import chunk_id
from .index import Index
from .packages import Packages, freeze, install
from .restore import Restore
from .wire import PACKS, PORT_OFFSET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..config import Config  # noqa: TID252 - the archive has another name

BASE = ".base"
_NICE = 10
_LARGEST_JSON = 16 * 1024 * 1024
_LARGEST_LIST = 512 * 1024 * 1024
_PIECE = 256 * 1024
_SILENCE_SECONDS = 120.0
_MOST_CONNECTIONS = 16
_PACK_NAME = re.compile(r"[a-z0-9-]{1,40}")
_VENV_NOTE = (
    "# The virtual environment {name} is not saved, only this list of what was installed in it.\n"
    "# Make it again:  python3 -m venv {name} && {name}/bin/pip install -r {file}\n"
)


def run(config: Config, gate: int, life: int) -> None:
    """Serve until the keeper is gone (``life`` ends). A byte into ``gate`` lets the Lab start."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write("golem-workspace")  # what `ps` shows: it looks like the Lab otherwise
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    server = _Server((config.hosts[0], config.port + PORT_OFFSET), _Handler, Service(config, gate))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.read(life, 1)


class Service:
    """What can be asked for; one thing at a time, but reading chunks."""

    def __init__(self, config: Config, gate: int) -> None:
        stem = os.path.splitext(config.log)[0]
        self._root = config.root
        self._packs = stem + PACKS
        shutil.rmtree(self._packs, ignore_errors=True)
        os.makedirs(self._packs, mode=0o700, exist_ok=True)
        self.token = config.token
        self._held = config.hold
        self._gate = gate
        self._lock = threading.Lock()
        self._index = Index(config.root)
        self._packages = Packages(stem + BASE)
        self._restore: Restore | None = None
        self._name = secrets.token_hex(8)
        """Plans of another process than this one are no base."""

    def state(self) -> dict[str, Any]:
        """Whether the Lab waits."""
        return {"held": self._held}

    def open(self) -> dict[str, Any]:
        """Let the Lab start."""
        os.write(self._gate, b"o")
        self._held = False
        return {}

    def plan(self, base: Any, state: Any) -> Iterator[Any]:
        """The lines of a plan."""
        with self._lock:
            name, _, number = base.partition("-") if isinstance(base, str) else ("", "", "")
            since = int(number) if name == self._name and number.isdigit() else 0
            if not self._index.can_tell(since):
                since = 0
            yield {"plan": f"{self._name}-{self._index.version + 1}", "base": base if since else None}
            yield from self._index.walk(since)
            new = [self._write_list(path) for path in self._index.environments]
            if any(new):  # the lists belong to the same save as the files beside them
                yield from self._index.walk(since)
            environment = self._packages.environment()
            mark = chunk_id(json.dumps(environment).encode()).hex()[:16]
            yield {
                "end": True,
                "entries": len(self._index),
                "bytes": self._index.bytes,
                "notes": self._index.notes,
                "environment": environment if state != mark else None,
                "state": mark,
            }

    def chunks(self, ids: Iterable[bytes]) -> Iterator[bytes]:
        """The frames of these chunks."""
        for each in ids:
            data = self._index.chunk(each)
            if data is None:
                yield wire.bare(each, wire.GONE)
            else:
                yield from wire.frame(each, data)

    def pack(self, name: str, ids: Iterable[bytes]) -> dict[str, Any]:
        """Put the frames into a file; its size."""
        path = self._pack(name)
        with open(path, "wb") as file:
            file.writelines(self.chunks(ids))
            return {"size": file.tell()}

    def drop(self, name: str) -> dict[str, Any]:
        """Remove a file of frames."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._pack(name))
        return {}

    def begin(self, lines: Iterable[Any]) -> dict[str, Any]:
        """Begin a restore; one that was under way ends."""
        with self._lock:
            if self._restore is not None:
                self._restore.abandon()
            self._restore = Restore(self._root, self._index)
            self._restore.begin(lines)
            return {"next": 0}

    def put(self, pieces: Iterable[bytes]) -> dict[str, Any]:
        """Take chunks."""
        frames = wire.Frames()

        def found() -> Iterator[tuple[bytes, int, bytes]]:
            for piece in pieces:
                yield from frames.feed(piece)
            frames.end()

        return self._put(found())

    def take(self, name: str) -> dict[str, Any]:
        """Take chunks from a file."""
        path = self._pack(name)
        try:
            with open(path, "rb") as file:
                return self._put(wire.frames_in(file))
        finally:
            self.drop(name)

    def _put(self, frames: Iterable[tuple[bytes, int, bytes]]) -> dict[str, Any]:
        with self._lock:
            restore = self._restoring()
            error = ""
            try:
                for frame in frames:
                    restore.put(*frame)
            except wire.WireError as wrong:
                error = str(wrong)
            return {"next": restore.next, "error": error}

    def finish(self) -> dict[str, Any]:
        """End the restore."""
        with self._lock:
            restore = self._restoring()
            restore.finish()
            self._restore = None
            return {"problems": restore.problems}

    def install(self, requirements: list[str], seconds: float) -> Iterator[Any]:
        """Install packages."""
        return install(requirements, seconds, self._root)

    def _restoring(self) -> Restore:
        if self._restore is None:
            raise wire.WireError("no restore has begun")
        return self._restore

    def _pack(self, name: str) -> str:
        if not isinstance(name, str) or not _PACK_NAME.fullmatch(name):
            raise wire.WireError("a name that is none")
        return os.path.join(self._packs, name)

    def _write_list(self, environment: str) -> bool:
        """Write down, beside a virtual environment, what is in it; whether that is new."""
        full = os.path.join(self._root, environment)
        name, file = os.path.basename(full), os.path.basename(full) + "-requirements.txt"
        text = _VENV_NOTE.format(name=name, file=file) + "".join(f"{line}\n" for line in freeze(full))
        path = os.path.join(os.path.dirname(full), file)
        with contextlib.suppress(OSError, UnicodeDecodeError), open(path, "a+", encoding="utf-8") as target:
            target.seek(0)
            before = target.read(len(text) + 1)
            if before != text and (not before or before.startswith(text.partition("\n")[0])):  # else the user's own
                target.truncate(0)
                target.write(text)
                return True
        return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], service: Service) -> None:
        self.service = service
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
        """Nothing: the log is the Lab's."""

    def do_GET(self) -> None:
        """``/state``."""
        self._answer({"/state": self.server.service.state})

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
        elif self.path not in ways:
            status, found = 404, {"error": "there is nothing here"}
        else:
            try:
                found = ways[self.path]()
            except (wire.WireError, ValueError, TypeError, KeyError, IndexError) as error:
                status, found = 400, {"error": str(error)[:200]}
            except OSError as error:
                status, found = 507, {"error": error.strerror or str(error)}
        if isinstance(found, dict):
            self._say(status, found)
        else:
            self._stream(found)

    def _object(self) -> dict[str, Any]:
        body = json.loads(b"".join(self._body(_LARGEST_JSON)) or b"{}")
        if not isinstance(body, dict):
            raise wire.WireError("the request is not an object")
        return body

    def _say(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
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
