"""Unpacks Debian packages into a tree, and does there what their scripts would have done.

The scripts themselves can't run: there is no root, and the computer may be no Linux at all. What they do for these
packages is little, and is written down here, each step with the package that it is for. dpkg knows the result as
installed, so that ``apt`` and ``dpkg`` work in a session.
"""

from __future__ import annotations

import hashlib
import re
from email.parser import Parser
from typing import TYPE_CHECKING, Final

from golem_launcher.errors import ImageError
from golem_launcher.image import deb
from golem_launcher.image.tree import directory, link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from email.message import Message
    from pathlib import Path

    from golem_launcher.image.deb import Deb
    from golem_launcher.image.tree import ImageTree

_LINKS: Final = {
    "bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
    "var/run": "/run", "var/lock": "/run/lock",
}  # fmt: skip
"""Directories that are links before anything is unpacked: base-files', and what merges ``/usr``."""
_ALTERNATIVES: Final = {
    "awk": "/usr/bin/mawk", "nawk": "/usr/bin/mawk", "pager": "/usr/bin/less", "editor": "/bin/nano",
    "pico": "/bin/nano", "which": "/usr/bin/which.debianutils",
}  # fmt: skip
_NOBODY: Final = 65534
_USERS: Final = (("sshd", 100, "/run/sshd"), ("_apt", 42, "/nonexistent"))
_GROUPS: Final = (("_ssh", 101), ("crontab", 102))
_PAM: Final = {
    "auth": "[success=1 default=ignore]\tpam_unix.so nullok",
    "account": "[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so",
    "password": "[success=1 default=ignore]\tpam_unix.so obscure yescrypt",
    "session": "[default=1]\tpam_permit.so",
}
_SHADOW_GROUP: Final = 42
_SOURCES: Final = """\
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
"""
_COPIED: Final = {
    "etc/nsswitch.conf": "usr/share/libc-bin/nsswitch.conf",
    "etc/shells": "usr/share/debianutils/shells",
    "etc/profile": "usr/share/base-files/profile",
    "root/.bashrc": "usr/share/base-files/dot.bashrc",
    "root/.profile": "usr/share/base-files/dot.profile",
    "etc/ssh/sshd_config": "usr/share/openssh/sshd_config",
}


def lay(packages: Iterable[Path], tree: ImageTree, *, progress: Callable[[int], None]) -> None:
    """Unpack the packages and configure them. ``progress`` is told how many are done. Blocking; ``ImageError``."""
    for name, target in _LINKS.items():
        tree.put(target.strip("/"), directory())
        tree.put(name, link(target))
    installed = []
    for number, path in enumerate(packages):
        progress(number)
        installed.append(deb.unpack(path, tree))
    _base_files(tree)
    _accounts(tree)
    _alternatives(tree)
    _pam(tree)
    _certificates(tree)
    _dpkg(tree, installed)


def _base_files(tree: ImageTree) -> None:
    """base-files, libc-bin, debianutils, openssh-server (by ucf), python3."""
    for path, source in _COPIED.items():
        tree.write(path, tree.read(source))
    tree.put("etc/dpkg/origins/default", link("debian"))
    for path, mode in (("run/lock", 0o1777), ("var/tmp", 0o1777), ("var/mail", 0o2775), ("usr/local/sbin", 0o755)):
        tree.put(path, directory(mode))
    for path in ("etc/fstab", "etc/subuid", "etc/subgid"):
        tree.write(path, "")
    tree.write("etc/hostname", "golem\n")
    tree.write("etc/hosts", "127.0.0.1\tlocalhost\n")
    tree.write("etc/resolv.conf", "")
    tree.write("etc/environment", "")
    tree.write("etc/default/locale", "LANG=C.UTF-8\n")
    tree.write("etc/python3/debian_config", "[DEFAULT]\nbyte-compile = standard\n")


def _accounts(tree: ImageTree) -> None:
    """base-passwd, passwd (shadow files), openssh-server, openssh-client, apt."""
    passwd = tree.read("usr/share/base-passwd/passwd.master").decode()
    group = tree.read("usr/share/base-passwd/group.master").decode()
    passwd = passwd.replace("root:*:", "root:x:").replace(":*:", ":x:")
    passwd += "".join(f"{name}:x:{uid}:{_NOBODY}::{home}:/usr/sbin/nologin\n" for name, uid, home in _USERS)
    group = group.replace(":*:", ":x:") + "".join(f"{name}:x:{gid}:\n" for name, gid in _GROUPS)
    names = [line.split(":")[0] for line in passwd.splitlines()]
    tree.write("etc/passwd", passwd)
    tree.write("etc/group", group)
    tree.write("etc/shadow", "".join(f"{name}:*:19000:0:99999:7:::\n" for name in names), 0o640, gid=_SHADOW_GROUP)
    groups = [line.split(":")[0] for line in group.splitlines()]
    tree.write("etc/gshadow", "".join(f"{name}:*::\n" for name in groups), 0o640, gid=_SHADOW_GROUP)


