"""Controls :mod:`golem_launcher.localnet.runtime.init`, one such process per activity, over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LocalNetError
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Interface
    from pathlib import PurePosixPath

_log = logging.getLogger(__name__)

_PROGRAM = Path(__file__).with_name("init.py")
_LARGEST_REPLY = 1 << 16
_SOCKET_BUFFER = 1 << 20
_CHUNK = 1 << 16
_ANSWER_SECONDS = 10.0
_STOP_SECONDS = 10.0
_DRAIN_SECONDS = 0.3
_MSG_CMSG_CLOEXEC = 0x40000000


@dataclass(frozen=True)
class ProcessSpec:
    """What to run (``argv`` begins with the program's path), where, and in whose namespaces."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | PurePosixPath
    enter: int | None = None
    like_9p: Sequence[str] = ()
    """The mounts in there that are to refuse what a 9p mount refuses."""


class NotStarted(LocalNetError):  # noqa: N818 - reads as what it says
    """The program of a command is not there, or can't be run."""


class InitProcess:
    """The ancestor of all processes of one activity. Nothing survives :meth:`aclose`, nor the death of this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.gone = asyncio.Event()
        """Set once it has ended."""
        self._next = 0
        self._answers: dict[int, asyncio.Future[tuple[dict[str, Any], socket.socket | None]]] = {}
        self._exits: dict[int, asyncio.Future[int]] = {}

    @property
    def pid(self) -> int:
        """The pid of the ancestor; :class:`LocalNetError` when it is not running."""
        if self._process is None:
            raise LocalNetError("This activity's processes are gone.")
        return self._process.pid

    async def start(self) -> None:
        """Start the ancestor process, before anything is run. Raises ``OSError``."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
            self._process = await asyncio.to_thread(_start, theirs.fileno())
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._receive, ours)

    async def run(
        self,
        command: ProcessSpec,
        on_stdout: Callable[[bytes], None],
        on_stderr: Callable[[bytes], None],
        *,
        stdin: int | None = None,
    ) -> int:
        """Run to the end: the exit code, or minus the signal that ended it. Cancelling kills it.

        What its children still hold open after its end is not waited for. Raises :class:`NotStarted` when there is no
        such program, another :class:`LocalNetError` when the ancestor has gone.
        """
        out, err = _Pipe(on_stdout), _Pipe(on_stderr)
        identifier = self._identifier()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()
        self._exits[identifier] = ended
        try:
            message = {"do": "spawn", "argv": list(command.argv), "env": dict(command.env), "cwd": str(command.cwd)}
            descriptors = [out.write, err.write, *([] if stdin is None else [stdin])]
            where = {"enter": command.enter, "like_9p": list(command.like_9p)}
            answer, _ = await self._ask(identifier, {**message, **where}, descriptors)
            if "error" in answer:
                raise (NotStarted if answer.get("execve") else LocalNetError)(f"{answer['error']}.")
            for pipe in (out, err):
                pipe.close_write()
                loop.add_reader(pipe.read, pipe.forward)
            code = await ended
            await asyncio.wait([out.ended, err.ended], timeout=_DRAIN_SECONDS)
        except asyncio.CancelledError:
            with contextlib.suppress(LocalNetError):  # gone, and the command with it
                self._send({"do": "signal", "id": identifier, "number": signal.SIGKILL})
            raise
        else:
            return code
        finally:
            self._exits.pop(identifier, None)
            out.close()
            err.close()

    async def run_silently(
        self, command: ProcessSpec, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
    ) -> int:
        """:meth:`run` as Golem's VM does it: nothing is said of a program that can't be started, it seems killed."""
        try:
            return await self.run(command, on_stdout, on_stderr)
        except NotStarted as error:
            _log.info("a command could not be started: %s", error)
            return -signal.SIGKILL

    async def dial(self, port: int, address: str, enter: int | None) -> socket.socket:
        """A connected, non-blocking socket to ``port`` inside the namespaces of ``enter``; ``OSError`` when refused."""
        return await self._socket({"do": "dial", "port": port, "address": address, "enter": enter})

    async def interface(
        self,
        name: str,
        address: IPv4Interface,
        mac: bytes,
        mtu: int,
        enter: int,
        *,
        gateway: IPv4Address | None = None,
    ) -> socket.socket:
        """A new network interface inside the namespaces of ``enter``: a raw, non-blocking socket at its other end.

        ``gateway`` becomes the way to everything beyond. Raises ``OSError`` where this machine's kernel makes none.
        """
        way = "" if gateway is None else str(gateway)
        wanted = {"name": name, "address": str(address), "mac": mac.hex(), "mtu": mtu, "gateway": way}
        return await self._socket({"do": "interface", **wanted, "enter": enter})

    async def aclose(self) -> None:
        """End it and everything below it; returns when all is gone. Safe to call twice."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        process, self._process = self._process, None
        if process is not None:
            try:
                await asyncio.to_thread(process.wait, _STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait, _STOP_SECONDS)
        self._fail()

    def _identifier(self) -> int:
        self._next += 1
        return self._next

    async def _socket(self, message: dict[str, Any]) -> socket.socket:
        answer, made = await self._ask(self._identifier(), message, [])
        if made is None:
            raise OSError(answer.get("errno", errno.ECONNABORTED), answer.get("error", "no connection"))
        made.setblocking(False)
        return made

    async def _ask(
        self, identifier: int, message: dict[str, Any], descriptors: list[int]
    ) -> tuple[dict[str, Any], socket.socket | None]:
        answer: asyncio.Future[tuple[dict[str, Any], socket.socket | None]]
        answer = asyncio.get_running_loop().create_future()
        self._answers[identifier] = answer
        try:
            self._send({"id": identifier, **message}, descriptors)
            reply, connection = await wait_for(answer, _ANSWER_SECONDS)
        except TimeoutError:
            raise LocalNetError(f"The activity's first process did not answer in {_ANSWER_SECONDS:.0f} s.") from None
        finally:
            self._answers.pop(identifier, None)
        return reply, connection

    def _send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        if self._control is None:
            raise LocalNetError("This activity's processes are gone.")
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors or [])
        except OSError as error:
            raise LocalNetError(f"The command could not be passed on: {error.strerror}.") from error

    def _receive(self, control: socket.socket) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(control, _LARGEST_REPLY, 1, _MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(control)
            control.close()
            self._control = None
            self._fail()
            return
        connection = socket.socket(fileno=descriptors[0]) if descriptors else None
        reply = json.loads(data)
        if "exit" in reply:
            ended = self._exits.get(reply["id"])
            if ended is not None and not ended.done():
                ended.set_result(reply["exit"])
            return
        answer = self._answers.get(reply["id"])
        if answer is not None and not answer.done():
            answer.set_result((reply, connection))
        elif connection is not None:
            connection.close()

    def _fail(self) -> None:
        self.gone.set()
        waiting: list[asyncio.Future[Any]] = [*self._answers.values(), *self._exits.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(LocalNetError("The activity's processes were ended."))
                future.exception()  # a waiter that was cancelled meanwhile never looks


class _Pipe:
    """A pipe whose bytes go to a sink as they come."""

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self.read, self.write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.write, True)
        self._sink = sink
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def forward(self) -> None:
        try:
            data = os.read(self.read, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._sink(data)
        else:
            self._finish()

    def _finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
            asyncio.get_running_loop().remove_reader(self.read)

    def close_write(self) -> None:
        if self.write >= 0:
            os.close(self.write)
            self.write = -1

    def close(self) -> None:
        self.close_write()
        self._finish()
        with contextlib.suppress(OSError):
            os.close(self.read)


def _start(descriptor: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_PROGRAM), str(descriptor)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env={},
        cwd="/",
        start_new_session=True,
    )
