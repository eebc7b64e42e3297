"""The tasks of a machine, which runs one after the other; what they printed, made and returned.

A task's directory has ``work``, in which it runs: a directory of its own, with links to all that the workspace has, so
that it finds what was brought and nobody is in another's way; and its ``log``. A function's has ``in`` and ``out``
as well, with what travels.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import re
import shutil
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import process_tree
from .task_process import Mistaken, Starter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .task_process import Running

_ID = re.compile(r"[0-9a-f]{8,64}")
_LONGEST_LOG = 1024 * 1024
_LOG_PIECE = 64 * 1024
_MOST_OUTPUTS = 10_000
_LOOK_SECONDS = 0.5
"""How soon what a task printed is told while it runs."""
_GATHER_SECONDS = 0.4
"""So long an end may wait to be told while more is to be done: many short tasks are told of in one answer."""
_FORGET_SECONDS = 5.0
_MOST_SMALL, _SMALL_BYTES, _SMALL_ENTRIES = 500, 16 * 1024, 16
"""So many small tasks that nobody wants any more may lie about while others run: to remove one takes as long as to run
the next, and the machine goes away with all of them. Small is what has few files, and few bytes in them."""
_QUIET_SECONDS = 1.0
"""Once nothing ran for so long, there is time to remove them."""


class MadeFile(NamedTuple):
    """A file that a task made: its name, and where it is."""

    name: str
    path: Path
    size: int


class AgentTask:
    """One that is to be run, is running or is over."""

    def __init__(self, task_id: str, about: dict[str, Any], place: Path) -> None:
        patterns = about.get("outputs")
        self.id = task_id
        self.about = about
        self.seconds_allowed = float(about["seconds"])
        self.patterns = None if patterns is None else [str(one) for one in patterns]
        self.place = place
        self.running: Running | None = None
        self.unwanted = False
        self.over = False
        self.ended = 0.0
        """When, in the clock of :func:`time.monotonic`."""
        self.exit: int | None = None
        self.timed_out = False
        self.seconds = 0.0
        self.outputs: list[MadeFile] = []

    def told(self) -> dict[str, Any]:
        """What is said of it, as it is at one moment."""
        over = self.over
        about: dict[str, Any] = {"id": self.id, "over": over}
        if over:
            about |= {"exit": self.exit, "timed_out": self.timed_out, "seconds": round(self.seconds, 4)}
            about["outputs"] = [[one.name, one.size] for one in self.outputs]
        return about

    def log(self, offset: int) -> bytes:
        """What it printed, from there on; a piece."""
        with contextlib.suppress(OSError), (self.place / "log").open("rb") as file:
            file.seek(offset)
            return file.read(max(0, min(_LOG_PIECE, _LONGEST_LOG - offset)))
        return b""

    def printed_more(self, offset: int) -> bool:
        """Whether there is more of that than ``offset`` bytes."""
        with contextlib.suppress(OSError):
            return offset < min((self.place / "log").stat().st_size, _LONGEST_LOG)
        return False


class Tasks:
    """All of this machine's. Every method may be called by any thread; a thread of its own runs them."""

    def __init__(self, base: Path, workspace: Path) -> None:
        self._base = base
        self._workspace = workspace
        self._tasks: dict[str, AgentTask] = {}
        self._waiting: deque[AgentTask] = deque()
        self._changed = threading.Condition()
        self._forgotten = base / "forgotten"
        """Has the directories of small tasks that are to be removed when there is time."""
        self._put_off = 0
        """How many it has."""
        self.heard = process_tree.clock()
        """When somebody last asked for anything."""
        shutil.rmtree(base, ignore_errors=True)  # of a server that crashed: nobody knows these tasks any more
        self._forgotten.mkdir(parents=True, mode=0o700)
        self._starter = Starter()
        threading.Thread(target=self._work, daemon=True).start()

    @property
    def idle(self) -> float:
        """For how many seconds nobody asked and nothing ran."""
        with self._changed:
            busy = any(not task.over for task in self._tasks.values())
            return 0.0 if busy else process_tree.clock() - self.heard

    def ids(self) -> dict[str, bool]:
        """Every task that is known, and whether it is over."""
        with self._changed:
            return {each: task.over for each, task in self._tasks.items()}

    def known(self, task_id: str) -> bool:
        """Whether there is a task of this id, however it ended."""
        return task_id in self._tasks

    def place(self, task_id: str) -> Path:
        """A new directory for it. Raises ``Mistaken``."""
        if not _ID.fullmatch(task_id):
            raise Mistaken("that is no task's id")
        place = self._base / task_id
        if place.exists():  # of one that did not come whole
            shutil.rmtree(place, ignore_errors=True)
        (place / "work").mkdir(parents=True, mode=0o700)
        return place

    def add(self, task_id: str, about: dict[str, Any], place: Path) -> None:
        """Run it when its turn comes; what it needs lies in its ``place``. Raises ``Mistaken``."""
        task = AgentTask(task_id, about, place)
        with self._changed:
            if task_id in self._tasks:
                raise Mistaken("it is there already")
            self._tasks[task_id] = task
            self._waiting.append(task)
            self._changed.notify_all()

    def wait(self, heard: dict[str, int], seconds: float) -> list[AgentTask]:
        """Those of which there is news, once there is: who is over, or printed more than was ``heard``, in bytes.

        ``heard`` has all of which news is wanted; nothing is news after ``seconds``. While one waits for its turn, who
        is over may be told a little later, with others.
        """
        end = time.monotonic() + min(seconds, 30.0)
        with self._changed:
            while True:
                asked = [self._find(each) for each in heard]
                over = [task for task in asked if task.over]
                now = time.monotonic()
                told_by = end
                if over:
                    more = len(over) < len(asked)
                    told_by = min(end, min(task.ended for task in over) + _GATHER_SECONDS) if more else now
                printing = [task for task in asked if task.running is not None and not task.over]
                printing = [task for task in printing if task.printed_more(heard[task.id])]
                if now >= told_by or printing or not asked:
                    return over + printing
                self._changed.wait(min(told_by - now, _LOOK_SECONDS))

    def output(self, task_id: str, number: int) -> MadeFile:
        """A file that it made."""
        with self._changed:
            task = self._find(task_id)
        if not 0 <= number < len(task.outputs):
            raise Mistaken("there is no such output")
        return task.outputs[number]

    def forget(self, ids: Iterable[str]) -> None:
        """End those that run, do not begin those that wait, and remove what there is of all."""
        with self._changed:
            unwanted = [self._tasks[each] for each in ids if each in self._tasks]
            for task in unwanted:
                task.unwanted = True
                if task in self._waiting:
                    self._waiting.remove(task)
                    task.over = True
                if task.running is not None and not task.over:
                    task.running.kill()
            self._changed.wait_for(lambda: all(task.over for task in unwanted), _FORGET_SECONDS)
            for task in unwanted:
                self._tasks.pop(task.id, None)
        for task in unwanted:
            if not self._puts_off(task.place):
                shutil.rmtree(task.place, ignore_errors=True)

    def _puts_off(self, place: Path) -> bool:
        """Get a small task's directory out of the way, until there is time to remove it; whether that was done."""
        if not _is_small(place):
            return False
        with self._changed, contextlib.suppress(OSError):  # one of that name may lie there already
            if self._put_off < _MOST_SMALL:
                place.rename(self._forgotten / place.name)
                self._put_off += 1
                return True
        return False

    def _tidy(self) -> None:
        """Remove what was put off."""
        with self._changed:
            self._put_off, names = 0, os.listdir(self._forgotten)
        for name in names:
            shutil.rmtree(self._forgotten / name, ignore_errors=True)

    def _find(self, task_id: str) -> AgentTask:
        task = self._tasks.get(task_id)
        if task is None:
            raise Mistaken("there is no such task")
        return task

    def _work(self) -> None:
        """The thread's."""
        while True:
            task = self._next()
            try:
                self._run(task)
            except (OSError, ValueError) as error:
                with contextlib.suppress(OSError):
                    (task.place / "log").write_text(f"It can't be started: {error}\n")
                task.exit = 127
            with self._changed:
                self.heard = process_tree.clock()
                task.over, task.ended = True, time.monotonic()
                self._changed.notify_all()

    def _next(self) -> AgentTask:
        """Wait for the next one; a machine that has none tidies up."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: bool(self._waiting), _QUIET_SECONDS):
                    return self._waiting.popleft()
                has_rubbish = self._put_off > 0
            if has_rubbish:
                self._tidy()

    def _run(self, task: AgentTask) -> None:
        directory = self._workspace if task.about.get("in_workspace") else self._furnished(task.place / "work")
        running = self._starter.start(task.about, task.place, directory)
        began = process_tree.clock()
        with self._changed:
            task.running = running
            if task.unwanted:
                running.kill()
        limit = threading.Timer(task.seconds_allowed, _expire, (task, running))  # to wait with a limit is to poll
        limit.daemon = True
        limit.start()
        task.exit = running.wait()
        limit.cancel()
        task.seconds = process_tree.clock() - began
        running.kill()  # what it left behind, too
        with contextlib.suppress(OSError):
            task.outputs = _outputs(task)

    def _furnished(self, work: Path) -> Path:
        for entry in os.scandir(self._workspace):
            target = work / entry.name
            if not os.path.lexists(target):
                target.symlink_to(entry.path)
        return work


def _expire(task: AgentTask, running: Running) -> None:
    task.timed_out = True
    running.kill()


def _is_small(place: Path) -> bool:
    """Whether it has few files, and few bytes in them."""
    entries = size = 0
    for parent, folders, names in os.walk(place):
        entries += len(folders) + len(names)
        if entries > _SMALL_ENTRIES:
            return False
        with contextlib.suppress(OSError):
            size += sum(os.lstat(f"{parent}/{name}").st_size for name in names)
    return size <= _SMALL_BYTES


def _outputs(task: AgentTask) -> list[MadeFile]:
    """The value that a function returned with its blobs; of a command, what it made."""
    out = task.place / "out"
    told = [out / name for name in ("value.json", "error.json")]
    found = [MadeFile(path.name, path, path.stat().st_size) for path in told if path.is_file()]
    with contextlib.suppress(OSError, ValueError):
        for number, name in enumerate(json.loads((out / "names.json").read_text())):
            path = out / str(number)
            found.append(MadeFile(f"{number}/{name}", path, path.stat().st_size))
    if task.patterns is not None:
        found += _made(task.place / "work", task.patterns)
    return found[:_MOST_OUTPUTS]


def _made(work: Path, patterns: list[str]) -> Iterator[MadeFile]:
    """Files of the task's own directory: links are the workspace's, hidden ones are nobody's business."""
    for parent, folders, names in os.walk(work):
        folders[:] = sorted(n for n in folders if not n.startswith((".", "__pycache__")))
        for name in sorted(names):
            path = Path(parent, name)
            relative = path.relative_to(work).as_posix()
            wanted = not patterns or any(fnmatch.fnmatch(relative, pattern) for pattern in patterns)
            if wanted and not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield MadeFile(relative, path, path.stat().st_size)
