"""The server of tasks, in the workload's place: one HTTP endpoint, behind its machine's token.

    POST /work?wait=S           tasks that are to be run, one after the other; then what is new, S seconds later at most
    GET  /output?id=ID&n=N      a file that one made
    POST /forget {"ids": […]}   end these where they run, and remove them
    GET  /tasks                 {"tasks": {ID: whether it is over}}

What ``/work`` is sent begins with a line of JSON: ``forget``, ids as above, and ``heard``, how many bytes are known of
what each task printed of which news is wanted. Then come a line for each new task, with its ``id`` and the sizes of its
blobs, and these. Who sends a task again because the line broke is told how it stands: it is run once.

The answer has a line of JSON for each task with news, with what it printed from there on (``log`` bytes) and, where it
is over and they are small (``inline``), its outputs behind it. A server that nobody asks any more ends in order once
nothing runs, and the machine costs nothing after that.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import process_tree
from .http_server import PIECE, Handler, Mistake, Server
from .task_service import Tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config
    from .task_service import AgentTask

_INLINE = 256 * 1024
_LARGEST_ANSWER = 256 * 1024
"""Once an answer has so many bytes, the rest is told in the next."""
_LARGEST_LINE = 4 * 1024 * 1024
_ALONE_SECONDS = 300.0
"""So long nobody may ask while nothing runs."""
_LOOK_SECONDS = 2.0


def run(config: Config) -> None:
    """Serve until nobody asks any more."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write("golem-tasks")
    base = os.path.join(os.path.dirname(config.log), "tasks")
    os.chdir(config.root)
    tasks = Tasks(Path(base), Path(config.root))
    server = _TaskServer((config.hosts[0], config.port), _TaskHandler, config.endpoint_token, tasks)
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
        self.answer({"/tasks": lambda: {"tasks": tasks.ids()}, "/output": self._output})

    def do_POST(self) -> None:  # noqa: N802 - likewise
        """Everything else."""
        self._heard()
        self.answer({"/work": self._work, "/forget": self._forget})

    def _heard(self) -> None:
        self.server.tasks.heard = process_tree.clock()

    def _work(self) -> Iterator[bytes]:
        tasks, body = self.server.tasks, _Reader(self.body())
        asked = json.loads(body.line())
        tasks.forget(str(each) for each in asked["forget"])
        heard = {str(each): int(offset) for each, offset in asked["heard"].items()}
        while body.more():
            about = json.loads(body.line())
            self._take(about, body)
            heard.setdefault(about["id"], 0)
        return iter([told_of(tasks.wait(heard, float(self.query("wait").get("wait", 0))), heard)])

    def _take(self, about: dict[str, Any], body: _Reader) -> None:
        """One task that was sent, unless it is known."""
        tasks, task_id = self.server.tasks, str(about["id"])
        if tasks.known(task_id):
            for _, size in about.get("blobs", []):
                collections.deque(body.take(int(size)), maxlen=0)
            return
        place, brought = tasks.place(task_id), {}
        for number, (name, size) in enumerate(about.get("blobs", [])):
            target = _plain(place / "work", name) if name else place / "in" / str(number)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                file.writelines(body.take(int(size)))
            brought[str(number)] = str(target)
        if about.get("call"):
            for name in ("in", "out"):
                (place / name).mkdir(exist_ok=True)
            (place / "in" / "call.json").write_text(json.dumps({**about["call"], "files": brought}))
        tasks.add(task_id, about, place)

    def _output(self) -> Iterator[bytes]:
        asked = self.query("id", "n")
        output = self.server.tasks.output(asked["id"], int(asked["n"]))

        def pieces() -> Iterator[bytes]:
            with output.path.open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece

        return pieces()

    def _forget(self) -> dict[str, Any]:
        self.server.tasks.forget(str(each) for each in self.json_object()["ids"])
        return {}


def told_of(news: list[AgentTask], heard: dict[str, int]) -> bytes:
    """The answer with what is new; ``heard``: how many bytes are known of what each printed.

    Each is told as it is at one moment: one that runs may end meanwhile, and is over in the next answer.
    """
    pieces: list[bytes] = []
    for task in news:
        if sum(map(len, pieces)) > _LARGEST_ANSWER:
            break
        told, log = task.told(), task.log(heard[task.id])
        inline = told["over"] and sum(one.size for one in task.outputs) <= _INLINE
        pieces += [json.dumps({**told, "log": len(log), "inline": inline}).encode() + b"\n", log]
        if inline:
            pieces += [one.path.read_bytes().ljust(one.size, b"\0")[: one.size] for one in task.outputs]
    return b"".join(pieces)


class _Reader:
    """A body of lines, with blobs behind them."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def more(self) -> bool:
        """Whether it goes on."""
        self._rest = self._rest or next(self._pieces, b"")
        return bool(self._rest)

    def line(self) -> bytes:
        """The next line."""
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
