"""A user namespace with many users for a sandbox; a program: ``python -I -S user_namespace.py PROGRAM ARG…``.

It makes the namespace and becomes the program, which is root inside. Whoever runs it is that root. Where that is the
host's root, the other ids are the host's too, so that files of an image keep their owners; for anybody else they are
what ``/etc/subuid`` gives, through ``newuidmap`` (Debian's package ``uidmap``). Servers that give up root, like sshd
and nginx, need such ids. Where there are none, root is the only user inside. Standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_COUNT = 65534
"""Users beside root: all ids that programs for one machine use."""
_FAILED = 126
_KINDS = (("uid", "/etc/subuid", "newuidmap"), ("gid", "/etc/subgid", "newgidmap"))


def main(argv: list[str]) -> None:
    """Become ``argv``, as root of a new user namespace. Never returns."""
    libc = ctypes.CDLL(None, use_errno=True)
    me = os.getpid()
    unshared, mapped = os.pipe(), os.pipe()
    mapper = os.fork()
    if mapper == 0:
        os.close(unshared[1])
        os.read(unshared[0], 1)  # ends when the other side is closed
        try:
            write_maps(me)
            os.write(mapped[1], b"1")
        finally:
            os._exit(0)
    os.close(mapped[1])
    if libc.unshare(_CLONE_NEWUSER):
        sys.stderr.write(f"no user namespace: {os.strerror(ctypes.get_errno())}\n")
        os._exit(_FAILED)
    os.close(unshared[1])
    os.waitpid(mapper, 0)
    if not os.read(mapped[0], 1):
        sys.stderr.write("no users could be given to the namespace\n")
        os._exit(_FAILED)
    os.setgid(0)
    os.setuid(0)
    with contextlib.suppress(PermissionError):  # where root is alone there are no groups to set
        os.setgroups([])
    os.execvp(argv[0], argv)  # noqa: S606 - no shell, on purpose


def write_maps(pid: int) -> None:
    """Give the new namespace of the process ``pid`` its users and groups. Raises ``OSError``."""
    if all(_many(pid, *kind) for kind in _KINDS):
        return
    process = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        (process / "setgroups").write_text("deny")
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        with contextlib.suppress(OSError):  # written already, when only the other kind failed
            (process / f"{kind}_map").write_text(f"0 {own} 1\n")
        if not (process / f"{kind}_map").read_text():
            raise OSError(f"no {kind} for root")


def _many(pid: int, kind: str, table: str, program: str) -> bool:
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/{kind}_map").write_text(f"0 0 {_COUNT + 1}\n")
            return True
        return False
    first, count = _range(table)
    if not count or shutil.which(program) is None:
        return False
    own = os.geteuid() if kind == "uid" else os.getegid()
    argv = [program, str(pid), "0", str(own), "1", "1", str(first), str(min(count, _COUNT))]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _range(table: str) -> tuple[int, int]:
    """The ids that ``table`` gives to the user: the first one, and how many."""
    names = {str(os.geteuid())}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(os.geteuid()).pw_name)
    with contextlib.suppress(OSError, ValueError):
        for line in Path(table).read_text().splitlines():
            name, first, count = line.split(":")
            if name in names:
                return int(first), int(count)
    return 0, 0


if __name__ == "__main__":
    main(sys.argv[1:])
