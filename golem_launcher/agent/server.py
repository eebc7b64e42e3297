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
    GET  /health?wait=S                               {"well": whether the workload is, see health.py}; waits up to S
                                                       seconds (25 at most) until it is
    GET  /cluster?after=N&wait=S                      what the notebook asked of a Dask cluster, see cluster_control.py
    POST /cluster  {"told": {…}, "settings": {…}}     what was decided, and what Dask this machine runs
    GET  /state                                       {"held": whether the workload waits for /open,
                                                       "ended": whether it has ended in order}
    POST /changes  {"base": "…" or null, "state": "…"}   a list of entries, see wire.py
    POST /chunks   {"ids": […]}                       frames, in that order
    POST /pack     {"ids": […], "name": "…"}          the same into a file, for a transfer; {"size": n}
    POST /drop     {"name": "…"}                      remove such a file
    POST /restore  a list of entries                  begin to put a workspace back
    POST /put      frames                             {"next": n, "error": "…"}
    POST /take     {"name": "…"}                      the same from a file
    POST /finish   {}                                 {"problems": [[path, reason], …]}
    POST /packages {}                                 {"requirements": [what the user installed, …]}
    POST /install  {"requirements": […], "seconds": n}   JSON lines, see packages.py
    POST /open     {}                                 the workload may start
    POST /lead     {"endpoint_token": "…"}            a machine that stood by is used now, by that token
    POST /keep-variables {}                           {"late": how many notebooks had variables to keep, and no time}
    POST /files    {"path": "…", "below": true}       what there is at a path, a list as in copying.py
    POST /shown    {}                                 what viewers are shown, a list as in viewer_files.py
    POST /show     {"path": "…", "stamp": "…"}        the bytes of one of them
    POST /make     {"directories": […], "links": […]} make them; {"problems": [[path, reason], …]}
    POST /read     {"name": "…", "segments": […]}     parts of files into a piece, see copying.py
    POST /write    {"name": "…", "sha256": "…", "segments": […]}   the same from a piece
    POST /fetch    {"name": "…"}                      the bytes of a piece
    POST /store?name=…  the bytes of a piece          {}
    POST /replay   {"name": "…", "sha256": "…", "headers": […]}   what is asked in a piece, see upload_replay.py
    POST /relay    nothing                            the connection becomes one to the workload, see download_relay.py

Programs of the session have a token of their own, for these alone:

    GET  /workers                                     how the cluster stands
    POST /workers  {"workers": n, "retired": […]}     ask for so many
"""

from __future__ import annotations

import contextlib
import gzip
import os
import threading
from typing import TYPE_CHECKING, Any

from .cluster_control import ClusterControl
from .control import Control, LogPiece
from .http_server import Handler, Server
from .log import OFFSET_HEADER
from .program_workload import TASKS
from .workspace.download_relay import UPGRADE, Relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config
    from .workspace.routes import WorkspaceRoutes

_NICE = 10
_LEAST_TO_PACK = 1024


def run(config: Config, gate: int, bell: int, orders: int) -> None:
    """Serve until the process manager is gone. A byte into ``gate`` lets the workload start; the rest: control.py's."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write("golem-server")  # what `ps` shows: it looks like the Lab otherwise
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    control = Control(config, gate, bell, orders)
    server = _Server((config.hosts[0], config.server_port), config, control, ClusterControl(config, orders))
    if config.workload.argv != TASKS:
        server.workspace()  # by which it is known what was installed before the user came
    threading.Thread(target=server.serve_forever, daemon=True).start()
    control.follow()


class _Server(Server):
    def __init__(self, address: tuple[str, int], config: Config, control: Control, cluster: ClusterControl) -> None:
        self.control = control
        self.cluster = cluster
        self._config = config
        self._workspace: WorkspaceRoutes | None = None
        self._making = threading.Lock()
        super().__init__(address, _Handler, config.token)

    def workspace(self) -> WorkspaceRoutes:
        """What answers for the workspace, made once. Its modules take as long to load as all others here."""
        from .workspace.routes import WorkspaceRoutes  # noqa: PLC0415 - a machine for tasks does without

        with self._making:
            if self._workspace is None:
                self._workspace = WorkspaceRoutes(self._config)
            return self._workspace


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
                "/health": lambda: control.health(**self.query("wait")),
                "/state": control.state,
            },
            {cluster.notebook_token: {"/workers": cluster.status}},
        )

    def do_POST(self) -> None:  # noqa: N802 - likewise
        """Everything else."""
        control, cluster = self.server.control, self.server.cluster

        def with_body(answer: Callable[[dict[str, Any]], Any]) -> Callable[[], Any]:
            return lambda: answer(self.json_object())

        own = {
            "/open": with_body(lambda _: control.open()),
            "/lead": with_body(lambda body: control.lead(body.get("endpoint_token"))),
            "/benchmark": with_body(lambda _: control.benchmark()),
            "/keep-variables": with_body(lambda _: control.keep_variables()),
            "/deadline": with_body(lambda body: control.move_deadline(body.get("seconds"))),
            "/cluster": with_body(cluster.configure),
        }
        of_notebooks = {"/workers": with_body(cluster.request)}
        path = self.path.partition("?")[0]
        routes = own if path in {*own, *of_notebooks} else self.server.workspace().of(self)
        self.answer(routes, {cluster.notebook_token: of_notebooks})

    def give(self, status: int, found: Any) -> None:
        """Send the answer: a piece of the log by its own header, else as the base class does."""
        if isinstance(found, LogPiece):
            self._give(found)
        elif isinstance(found, Relay):
            self._become(found)
        else:
            super().give(status, found)

    def _become(self, relay: Relay) -> None:
        self.close_connection = True
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", UPGRADE)
        self.end_headers()
        self.connection.settimeout(None)  # a browser may pause
        relay.serve(self.rfile, self.wfile)

    def _give(self, piece: LogPiece) -> None:
        data, headers = piece.data, {"Content-Type": "application/octet-stream", OFFSET_HEADER: str(piece.following)}
        if len(data) >= _LEAST_TO_PACK and "gzip" in self.headers.get("Accept-Encoding", ""):
            # A log packs to a tenth, and shares the VPN with the user's own work.
            headers["Content-Encoding"] = "gzip"
            data = gzip.compress(data, 1)
        self.send(200, data, headers)
