"""The contents of the image without Docker: a directory made of the same Debian and PyPI packages.

Needs mmdebstrap and bubblewrap (Debian: ``apt install mmdebstrap bubblewrap``), no root.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"
_SECONDS = 1800
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Missing(Exception):  # noqa: N818
    """A program that is needed is not installed; the message says how to get it."""


def ensure(variant: str, cache: Path) -> Path:
    """The unpacked root of a variant, made in ``cache`` unless the same one is there. Minutes, blocking.

    Raises ``Missing``, and ``subprocess.CalledProcessError`` with the output of what failed.
    """
    for program, package in (("mmdebstrap", "mmdebstrap"), ("bwrap", "bubblewrap")):
        if shutil.which(program) is None:
            raise Missing(f"{program} is not installed: sudo apt install {package}")
    root = cache / f"{variant}-{_contents(variant)}"
    if root.is_dir():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{variant}-", dir=cache, ignore_cleanup_errors=True) as scratch:
        made = Path(scratch) / "root"
        _debian(made)
        _packages(made, variant)
        try:
            made.rename(root)
        except OSError:
            if not root.is_dir():  # else somebody was faster, and made the same
                raise
    return root


def _contents(variant: str) -> str:
    """What decides the contents, as a short hash: the same files make the same image."""
    digest = hashlib.blake2b(SUITE.encode(), digest_size=8)
    for name in ("system.txt", "install", "trim", "python/base.txt", f"python/{variant}.txt"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def system_packages() -> list[str]:
    """The Debian packages of every variant."""
    lines = (HERE / "system.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _debian(root: Path) -> None:
    mode = "root" if os.geteuid() == 0 else "unshare"
    argv = ["mmdebstrap", "--quiet", f"--mode={mode}", "--variant=minbase", f"--include={','.join(system_packages())}"]
    _run([*argv, SUITE, str(root)])


def _packages(root: Path, variant: str) -> None:
    inside = "/tmp/image"
    argv = ["bwrap", "--clearenv", "--setenv", "PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    argv += ["--setenv", "LANG", "C.UTF-8", "--setenv", "HOME", "/root", "--bind", str(root), "/"]
    argv += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", str(HERE), inside]
    argv += ["--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf"]
    for name in ("PIP_INDEX_URL", "PIP_FIND_LINKS", "http_proxy", "https_proxy"):
        if name in os.environ:
            argv += ["--setenv", name, os.environ[name]]
    if Path(_CERTIFICATES).exists():  # a company's own authority is among this machine's, not among the image's
        argv += ["--ro-bind", _CERTIFICATES, _CERTIFICATES, "--setenv", "PIP_CERT", _CERTIFICATES]
    _run([*argv, "--unshare-user", "--uid", "0", "--gid", "0", "--", f"{inside}/install", variant])


def main() -> int:
    """``python -m provider.rootfs VARIANT DIRECTORY``: make the contents of a variant there, unless they are."""
    try:
        print(ensure(sys.argv[1], Path(sys.argv[2])))
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} failed:\n{error.stdout}{error.stderr}", file=sys.stderr)
        return 1
    return 0


def _run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, timeout=_SECONDS, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
