"""The ancestor of all processes of an activity; a program: ``python -I -S init.py CONTROL_FD``.

Standard library alone, one thread. It declares itself the reaper of orphans (``PR_SET_CHILD_SUBREAPER``), so that a
daemon which forks twice and leaves its session is still its descendant. When the control socket closes, because the
provider closed it or was killed, it kills every descendant and ends.

Requests are single messages (``SOCK_SEQPACKET``) of JSON, each with an ``id`` of the caller's choice:

    {"do": "spawn", "argv", "env", "cwd", "enter", "like_9p"} + output and error pipes, and optionally its input
                                                -> {"id", "pid"} or {"id", "error"}; at its end {"id", "exit"};
                                                   "error" with "execve": true when the program could not be started
    {"do": "signal", "number"}                  to the process group of the spawned ``id``
    {"do": "dial", "port", "address", "enter"}  -> {"id"} + a connected socket, or {"id", "error"}
    {"do": "interface", "name", "address", "mac", "mtu", "gateway", "enter"}
                                                -> {"id"} + a raw socket at its other end, or {"id", "error"}

``enter`` is the pid of a process whose namespaces the new one joins (a sandbox), or null. ``like_9p`` are places in it
where things are refused (:mod:`ninep_limits`). ``exit`` is the exit code, or minus the signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_LARGEST_MESSAGE = 1 << 20
_MSG_CMSG_CLOEXEC = 0x40000000  # not in the socket module
_DIAL_SECONDS = 5.0
_PAUSE_SECONDS = 0.01
_NAMESPACES = (("user", 0x10000000), ("ipc", 0x08000000), ("uts", 0x04000000), ("net", 0x40000000),
               ("pid", 0x20000000), ("mnt", 0x00020000))  # fmt: skip
_LAST_CAPABILITY = 63
# What root inside a sandbox keeps (capabilities(7)): files, ids, signals, low ports, raw sockets, chroot; never
# CAP_SYS_ADMIN, which could make the read-only mounts writable.
_KEPT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 31}
_STOPPED = 127
_LONGEST_ERROR = 1000

_libc = ctypes.CDLL(None, use_errno=True)


def main(control_descriptor: int) -> None:
    """Serve requests until the control socket closes, then kill all descendants."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this kernel has no child subreapers")
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.set_inheritable(control_descriptor, False)
    init = _Init(socket.socket(fileno=control_descriptor))
    try:
        init.serve(wake_read)
    finally:
        clear()


class _Init:
    """The state: which request each child belongs to."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.requests: dict[int, Any] = {}
        self.asking: dict[int, set[int]] = {}
        """Where the kernel asks before it carries a call out, and the mounts that such calls must not concern."""
        self.poll = select.poll()

    def serve(self, wake: int) -> None:
        self.poll.register(self.control, select.POLLIN)
        self.poll.register(wake, select.POLLIN)
        while True:
            for descriptor, event in self.poll.poll():
                if descriptor in self.asking:
                    self.answer(descriptor, event)
                elif descriptor == wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake, 4096)
                    self.reap()
                elif not self.receive():
                    return

    def answer(self, listener: int, event: int) -> None:
        if event & select.POLLIN:
            beside("ninep_limits").answer(listener, self.asking[listener])
        else:  # nobody is left who could ask
            self.poll.unregister(listener)
            del self.asking[listener]
            os.close(listener)

    def receive(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self.control, _LARGEST_MESSAGE, 4, _MSG_CMSG_CLOEXEC)
        except OSError:
            return False
        if not data:
            return False
        try:
            request = json.loads(data)
            try:
                getattr(self, f"do_{request['do']}")(request, descriptors)
            except OSError as error:  # no more processes or descriptors: the others live on
                self.reply({"id": request["id"], "error": os.strerror(error.errno or 0), "errno": error.errno})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def reply(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the end is near
            self.control.send(json.dumps(message).encode())

    def do_spawn(self, request: dict[str, Any], descriptors: list[int]) -> None:
        places = set(request["like_9p"] if request["enter"] else ())
        mounts = set(beside("ninep_limits").mounts_at(request["enter"], places)) if places else set()
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _child(request, descriptors, theirs, asked=bool(mounts))
        theirs.close()
        self.requests[pid] = request["id"]
        failure = b""
        with ours:
            while True:  # until the child's exec closes its side
                data, listeners, _, _ = socket.recv_fds(ours, _LARGEST_MESSAGE, 1, _MSG_CMSG_CLOEXEC)
                for listener in listeners:
                    self.asking[listener] = mounts
                    self.poll.register(listener, select.POLLIN)
                if not data:
                    break
                failure += b"" if listeners else data
        if failure:
            self.requests.pop(pid)
            self.reply({"id": request["id"], **json.loads(failure)})
        else:
            self.reply({"id": request["id"], "pid": pid})

    def do_signal(self, request: dict[str, Any], _: list[int]) -> None:
        for pid, identifier in self.requests.items():
            if identifier == request["id"]:
                for descendant in (pid, *descendants(pid)):
                    with contextlib.suppress(OSError):
                        os.kill(descendant, request["number"])

    def do_dial(self, request: dict[str, Any], _: list[int]) -> None:
        where = (request["address"], request["port"])
        self.send_socket(request, lambda: socket.create_connection(where, timeout=_DIAL_SECONDS))

    def do_interface(self, request: dict[str, Any], _: list[int]) -> None:
        interface = beside("network_interface")
        if os.fork():
            return  # reaped like any orphan; it answers itself
        try:
            join(request["enter"], {"user", "net"})
            interface.main(self.control, request)
        except OSError as error:
            code = error.errno or errno.EIO
            self.reply({"id": request["id"], "error": os.strerror(code), "errno": code})
        finally:
            os._exit(0)

    def send_socket(self, request: dict[str, Any], make: Callable[[], socket.socket]) -> None:
        """Make a socket in the network of ``enter`` and send it."""
        pid = os.fork()
        if pid:
            return  # reaped like any orphan; it answers itself
        try:
            if request["enter"]:
                join(request["enter"], {"user", "net"})
            made = make()
            socket.send_fds(self.control, [json.dumps({"id": request["id"]}).encode()], [made.fileno()])
        except OSError as error:
            code = error.errno or errno.ETIMEDOUT
            self.reply({"id": request["id"], "error": os.strerror(code), "errno": code})
        finally:
            os._exit(0)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            identifier = self.requests.pop(pid, None)
            if identifier is not None:
                self.reply({"id": identifier, "exit": os.waitstatus_to_exitcode(status)})


def beside(name: str) -> Any:
    """A module beside this one, which this program can't import as one of a package."""
    if name not in sys.modules:
        place = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is not worth its import here
        sys.path.append(place)
        try:
            importlib.import_module(name)
        finally:
            sys.path.remove(place)
    return sys.modules[name]


