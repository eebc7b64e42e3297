"""Starts the process of a task: a command's own program, or a fork of a Python that waits for functions."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import process_tree

if TYPE_CHECKING:
    from collections.abc import Callable

_START = "import sys; sys.path.insert(0, {!r}); from {}.task_forks import serve; del sys.path[0]; serve({})"


class Mistaken(ValueError):  # noqa: N818 - it is an answer
    """What was asked for makes no sense."""


class Running(NamedTuple):
    """A process that was started, the leader of a session of its own."""

    pid: int
    wait: Callable[[], int]
    """Its exit code once it has ended, negative for a signal."""

    def kill(self) -> None:
        """All processes of its session, whichever group they are in."""
        for each in process_tree.descendants(1) if os.getpid() != 1 else []:
            if each.session == self.pid:
                with contextlib.suppress(OSError):
                    os.kill(each.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)


class Starter:
    """Starts one after the other."""

    def __init__(self) -> None:
        self._functions: _Functions | None = None

    def start(self, about: dict[str, Any], place: Path, directory: Path) -> Running:
        """Start what a task asks for. Raises ``Mistaken`` and ``OSError``."""
        environment = _texts(about.get("environment", {}))
        (place / "log").write_bytes(b"")
        if about.get("call"):
            if self._functions is None or self._functions.ended:
                self._functions = _Functions()
            return self._functions.start(place, directory, environment)
        with (place / "log").open("ab") as log:
            process = subprocess.Popen(
                _argv(about),
                cwd=directory,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Running(process.pid, process.wait)


class _Functions:
    """The Python that waits for functions."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START.format(_imported_from(), __package__, its.fileno())],
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=(its.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._asked = ours
        self._answers = ours.makefile("rb")

    @property
    def ended(self) -> bool:
        """Whether it is gone: a function may have killed it."""
        return self._process.poll() is not None

    def start(self, place: Path, directory: Path, environment: dict[str, str]) -> Running:
        """Have it fork. Raises ``OSError``."""
        about: dict[str, Any] = {"place": str(place), "directory": str(directory), "log": str(place / "log")}
        about["environment"] = environment
        self._asked.sendall(json.dumps(about).encode() + b"\n")
        return Running(self._answer(), self._exit)

    def _exit(self) -> int:
        try:
            return self._answer()
        except OSError:
            return -signal.SIGKILL

    def _answer(self) -> int:
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            self._process.kill()
            self._process.wait()
            raise OSError("the Python that runs functions ended")
        return int(line)


def _imported_from() -> str:
    """Where our package lies: the agent's archive."""
    return str(Path(__file__).absolute().parents[__package__.count(".") + 1])


def _argv(about: dict[str, Any]) -> list[str]:
    argv = about.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(one, str) for one in argv):
        raise Mistaken("there is no command")
    return argv


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise Mistaken("the environment is not text")
    return value
