"""An ssh server for images that have none of their own, on asyncssh: commands, terminals, sftp, scp, rsync, forwarding.

Keys only. It runs as who the agent is and in the session's own environment and directory; it needs no root.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
from typing import TYPE_CHECKING, Any

import asyncssh

from . import tcp_carrier_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .config import Ssh

_LOCAL = ("localhost", "127.0.0.1", "::1", "")
_KEEPALIVE_SECONDS = 30
_KEEPALIVES = 4
_LOGIN_SECONDS = 30
_PIECE = 65536
_TERMINAL_SECONDS = 2.0
"""For what a program that has ended left in its terminal."""


async def serve(hosts: Sequence[str], port: int, ssh: Ssh, root: str) -> None:
    """Listen on the first of ``hosts``; the rest of them is ``localhost`` to those who forward ports."""
    os.environ.setdefault("SHELL", "/bin/sh")
    await asyncssh.listen(
        hosts[0],
        port,
        server_factory=lambda: _Server(hosts),
        server_host_keys=[asyncssh.import_private_key(ssh.host_key)],
        authorized_client_keys=asyncssh.import_authorized_keys(ssh.authorized_key + "\n"),
        password_auth=False,
        kbdint_auth=False,
        gss_host=None,
        agent_forwarding=False,
        x11_forwarding=False,
        process_factory=lambda process: _run(process, root),
        sftp_factory=_Files,
        allow_scp=True,
        encoding=None,
        line_editor=False,
        keepalive_interval=_KEEPALIVE_SECONDS,
        keepalive_count_max=_KEEPALIVES,
        login_timeout=_LOGIN_SECONDS,
        reuse_address=True,
    )


class _Files(asyncssh.SFTPServer):
    """The whole file system, as a login has it."""

    def exit(self) -> None:
        """Tell the exit status that OpenSSH's server tells: scp calls its transfer failed without one."""
        with contextlib.suppress(OSError):
            self.channel.exit(0)


