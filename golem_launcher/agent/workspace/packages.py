"""Lists the Python packages that the user installed, and installs them again.

What is there is read from the names of ``*.dist-info`` directories: opening the metadata of all packages takes long.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import site
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_DIST_INFO = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._]*)-(?P<version>[^-]+)\.dist-info")
_EGG_INFO = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._]*)-(?P<version>[^-]+)(-py[0-9.]+.*)?\.egg-info")
_REQUIRED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SEPARATORS = re.compile(r"[-_.]+")
_LARGEST_METADATA = 256 * 1024
_LONGEST_LINE = 400
_TELLS_WHO_ASKED = {"pip", "uv"}
"""Installers that leave a file REQUESTED with what was asked for by name."""
_INSTALLED_IN = {"site-packages", "dist-packages"}
_FAILED = "could not be installed"


class Installed(NamedTuple):
    """One package."""

    name: str
    version: str
    path: str
    """Of its metadata."""

    @property
    def key(self) -> str:
        """The name as packages are compared."""
        return _SEPARATORS.sub("-", self.name).lower()

    @property
    def pin(self) -> str:
        """The installed version as a requirement: ``name==version``."""
        return f"{self.name.replace('_', '-')}=={self.version}"


class Packages:
    """The packages of this Python. ``base`` is a file with those that were there before the user came."""

    def __init__(self, base: str) -> None:
        self._state: tuple[Any, ...] = ()
        self._answer: dict[str, list[str]] = {}
        try:
            with open(base, encoding="utf-8") as file:
                self._base = {tuple(each) for each in json.load(file)}
        except (OSError, ValueError, TypeError):
            self._base = {(each.key, each.version) for each in installed()}
            with contextlib.suppress(OSError), open(base, "w", encoding="utf-8") as file:
                json.dump(sorted(self._base), file)

    def environment(self) -> dict[str, list[str]]:
        """``requirements``: what the user installed, without what came along; ``full``: everything, pinned."""
        state = tuple(_changed(path) for path in _directories())
        if state != self._state or not self._answer:
            found = installed()
            new = [each for each in found if (each.key, each.version) not in self._base]
            self._answer = {
                "requirements": _asked_for(new),
                "full": sorted({_requirement(each) for each in found}, key=str.lower),
            }
            self._state = state
        return self._answer


def installed(directories: list[str] | None = None) -> list[Installed]:
    """What can be imported, each package once: the first on the path counts."""
    found: dict[str, Installed] = {}
    for directory in _directories() if directories is None else directories:
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(directory)):
                match = _DIST_INFO.fullmatch(name) or _EGG_INFO.fullmatch(name)
                if match:
                    each = Installed(match["name"], match["version"], os.path.join(directory, name))
                    found.setdefault(each.key, each)
    return list(found.values())


def freeze(environment: str) -> list[str]:
    """What the user asked for in a virtual environment; empty when it is none, or nothing was."""
    directories = []
    library = os.path.join(environment, "lib")
    with contextlib.suppress(OSError):
        directories = [os.path.join(library, name, "site-packages") for name in sorted(os.listdir(library))]
    return _asked_for([each for each in installed(directories) if each.key not in {"pip", "setuptools", "wheel"}])


def install(requirements: list[str], seconds: float, directory: str, temporary: str) -> Iterator[dict[str, Any]]:
    """Install what can be: first all at once, then in ever smaller parts, so that a bad one blocks no other.

    Gives ``{"line": …}`` as pip goes on, and last ``{"failed": [[requirement, reason], …]}``. pip unpacks in
    ``temporary``, where room for large packages must be.
    """
    end = time.monotonic() + seconds
    failed = []
    waiting = [requirements] if requirements else []
    while waiting:
        part = waiting.pop(0)
        reasons: list[str] = []
        code = yield from _pip(part, end, directory, temporary, reasons.append)
        if code == 0:
            continue
        if len(part) == 1 or time.monotonic() >= end:
            reason = reasons[-1] if reasons else _FAILED
            failed += [[each, "there was no time left" if time.monotonic() >= end else reason] for each in part]
        else:
            middle = len(part) // 2
            waiting[:0] = [part[:middle], part[middle:]]
    yield {"failed": failed}


def _pip(
    part: list[str], end: float, directory: str, temporary: str, complain: Callable[[str], None]
) -> Generator[dict[str, Any], None, int]:
    """Run pip once; its exit code."""
    left = end - time.monotonic()
    if left <= 0:
        return 1
    argv = [sys.executable, "-m", "pip", "install", "--no-input", "--progress-bar", "off", "--", *part]
    own = {"PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "TMPDIR": temporary}
    environment = {**os.environ, **own}
    process = subprocess.Popen(
        argv,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    timer = threading.Timer(left, process.kill)
    timer.start()
    try:
        for raw in process.stdout or ():
            line = raw.decode(errors="replace").strip()[:_LONGEST_LINE]
            if line.startswith("ERROR:"):
                complain(line[6:].strip())
            if line:
                yield {"line": line}
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    return process.returncode


def _asked_for(new: list[Installed]) -> list[str]:
    """Those that somebody asked for by name, or that nothing else needs where the installer does not tell."""
    needed = {key for each in new for key in _needs(each)}
    found = []
    for each in new:
        installer = _read(each, "INSTALLER").strip()
        asked = _has(each, "REQUESTED")
        if asked or (installer not in _TELLS_WHO_ASKED and each.key not in needed):
            found.append(_requirement(each))
    return sorted(found, key=str.lower)


def _requirement(package: Installed) -> str:
    """With the address where it is from, when it is from no index: it can't be had again by its name alone."""
    name, directory = package.name.replace("_", "-"), os.path.dirname(package.path)
    if package.path.endswith(".egg-info") and os.path.basename(directory) not in _INSTALLED_IN:
        return f"{name} @ file://{directory}"  # a directory of somebody's work that is on the path
    if not _has(package, "direct_url.json") or _read(package, "INSTALLER").strip() == "conda":
        return package.pin  # conda names the place where it was built
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        told = json.loads(_read(package, "direct_url.json"))
        version = told.get("vcs_info")
        if version:
            return f"{name} @ {version['vcs']}+{told['url']}@{version['commit_id']}"
        return f"{name} @ {told['url']}"
    return package.pin


def _needs(package: Installed) -> Iterator[str]:
    for line in _read(package, "METADATA").partition("\n\n")[0].splitlines():
        if line.startswith("Requires-Dist:"):
            match = _REQUIRED.match(line[14:].strip())
            if match:
                yield _SEPARATORS.sub("-", match[0]).lower()


def _read(package: Installed, name: str) -> str:
    try:
        with open(os.path.join(package.path, name), "rb") as file:
            return file.read(_LARGEST_METADATA).decode(errors="replace")
    except OSError:
        return ""


def _has(package: Installed, name: str) -> bool:
    return os.path.exists(os.path.join(package.path, name))


def _directories() -> list[str]:
    """Where packages are: also the user's own place, which may have been made after this process began."""
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [path for path in dict.fromkeys([*sys.path, *own]) if path and not path.endswith((".zip", ".pyz"))]


def _changed(path: str) -> tuple[str, int]:
    try:
        return path, os.stat(path).st_mtime_ns
    except OSError:
        return path, 0
