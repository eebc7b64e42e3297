"""The server of tasks, in the workload's place: one HTTP endpoint, behind its machine's token.

    POST /begin?id=ID&wait=S    a line of JSON and then blobs, whose sizes it has: start a task, and wait as below
    GET  /wait?id=ID&offset=N&wait=S   until it is over, or printed more than N bytes; S seconds at most
    GET  /output?id=ID&n=N      a file that it made
    POST /forget {"ids": […]}   end these where they run, and remove them
    GET  /tasks                 {"tasks": {ID: whether it is over}}

``/begin`` and ``/wait`` answer a line of JSON, what it printed from N on (``log`` bytes), and its outputs themselves
where they are small (``inline``). A task is begun once: who asks again for the same id is told how it stands. A server
that nobody asks any more ends in order once nothing runs, and the machine costs nothing after that.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import proc
from .http_server import PIECE, Handler, Mistake, Server
from .task_service import Tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config
    from .task_service import Task

_INLINE = 256 * 1024
_LARGEST_LINE = 4 * 1024 * 1024
_ALONE_SECONDS = 300.0
"""So long nobody may ask while nothing runs."""
_LOOK_SECONDS = 2.0


def run(config: Config) -> None:
    """Serve until nobody asks any more."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:  # noqa: PTH123
        name.write("golem-tasks")
    base = os.path.join(os.path.dirname(config.log), "tasks")  # noqa: PTH118, PTH120
    os.chdir(config.root)
    tasks = Tasks(Path(base), Path(config.root))
    server = _TaskServer((config.hosts[0], config.port), _TaskHandler, config.lab_token, tasks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while tasks.idle < _ALONE_SECONDS:
        time.sleep(_LOOK_SECONDS)


class _TaskServer(Server):
    def __init__(self, address: tuple[str, int], handler: type[Handler], token: str, tasks: Tasks) -> None:
        self.tasks = tasks
        super().__init__(address, handler, token)


class _TaskHandler(Handler):
    server: _TaskServer

    def do_GET(self) -> None:  # noqa: N802 - the name in the base class
        """What only looks."""
        self._heard()
        tasks = self.server.tasks
        self.answer({"/tasks": lambda: {"tasks": tasks.ids()}, "/wait": self._wait, "/output": self._output})

    def do_POST(self) -> None:  # noqa: N802 - likewise
        """Everything else."""
        self._heard()
        self.answer({"/begin": self._begin, "/forget": self._forget})

    def _heard(self) -> None:
        self.server.tasks.heard = proc.clock()

    def _begin(self) -> Iterator[bytes]:
        tasks, asked = self.server.tasks, self.query("id", "wait")
        body = _Reader(self.body())
        about = json.loads(body.line())
        for each in about.get("forget", []):
            tasks.forget(str(each))
        if not tasks.known(asked["id"]):
            place = tasks.place(asked["id"])
            files = {}
            for number, (name, size) in enumerate(about.get("blobs", [])):
                target = _plain(place / "work", name) if name else place / "in" / str(number)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    for piece in body.take(int(size)):
                        file.write(piece)
                files[str(number)] = str(target)
            if about.get("call"):
                (place / "in" / "call.json").write_text(json.dumps({**about["call"], "files": files}))
            tasks.begin(asked["id"], about, place)
        return self._told(tasks.wait(asked["id"], 0, float(asked.get("wait", 0))), 0)

    def _wait(self) -> Iterator[bytes]:
        asked = self.query("id", "offset", "wait")
        offset = int(asked.get("offset", 0))
        return self._told(self.server.tasks.wait(asked["id"], offset, float(asked.get("wait", 0))), offset)

    def _told(self, task: Task, offset: int) -> Iterator[bytes]:
        told, log = task.told(), task.log(offset)
        inline = task.over and sum(one.size for one in task.outputs) <= _INLINE
        pieces = [json.dumps({**told, "log": len(log), "inline": inline}).encode() + b"\n", log]
        if inline:
            pieces += [one.path.read_bytes().ljust(one.size, b"\0")[: one.size] for one in task.outputs]
        return iter([b"".join(pieces)])

    def _output(self) -> Iterator[bytes]:
        asked = self.query("id", "n")
        output = self.server.tasks.output(asked["id"], int(asked["n"]))

        def pieces() -> Iterator[bytes]:
            with output.path.open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece

        return pieces()

    def _forget(self) -> dict[str, Any]:
        for each in self.json_object()["ids"]:
            self.server.tasks.forget(str(each))
        return {}


class _Reader:
    """A body whose beginning is a line and whose rest is blobs."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def line(self) -> bytes:
        """The first line."""
        while b"\n" not in self._rest:
            piece = next(self._pieces, b"")
            if not piece or len(self._rest) > _LARGEST_LINE:
                raise Mistake("there is no line")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def take(self, size: int) -> Iterator[bytes]:
        """The next blob, of ``size`` bytes, in pieces."""
        while size:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    raise ConnectionResetError
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            yield piece


def _plain(work: Path, name: Any) -> Path:
    """Where a file of that name is put."""
    target = work / str(name)
    if ".." in target.parts or work not in target.parents:
        raise Mistake("a file's name leads away")
    return target
