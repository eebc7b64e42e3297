"""The tasks of a machine: one process each, in a session of its own; what they printed, made and returned.

A task's directory has ``work``, in which it runs: a directory of its own, with links to all that the workspace has, so
that it finds what was brought and nobody is in another's way; ``in`` and ``out`` with what travels; and its ``log``.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import proc

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID = re.compile(r"[0-9a-f]{8,64}")
_LONGEST_LOG = 1024 * 1024
_LOG_PIECE = 64 * 1024
_MOST_OUTPUTS = 10_000
_LOOK_SECONDS = 0.5
"""How soon what a task printed is told while it runs."""
_PROGRAM = "golem_launcher_task"
_START = (
    "import sys; sys.path.insert(0, {!r}); "
    "from golem_launcher_task.task_execute import execute; "
    "del sys.path[0]; execute({!r})"
)


class Mistaken(ValueError):  # noqa: N818 - it is an answer
    """What was asked for makes no sense."""


class Output(NamedTuple):
    """A file that a task made: its name, and where it is."""

    name: str
    path: Path
    size: int


class Task:
    """One that was begun."""

    def __init__(self, place: Path, patterns: list[str] | None) -> None:
        self.place = place
        self.patterns = patterns
        self.over = False
        self.exit: int | None = None
        self.timed_out = False
        self.seconds = 0.0
        self.outputs: list[Output] = []
        self.process: subprocess.Popen[bytes] | None = None

    def told(self) -> dict[str, Any]:
        """What is said of it."""
        about: dict[str, Any] = {"over": self.over}
        if self.over:
            about |= {"exit": self.exit, "timed_out": self.timed_out, "seconds": round(self.seconds, 3)}
            about["outputs"] = [[one.name, one.size] for one in self.outputs]
        return about

    def log(self, offset: int) -> bytes:
        """What it printed, from there on; a piece."""
        with contextlib.suppress(OSError), (self.place / "log").open("rb") as file:
            file.seek(offset)
            return file.read(max(0, min(_LOG_PIECE, _LONGEST_LOG - offset)))
        return b""


class Tasks:
    """All of this machine's. Every method may be called by any thread."""

    def __init__(self, base: Path, workspace: Path) -> None:
        self._base = base
        self._workspace = workspace
        self._tasks: dict[str, Task] = {}
        self._changed = threading.Condition()
        self.heard = proc.clock()
        """When somebody last asked for anything."""
        shutil.rmtree(base, ignore_errors=True)  # of a server that crashed: nobody knows these tasks any more
        program = base / _PROGRAM
        program.mkdir(parents=True, mode=0o700)
        (program / "__init__.py").write_bytes(b"")
        for name in ("task_execute.py", "task_values.py"):
            (program / name).write_bytes(pkgutil.get_data(__package__, name) or b"")

    @property
    def idle(self) -> float:
        """For how many seconds nobody asked and nothing ran."""
        with self._changed:
            busy = any(not task.over for task in self._tasks.values())
            return 0.0 if busy else proc.clock() - self.heard

    def ids(self) -> dict[str, bool]:
        """Every task that is known, and whether it is over."""
        with self._changed:
            return {each: task.over for each, task in self._tasks.items()}

    def known(self, task_id: str) -> bool:
        """Whether a task of this id was begun, however it ended."""
        return task_id in self._tasks

    def place(self, task_id: str) -> Path:
        """A new directory for it. Raises ``Mistaken``."""
        if not _ID.fullmatch(task_id):
            raise Mistaken("that is no task's id")
        place = self._base / task_id
        shutil.rmtree(place, ignore_errors=True)
        for name in ("work", "in", "out"):
            (place / name).mkdir(parents=True, mode=0o700)
        return place

    def begin(self, task_id: str, about: dict[str, Any], place: Path) -> None:
        """Start it; what it needs lies in its ``place``. Raises ``Mistaken`` and ``OSError``."""
        patterns, seconds = about.get("outputs"), float(about["seconds"])
        task = Task(place, None if patterns is None else [str(one) for one in patterns])
        with self._changed:
            if task_id in self._tasks:
                raise Mistaken("it was begun already")
            self._tasks[task_id] = task
        try:
            directory = self._workspace if about.get("in_workspace") else self._furnished(place / "work")
            with (place / "log").open("wb") as log:
                process = task.process = subprocess.Popen(
                    self._argv(about, place),
                    cwd=directory,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **_texts(about.get("environment", {}))},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            (place / "log").write_text(f"It can't be started: {error}\n")
            with self._changed:
                task.over, task.exit = True, 127
                self._changed.notify_all()
            return
        threading.Thread(target=self._watch, args=(task, process, seconds), daemon=True).start()

    def wait(self, task_id: str, offset: int, seconds: float) -> Task:
        """The task once it is over, has printed more than ``offset`` bytes, or ``seconds`` have passed."""
        task = self._find(task_id)
        end = time.monotonic() + min(seconds, 30.0)
        with self._changed:
            while not task.over and (left := end - time.monotonic()) > 0:
                self._changed.wait(min(left, _LOOK_SECONDS))
                if offset < _log_size(task) and offset < _LONGEST_LOG:
                    break
        return task

    def output(self, task_id: str, number: int) -> Output:
        """A file that it made."""
        task = self._find(task_id)
        if not 0 <= number < len(task.outputs):
            raise Mistaken("there is no such output")
        return task.outputs[number]

    def forget(self, task_id: str) -> None:
        """End it where it runs, and remove what there is of it."""
        with self._changed:
            task = self._tasks.get(task_id)
        if task is None:
            return
        if task.process is not None and not task.over:
            _kill(task.process)
            with self._changed:
                self._changed.wait_for(lambda: task.over, 5.0)
        with self._changed:
            self._tasks.pop(task_id, None)
        shutil.rmtree(task.place, ignore_errors=True)

    def _find(self, task_id: str) -> Task:
        with self._changed:
            task = self._tasks.get(task_id)
        if task is None:
            raise Mistaken("there is no such task")
        return task

    def _furnished(self, work: Path) -> Path:
        for entry in os.scandir(self._workspace):
            target = work / entry.name
            if not os.path.lexists(target):
                target.symlink_to(entry.path)
        return work

    def _argv(self, about: dict[str, Any], place: Path) -> list[str]:
        if about.get("call"):
            return [sys.executable, "-c", _START.format(str(self._base), str(place))]
        argv = about.get("argv")
        if not isinstance(argv, list) or not argv or not all(isinstance(one, str) for one in argv):
            raise Mistaken("there is no command")
        return argv

    def _watch(self, task: Task, process: subprocess.Popen[bytes], seconds: float) -> None:
        began = proc.clock()
        limit = threading.Timer(seconds, _expire, (task, process))  # waiting with a limit looks every 50 ms
        limit.daemon = True
        limit.start()
        task.exit = process.wait()
        limit.cancel()
        task.seconds = proc.clock() - began
        _kill(process)  # what it left behind, too
        with contextlib.suppress(OSError):
            task.outputs = _outputs(task)
        with self._changed:
            self.heard = proc.clock()
            task.over = True
            self._changed.notify_all()


