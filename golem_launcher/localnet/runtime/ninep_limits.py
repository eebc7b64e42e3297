"""Refuses in a sandbox what 9p refuses on directories of the host in Golem's VM.

A file system that says no to a part of what programs want can't be mounted by everybody; but the kernel can ask before
it carries a call out (seccomp's user notification). It asks for the few calls that matter, and is answered here: those
that concern a mount of the given ids are refused, whatever program makes them, and all others are carried out. Part of
the init program: standard library alone. Where the kernel or the processor has none of it, nothing is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import struct

_SECCOMP = 317
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_X86_64 = 0xC000003E
_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06
_CALL = struct.Struct("=QIIiIQ6Q")
"""struct seccomp_notif: id, pid, flags; number, architecture, where, arguments."""
_ANSWER = struct.Struct("=QqiI")
_HERE = -100
_LONGEST = 4096

_OPEN, _MMAP, _BIND, _CHOWN, _FCHOWN, _LCHOWN, _MKNOD, _OPENAT, _MKNODAT, _FCHOWNAT = (
    2, 9, 49, 92, 93, 94, 133, 257, 259, 260,
)  # fmt: skip
_TMPFILE = 0x400000
_SHARED, _ANONYMOUS = 0x01, 0x20
_ALWAYS = (_BIND, _CHOWN, _FCHOWN, _LCHOWN, _MKNOD, _MKNODAT, _FCHOWNAT)
_SOMETIMES = (
    (_MMAP, 3, _SHARED | _ANONYMOUS, _SHARED),
    (_OPEN, 1, _TMPFILE, _TMPFILE),
    (_OPENAT, 2, _TMPFILE, _TMPFILE),
)
"""Asked for when an argument has such bits: the call, the argument's place, a mask, and what it leaves."""
_REFUSED = {
    _MMAP: errno.EINVAL, _BIND: errno.ENXIO, _MKNOD: errno.ENXIO, _MKNODAT: errno.ENXIO, _OPEN: errno.EOPNOTSUPP,
    _OPENAT: errno.EOPNOTSUPP, _CHOWN: errno.EPERM, _FCHOWN: errno.EPERM, _LCHOWN: errno.EPERM, _FCHOWNAT: errno.EPERM,
}  # fmt: skip


def install() -> int:
    """Have the kernel ask about this process and its descendants; a descriptor that questions come to, -1 for none.

    The process needs CAP_SYS_ADMIN in its user namespace.
    """
    if platform.machine() != "x86_64":
        return -1
    code = _program()
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    listener: int = libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, program)
    return listener


def answer(listener: int, mounts: set[int]) -> None:
    """Answer one question that has come to ``listener``: calls that concern the ``mounts`` are refused."""
    question = bytearray(_CALL.size)
    with contextlib.suppress(OSError):  # who asked was killed
        fcntl.ioctl(listener, _RECEIVE, question)
        identifier, pid, _, number, _, _, *arguments = _CALL.unpack(question)
        refused = False
        with contextlib.suppress(OSError, ValueError):
            refused = _mount(_concerned(pid, number, arguments)) in mounts
        error, flags = (-_REFUSED[number], 0) if refused else (0, _CONTINUE)
        fcntl.ioctl(listener, _SEND, _ANSWER.pack(identifier, 0, error, flags))


def mounts_at(pid: int, places: set[str]) -> list[int]:
    """The ids of the mounts at ``places``, as the process ``pid`` sees them. Raises ``OSError``."""
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:  # noqa: PTH123 - as in init
        rows = [line.split() for line in file]
    return [int(row[0]) for row in rows if row[4] in places]


def _program() -> bytes:
    """The filter: what is asked for, and what goes through unasked."""

    def step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", code, then, otherwise, value)

    made = step(_LOAD, 4) + step(_EQUAL, _X86_64, 1) + step(_RETURN, _ALLOW) + step(_LOAD, 0)
    for number in _ALWAYS:
        made += step(_EQUAL, number, 0, 1) + step(_RETURN, _ASK)
    for number, argument, mask, left in _SOMETIMES:
        made += step(_EQUAL, number, 0, 5) + step(_LOAD, 16 + 8 * argument) + step(_AND, mask)
        made += step(_EQUAL, left, 0, 1) + step(_RETURN, _ASK) + step(_RETURN, _ALLOW)
    return made + step(_RETURN, _ALLOW)


def _concerned(pid: int, number: int, arguments: list[int]) -> str:
    """What a call is about, as a path of ours: a file, or the directory that something is to be made in."""
    first, second = arguments[:2]
    if number == _MMAP:
        return f"/proc/{pid}/fd/{_signed(arguments[4])}"
    if number == _FCHOWN:
        return f"/proc/{pid}/fd/{_signed(first)}"
    if number == _BIND:
        address = _read(pid, second, min(arguments[2], _LONGEST))
        if address[:2] != struct.pack("=H", 1) or address[2:3] in {b"", b"\0"}:  # no AF_UNIX, or without a file
            raise ValueError
        return os.path.dirname(_seen(pid, _HERE, address[2:].partition(b"\0")[0]))  # noqa: PTH120
    if number in {_MKNODAT, _OPENAT, _FCHOWNAT}:
        path = _seen(pid, _signed(first), _text(pid, second))
    else:
        path = _seen(pid, _HERE, _text(pid, first))
    return os.path.dirname(path) if number in {_MKNOD, _MKNODAT} else path  # noqa: PTH120


def _seen(pid: int, folder: int, name: bytes) -> str:
    path = os.fsdecode(name)
    if path.startswith("/proc/self/"):
        return f"/proc/{pid}/{path[11:]}"
    if path.startswith("/"):
        return f"/proc/{pid}/root{path}"
    base = f"/proc/{pid}/cwd" if folder == _HERE else f"/proc/{pid}/fd/{folder}"
    return f"{base}/{path}" if path else base


def _mount(path: str) -> int:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:  # noqa: PTH123
            return next(int(line.split()[1]) for line in file if line.startswith("mnt_id:"))
    finally:
        os.close(descriptor)


def _text(pid: int, address: int) -> bytes:
    """A string that ends with a NUL: no further than the page's end at first, behind which there may be nothing."""
    found = _read(pid, address, _LONGEST - address % _LONGEST)
    if b"\0" not in found:
        found += _read(pid, address + len(found), _LONGEST)
    return found.partition(b"\0")[0]


def _read(pid: int, address: int, length: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        memory.seek(address)
        return memory.read(length)


def _signed(argument: int) -> int:
    value = argument & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value
