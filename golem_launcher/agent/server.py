"""The agent's server: one process beside the workload, from the agent's start to its end.

It serves HTTP at the third port after the workload's first, behind the session's token. As a process of its own, with
the least claim to the processor, it keeps no cell waiting; it answers before the workload is there, so that a workspace
can be put back first, and while that is being started anew.

    GET  /log?offset=N&wait=S     bytes of the log from offset N on; waits up to S seconds (25 at most) for the first;
                                  the header Golem-Launcher-Offset says where to go on
    GET  /usage                                       a JSON object, see usage.py
    POST /deadline {"seconds": n}                     everything ends n seconds from now
    POST /benchmark {}                                how fast the machine is, see benchmark.py; up to 20 s
    GET  /filler?size=N                               N bytes, to see how fast they come
    GET  /variables                                   what is kept of notebooks', see kept_variables.py
    GET  /health                                      {"well": whether the workload is, see health.py}
    GET  /cluster?after=N&wait=S                      what the notebook asked of a Dask cluster, see cluster_control.py
    POST /cluster  {"told": {…}, "settings": {…}}     what was decided, and what Dask this machine runs
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
    POST /lead     {"lab_token": "…"}                 a machine that stood by is used now, by that token
    POST /settle   {}                                 {"late": how many notebooks had variables to keep, and no time}
    POST /files    {"path": "…", "below": true}       what there is at a path, a list as in copying.py
    POST /make     {"directories": […], "links": […]} make them; {"problems": [[path, reason], …]}
    POST /read     {"name": "…", "segments": […]}     parts of files into a piece, see copying.py
    POST /write    {"name": "…", "sha256": "…", "segments": […]}   the same from a piece
    POST /fetch    {"name": "…"}                      the bytes of a piece
    POST /store?name=…  the bytes of a piece          {}

Programs of the session have a token of their own, for these alone:

    GET  /workers                                     how the cluster stands
    POST /workers  {"workers": n, "retired": […]}     ask for so many
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from .cluster_control import ClusterControl
from .control import Control, LogPiece
from .http_server import PIECE, Handler, Server
from .log import OFFSET_HEADER
from .workspace import wire
from .workspace.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .config import Config

_NICE = 10
_LARGEST_LIST = 512 * 1024 * 1024
_LEAST_TO_PACK = 1024


def run(config: Config, gate: int, bell: int, orders: int) -> None:
    """Serve until the keeper is gone. A byte into ``gate`` lets the workload start; the others are control.py's."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:  # noqa: PTH123
        name.write("golem-server")  # what `ps` shows: it looks like the Lab otherwise
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    control = Control(config, bell, orders)
    cluster = ClusterControl(config, orders)
    server = _Server((config.hosts[0], config.server_port), _Handler, Service(config, gate), control, cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    control.follow()


class _Server(Server):
    def __init__(
        self,
        address: tuple[str, int],
        handler: type[Handler],
        service: Service,
        control: Control,
        cluster: ClusterControl,
    ) -> None:
        self.service = service
        self.control = control
        self.cluster = cluster
        super().__init__(address, handler, service.token)


class _Handler(Handler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the name in the base class
        """What only looks."""
        control, cluster = self.server.control, self.server.cluster
        self.answer(
            {
                "/cluster": lambda: cluster.requested(**self.query("after", "wait")),
                "/log": lambda: control.log(**self.query("offset", "wait")),
                "/usage": control.usage,
                "/variables": control.variables,
                "/filler": lambda: control.filler(**self.query("size")),
                "/health": control.health,
                "/state": self.server.service.state,
            },
            {cluster.notebook_token: {"/workers": cluster.status}},
        )

    def do_POST(self) -> None:  # noqa: N802 - likewise
        """Everything else."""
        service, cluster = self.server.service, self.server.cluster
        copying = service.copying

        def with_body(answer: Callable[[dict[str, Any]], Any]) -> Callable[[], Any]:
            return lambda: answer(self.json_object())

        self.answer(
            {
                "/plan": with_body(lambda body: wire.pack_lines(service.plan(body.get("base"), body.get("state")))),
                "/chunks": with_body(lambda body: _joined(service.chunks(_ids(body)))),
                "/pack": with_body(lambda body: service.pack(body["name"], _ids(body))),
                "/drop": with_body(lambda body: service.drop(body["name"])),
                "/restore": lambda: service.begin(self._entries()),
                "/put": lambda: service.put(self.body()),
                "/take": with_body(lambda body: service.take(body["name"])),
                "/finish": with_body(lambda _: service.finish()),
                "/install": with_body(lambda body: _json_lines(service.install(*_packages(body)))),
                "/open": with_body(lambda _: service.open()),
                "/lead": with_body(lambda body: self.server.control.lead(body.get("lab_token"))),
                "/benchmark": with_body(lambda _: self.server.control.benchmark()),
                "/settle": with_body(lambda _: self.server.control.settle()),
                "/files": with_body(lambda body: wire.pack_lines(copying.entries(body["path"], below=body["below"]))),
                "/make": with_body(lambda body: copying.make(body["directories"], body["links"])),
                "/read": with_body(lambda body: copying.read(body["name"], body["segments"])),
                "/write": with_body(lambda body: copying.write(body["name"], body["sha256"], body["segments"])),
                "/fetch": with_body(lambda body: copying.fetch(body["name"])),
                "/store": lambda: copying.store(self.query("name").get("name"), self.body()),
                "/deadline": with_body(lambda body: self.server.control.move_deadline(body.get("seconds"))),
                "/cluster": with_body(cluster.configure),
            },
            {cluster.notebook_token: {"/workers": with_body(cluster.request)}},
        )

    def give(self, status: int, found: Any) -> None:
        """Send the answer: a piece of the log by its own header, else as the base class does."""
        if isinstance(found, LogPiece):
            self._give(found)
        else:
            super().give(status, found)

    def _give(self, piece: LogPiece) -> None:
        data, headers = piece.data, {"Content-Type": "application/octet-stream", OFFSET_HEADER: str(piece.following)}
        if len(data) >= _LEAST_TO_PACK and "gzip" in self.headers.get("Accept-Encoding", ""):
            # A log packs to a tenth, and shares the VPN with the user's own work.
            headers["Content-Encoding"] = "gzip"
            data = gzip.compress(data, 1)
        self.send(200, data, headers)

    def _entries(self) -> Iterator[Any]:
        lines = wire.Lines(_LARGEST_LIST)
        for piece in self.body():
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