def _expire(task: Task, process: subprocess.Popen[bytes]) -> None:
    task.timed_out = True
    _kill(process)


def _outputs(task: Task) -> list[Output]:
    """The value that a function returned with its blobs; of a command, what it made."""
    out = task.place / "out"
    told = [out / name for name in ("value.json", "error.json")]
    found = [Output(path.name, path, path.stat().st_size) for path in told if path.is_file()]
    with contextlib.suppress(OSError, ValueError):
        for number, name in enumerate(json.loads((out / "names.json").read_text())):
            path = out / str(number)
            found.append(Output(f"{number}/{name}", path, path.stat().st_size))
    if task.patterns is not None:
        found += _made(task.place / "work", task.patterns)
    return found[:_MOST_OUTPUTS]


def _made(work: Path, patterns: list[str]) -> Iterator[Output]:
    """Files of the task's own directory: links are the workspace's, hidden ones are nobody's business."""
    for parent, folders, names in os.walk(work):
        folders[:] = sorted(n for n in folders if not n.startswith((".", "__pycache__")))
        for name in sorted(names):
            path = Path(parent, name)
            relative = path.relative_to(work).as_posix()
            wanted = not patterns or any(fnmatch.fnmatch(relative, pattern) for pattern in patterns)
            if wanted and not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield Output(relative, path, path.stat().st_size)


def _log_size(task: Task) -> int:
    with contextlib.suppress(OSError):
        return (task.place / "log").stat().st_size
    return 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    """All processes of its session, whichever group they are in."""
    for each in proc.descendants(1) if os.getpid() != 1 else []:
        if each.session == process.pid:
            with contextlib.suppress(OSError):
                os.kill(each.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise Mistaken("the environment is not text")
    return value