class _Server(asyncssh.SSHServer):
    """Authorizes clients: whoever has the right key may do all that a login may."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = hosts

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - there is one account, whatever it is called
        return True

    def connection_requested(
        self,
        dest_host: str,
        dest_port: int,
        orig_host: str,  # noqa: ARG002
        orig_port: int,  # noqa: ARG002
    ) -> Any:
        """``ssh -L``: a port of the session by ``localhost``, anything else as it is named."""
        hosts = self._hosts if dest_host in _LOCAL else (dest_host,)

        async def forward(reader: Any, writer: Any) -> None:
            with contextlib.suppress(OSError, asyncssh.Error):
                remote_reader, remote_writer = await tcp_carrier_server.dial(hosts, dest_port)
                try:
                    await asyncio.gather(_copy(reader, remote_writer), _copy(remote_reader, writer))
                finally:
                    remote_writer.close()
            writer.close()

        return forward

    def server_requested(self, listen_host: str, listen_port: int) -> bool:  # noqa: ARG002
        """``ssh -R``."""
        return True


async def _pour(reader: Any, writer: Any) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()


async def _copy(reader: Any, writer: Any) -> None:
    await _pour(reader, writer)
    if writer.can_write_eof():
        writer.write_eof()


async def _run(process: Any, root: str) -> None:
    """One command, or a shell; with a terminal when one is asked for."""
    shell = os.environ["SHELL"]
    arguments = [shell, "-c", process.command] if process.command else [shell, "-l"]
    environment = {**os.environ, **{name: value for name, value in process.env.items() if name.startswith("LC_")}}
    try:
        if process.term_type is not None:  # a terminal without a type is one
            environment["TERM"] = process.term_type or "dumb"
            code = await _in_terminal(process, arguments, environment, root)
        else:
            code = await _with_pipes(process, arguments, environment, root)
    except OSError as error:
        process.stderr.write(f"can't be started: {error}\n".encode())
        code = 127
    except asyncssh.Error:
        return  # the user has left
    if code < 0:
        with contextlib.suppress(ValueError, asyncssh.Error):
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
            return
    process.exit(code if code >= 0 else 255)


async def _with_pipes(process: Any, arguments: list[str], environment: dict[str, str], root: str) -> int:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *arguments, cwd=root, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    )
    typing = asyncio.ensure_future(_copy(_Typed(process, child), child.stdin))
    # Neither is ended by itself: an end of one would be the channel's. The exit says that both have.
    output = asyncio.gather(_pour(child.stdout, process.stdout), _pour(child.stderr, process.stderr))
    return await _until_ended(process, child, output, typing)


async def _in_terminal(process: Any, arguments: list[str], environment: dict[str, str], root: str) -> int:
    ours, theirs = pty.openpty()
    _resize(ours, process.term_size)
    try:
        child = await asyncio.create_subprocess_exec(
            *arguments, cwd=root, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True, preexec_fn=_own_terminal,
        )  # fmt: skip
    except OSError:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    os.set_blocking(ours, False)
    terminal = _Terminal(ours)
    try:
        typing = asyncio.ensure_future(_copy(_Typed(process, child, ours), terminal))
        return await _until_ended(process, child, asyncio.ensure_future(_pour(terminal, process.stdout)), typing)
    finally:
        os.close(ours)


async def _until_ended(
    process: Any, child: asyncio.subprocess.Process, output: asyncio.Future[Any], typing: asyncio.Future[Any]
) -> int:
    """Wait for the program and for what it wrote, or for the user to leave; its exit code, negative for a signal.

    What was written comes first: asyncio calls no program ended that has an unread pipe. A terminal may be held by
    others for ever, so there the program comes first.
    """
    left = asyncio.ensure_future(process.wait_closed())
    ended = asyncio.ensure_future(child.wait())
    first, then = (ended, output) if process.term_type is not None else (output, ended)
    try:
        await asyncio.wait([left, first], return_when=asyncio.FIRST_COMPLETED)
        patience = _TERMINAL_SECONDS if process.term_type is not None else None
        await asyncio.wait([left, then], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return ended.result()
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGHUP)
        return -signal.SIGHUP
    finally:
        for task in (left, ended, output, typing):
            task.cancel()
        await asyncio.gather(left, ended, output, typing, return_exceptions=True)


class _Typed:
    """What the user sends, read as a stream; what is no byte is done at once."""

    def __init__(self, process: Any, child: asyncio.subprocess.Process, terminal: int | None = None) -> None:
        self._process = process
        self._child = child
        self._terminal = terminal

    async def read(self, most: int) -> bytes:
        while True:
            try:
                data: bytes = await self._process.stdin.read(most)
            except asyncssh.TerminalSizeChanged as change:  # noqa: PERF203
                if self._terminal is not None:
                    _resize(self._terminal, change.term_size)
            except asyncssh.BreakReceived:
                self._kill("INT")
            except asyncssh.SignalReceived as received:
                self._kill(received.signal)
            except asyncssh.Error:
                return b""
            else:
                return data

    def _kill(self, name: str) -> None:
        number = getattr(signal, f"SIG{name}", None)
        if isinstance(number, signal.Signals):
            with contextlib.suppress(OSError):
                os.killpg(self._child.pid, number)


class _Terminal:
    """Our end of a terminal, read and written as a stream."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unwritten = b""

    async def read(self, most: int) -> bytes:
        loop = asyncio.get_running_loop()
        while True:
            try:
                return os.read(self._descriptor, most)
            except BlockingIOError:  # noqa: PERF203
                await _ready(loop.add_reader, loop.remove_reader, self._descriptor)
            except OSError:
                return b""  # so it says that nobody has the other end any more

    def write(self, data: bytes) -> None:
        self._unwritten += data

    async def drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._unwritten:
            try:
                self._unwritten = self._unwritten[os.write(self._descriptor, self._unwritten) :]
            except BlockingIOError:  # noqa: PERF203
                await _ready(loop.add_writer, loop.remove_writer, self._descriptor)

    def can_write_eof(self) -> bool:
        return False

    def write_eof(self) -> None:
        """A terminal has none."""


async def _ready(add: Callable[..., object], remove: Callable[[int], object], descriptor: int) -> None:
    event = asyncio.Event()
    add(descriptor, event.set)
    try:
        await event.wait()
    finally:
        remove(descriptor)


def _resize(terminal: int, size: tuple[int, int, int, int]) -> None:
    width, height, width_pixels, height_pixels = (min(max(0, number), 0xFFFF) for number in size)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, width_pixels, height_pixels))


def _own_terminal() -> None:
    """In the new process: its standard input becomes the terminal that Ctrl-C and the like come from."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
