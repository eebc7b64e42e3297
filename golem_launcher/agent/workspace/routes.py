"""What the agent's server is asked for of the workspace, and what answers; server.py lists it all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..http_server import PIECE  # noqa: TID252 - the archive has another name
from . import viewer_files, wire
from .download_relay import Relay
from .service import Service
from .upload_replay import Turn, replay, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..config import Config  # noqa: TID252
    from ..http_server import Handler, Routes  # noqa: TID252

_LARGEST_LIST = 512 * 1024 * 1024
_REPLAYS = 16


class WorkspaceRoutes:
    """Made once in the agent's server, and used by several threads at once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._service = Service(config)
        self._turns = [Turn() for _ in range(_REPLAYS)]

    def of(self, request: Handler) -> Routes:
        """Find the handler of a POST ``request`` by its path."""
        service, copying = self._service, self._service.copying

        def with_body(answer: Callable[[dict[str, Any]], Any]) -> Callable[[], Any]:
            return lambda: answer(request.json_object())

        return {
            "/changes": with_body(lambda body: wire.pack_lines(service.changes(body.get("base"), body.get("state")))),
            "/chunks": with_body(lambda body: _joined(service.chunks(_ids(body)))),
            "/pack": with_body(lambda body: service.pack(body["name"], _ids(body))),
            "/drop": with_body(lambda body: service.drop(body["name"])),
            "/restore": lambda: service.begin(_entries(request.body())),
            "/put": lambda: service.put(request.body()),
            "/take": with_body(lambda body: service.take(body["name"])),
            "/finish": with_body(lambda _: service.finish()),
            "/packages": with_body(lambda _: service.packages()),
            "/install": with_body(lambda body: _json_lines(service.install(*_packages(body)))),
            "/files": with_body(lambda body: wire.pack_lines(copying.entries(body["path"], below=body["below"]))),
            "/shown": with_body(lambda _: viewer_files.files(self._config.root)),
            "/show": with_body(lambda body: viewer_files.content(self._config.root, body["path"], body["stamp"])),
            "/make": with_body(lambda body: copying.make(body["directories"], body["links"])),
            "/forget": with_body(lambda body: copying.forget(body["path"], body["tag"])),
            "/read": with_body(lambda body: copying.read(body["name"], body["segments"])),
            "/write": with_body(lambda body: copying.write(body["name"], body["sha256"], body["segments"])),
            "/fetch": with_body(lambda body: copying.fetch(body["name"])),
            "/store": lambda: copying.store(request.query("name").get("name"), request.body()),
            "/replay": with_body(
                lambda body: self._replay(body["name"], body["sha256"], body["headers"], request.has_left)
            ),
            "/relay": lambda: Relay(self._config.hosts, self._config.port, copying),
        }

    def _replay(self, name: Any, sha256: Any, headers: Any, given_up: Callable[[], bool]) -> dict[str, Any]:
        with self._service.copying.taken(name, sha256) as piece:
            turn = self._turns[hash(target_of(piece)) % len(self._turns)]
            with turn.lock:  # one that was given up asks its last question before the file is begun anew
                config = self._config
                return replay(config.hosts, config.port, config.base_url, headers, piece, given_up, turn)


def _entries(pieces: Iterator[bytes]) -> Iterator[Any]:
    lines = wire.Lines(_LARGEST_LIST)
    for piece in pieces:
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
        if size >= PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)