def _alternatives(tree: ImageTree) -> None:
    """``update-alternatives`` of mawk, less, nano, debianutils."""
    for name, program in _ALTERNATIVES.items():
        if tree.get(program) is None:
            raise ImageError(f"The packages bring no {program}.")
        tree.put(f"etc/alternatives/{name}", link(program))
        tree.put(f"usr/bin/{name}", link(f"/etc/alternatives/{name}"))


def _pam(tree: ImageTree) -> None:
    """libpam-runtime's ``pam-auth-update``, with the one module that there is."""
    for kind in ("auth", "account", "password", "session", "session-noninteractive"):
        of = kind.partition("-")[0]
        more = "session\trequired\tpam_unix.so" if of == "session" else ""
        text = tree.read(f"usr/share/pam/common-{kind}").decode()
        text = re.sub(r"^\$\w+_primary$", f"{of}\t{_PAM[of]}", text, flags=re.MULTILINE)
        tree.write(f"etc/pam.d/common-{kind}", re.sub(r"^\$\w+_additional$", more, text, flags=re.MULTILINE))


def _certificates(tree: ImageTree) -> None:
    """ca-certificates' ``update-ca-certificates``: all authorities in one file."""
    above = "usr/share/ca-certificates/"
    names = sorted(path.removeprefix(above) for path, entry in tree if path.startswith(above) and entry.is_file)
    tree.write("etc/ca-certificates.conf", "".join(f"{name}\n" for name in names))
    bundle = b"".join(tree.read(above + name).rstrip(b"\n") + b"\n" for name in names)
    tree.write("etc/ssl/certs/ca-certificates.crt", bundle)
    for name in names:
        pem = name.rpartition("/")[2].removesuffix(".crt") + ".pem"
        tree.put(f"etc/ssl/certs/{pem}", link(f"/{above}{name}"))


def _dpkg(tree: ImageTree, installed: Iterable[Deb]) -> None:
    """What dpkg remembers of a package that it installed."""
    status = []
    for package in installed:
        fields: Message = Parser().parsestr(package.control["control"].decode())
        name = fields["Package"] + (f":{fields['Architecture']}" if fields["Multi-Arch"] == "same" else "")
        stanza = package.control["control"].decode().rstrip("\n")
        conffiles = _conffiles(package, tree)
        status.append(f"{stanza.replace(chr(10), f'{chr(10)}Status: install ok installed{chr(10)}', 1)}\n{conffiles}")
        info = f"var/lib/dpkg/info/{name}"
        tree.write(f"{info}.list", "".join(f"{path}\n" for path in package.paths))
        for kind, content in package.control.items():
            if kind != "control":
                tree.write(f"{info}.{kind}", content, 0o755 if kind[:3] in {"pre", "pos", "con"} else 0o644)
    tree.write("var/lib/dpkg/status", "".join(f"{stanza}\n" for stanza in status))
    for path in ("available", "diversions", "statoverride"):
        tree.write(f"var/lib/dpkg/{path}", "")
    tree.write("var/lib/dpkg/info/format", "1\n")
    tree.write("var/lib/dpkg/arch", "amd64\n")
    tree.put("var/lib/dpkg/updates", directory())
    tree.put("var/lib/dpkg/triggers", directory())
    tree.write("var/lib/dpkg/triggers/Lock", "")
    tree.put("var/lib/apt/lists/partial", directory(0o700, uid=42))
    tree.put("var/cache/apt/archives/partial", directory(0o700, uid=42))
    tree.write("etc/apt/sources.list", _SOURCES)


def _conffiles(package: Deb, tree: ImageTree) -> str:
    paths = package.control.get("conffiles", b"").decode().split("\n")
    known = [path for path in paths if path.startswith("/") and tree.get(path) is not None]
    if not known:
        return ""
    lines = [f" {path} {hashlib.md5(tree.read(path), usedforsecurity=False).hexdigest()}" for path in known]
    return "Conffiles:\n" + "\n".join(lines) + "\n"