def _child(request: dict[str, Any], descriptors: list[int], report: socket.socket, *, asked: bool) -> None:
    """Become the command; never returns."""
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(descriptors[2] if len(descriptors) > 2 else null, 0)  # noqa: PLR2004 - input, when given, is the third
        os.dup2(descriptors[0], 1)
        os.dup2(descriptors[1], 2)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if request["enter"]:
            join(request["enter"], {name for name, _ in _NAMESPACES})
            _continue_in_pid_namespace()
            os.chdir(request["cwd"])
            listener = beside("ninep_limits").install() if asked else -1
            if listener >= 0:
                socket.send_fds(report, [b"."], [listener])
                os.close(listener)
            _drop_capabilities()
        else:
            os.chdir(request["cwd"])
        try:
            os.execve(request["argv"][0], request["argv"], request["env"])  # noqa: S606 - no PATH, no shell, on purpose
        except (OSError, ValueError) as error:
            report.sendall(json.dumps({"error": str(error)[:_LONGEST_ERROR], "execve": True}).encode())
    except BaseException as error:  # noqa: BLE001 - this process must end here, whatever happened
        report.sendall(json.dumps({"error": str(error)[:_LONGEST_ERROR] or repr(error)}).encode())
    finally:
        os._exit(_STOPPED)


def join(pid: int, names: set[str]) -> None:
    """Enter the namespaces ``names`` of the process ``pid``. Raises ``OSError``."""
    descriptors = []
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY) if "mnt" in names else None
    for name, kind in _NAMESPACES:
        theirs = f"/proc/{pid}/ns/{name}"
        if name not in names:
            continue
        if os.stat(theirs).st_ino == os.stat(f"/proc/self/ns/{name}").st_ino:  # noqa: PTH116
            raise OSError(errno.ESRCH, "that is no sandbox")  # a command must never run outside by mistake
        descriptors.append((os.open(theirs, os.O_RDONLY), kind))
    for descriptor, kind in descriptors:
        if _libc.setns(descriptor, kind):
            code = ctypes.get_errno()
            raise OSError(code, f"setns: {os.strerror(code)}")
        os.close(descriptor)
    if root is not None:
        os.fchdir(root)
        os.chroot(".")
        os.close(root)
        for change in (os.setgid, os.setuid):
            change(0)
        with contextlib.suppress(PermissionError):  # where root is the only user there are no groups to set
            os.setgroups([])


def _continue_in_pid_namespace() -> None:
    """Go on as a member of the entered pid namespace; the process that entered waits and ends with the same status."""
    pid = os.fork()
    if pid == 0:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        return
    for name in range(3, 64):
        with contextlib.suppress(OSError):
            os.close(name)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in {signal.SIGKILL, signal.SIGSTOP} else None
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


def _drop_capabilities() -> None:
    for number in range(_LAST_CAPABILITY + 1):
        if number not in _KEPT:
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    # capset(2), version 3: header {version, pid}, then two halves of {effective, permitted, inheritable}.
    mask = sum(1 << number for number in _KEPT)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", 0x20080522, 0)
    if _libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)):
        code = ctypes.get_errno()
        raise OSError(code, f"capset: {os.strerror(code)}")


def descendants(pid: int) -> list[int]:
    """All living descendants of ``pid``, parents before children."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - pathlib is not worth its import here
                    fields = file.read().rpartition(b")")[2].split()
                if fields[0] not in b"ZX":
                    children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def clear() -> None:
    """Kill all descendants of this process and wait for their end."""
    me = os.getpid()
    while victims := descendants(me):
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: what forks fast could outrun its killer
            for pid in victims:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        select.select([], [], [], _PAUSE_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]))
