"""Downloads Debian packages from mirrors; each file is verified by its hash."""

from __future__ import annotations

import hashlib
import http.client
import os
import queue
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from golem_launcher.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from golem_launcher.image.lock import Lock, Package

MIRROR_VARIABLE: Final = "GOLEM_LAUNCHER_DEBIAN_MIRROR"
"""The address that Debian's directories ``debian`` and ``debian-security`` lie under."""
_PUBLIC: Final = "https://deb.debian.org"
_SNAPSHOTS: Final = "https://snapshot.debian.org/archive"
_AT_ONCE: Final = 8
_SECONDS: Final = 30.0
_SLOWEST: Final = 20_000
"""Bytes per second: a mirror that sends less is left for the next one, once :data:`_SECONDS` are over."""
_PIECE: Final = 256 * 1024
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/\S*)?|https?://\[[0-9a-fA-F:.]+\](:[0-9]+)?(/\S*)?")
_SOURCE: Final = re.compile(r"https?://[^\s\]]+")


def addresses(lock: Lock, archive: str) -> list[str]:
    """Where an archive is looked for, the nearest first; the last one has each version for ever.

    Raises ``ImageError`` when the mirror that the user names is no address.
    """
    named = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    if named and not _ADDRESS.fullmatch(named):
        raise ImageError(
            f"{MIRROR_VARIABLE} is '{named}', which is no address.",
            "Write it like http://deb.example.org, or unset it.",
        )
    own = [f"{named}/{archive}"] if named else [one for one in _of_apt() if one.rpartition("/")[2] == archive]
    return list(dict.fromkeys([*own, f"{_PUBLIC}/{archive}", f"{_SNAPSHOTS}/{archive}/{lock.snapshot}"]))


def fetch(lock: Lock, directory: Path, *, progress: Callable[[int, int], None]) -> dict[Package, Path]:
    """Fetch all Debian packages of a lock that are not in ``directory`` yet; where each one is.

    ``progress`` is told the bytes so far and in all; what it raises ends the work. Blocking. Raises ``ImageError``
    when a package can't be had, and ``OSError`` of the disk.
    """
    opener = urllib.request.build_opener(*_apt_proxy())
    total, done = sum(package.size for package in lock.debian), 0
    places = {archive: addresses(lock, archive) for archive in {package.archive for package in lock.debian}}
    found = {package: directory / f"{package.sha256[:16]}-{package.filename}" for package in lock.debian}
    missing = [package for package, path in found.items() if not _is_whole(path, package)]
    done = total - sum(package.size for package in missing)
    progress(done, total)
    waiting: queue.SimpleQueue[Package] = queue.SimpleQueue()
    results: queue.SimpleQueue[Package | BaseException] = queue.SimpleQueue()
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                package = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                _fetch(opener, package, places[package.archive], found[package], over)
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                results.put(error)
            else:
                results.put(package)

    for package in missing:
        waiting.put(package)
    try:
        # A pool's threads are waited for at the end, in which a mirror that drips has the last word. These are not.
        for _ in range(min(_AT_ONCE, len(missing))):
            threading.Thread(target=work, name="fetch", daemon=True).start()
        for _ in missing:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            done += result.size
            progress(done, total)
    finally:
        over.set()
    return found


def _fetch(
    opener: urllib.request.OpenerDirector, package: Package, places: Iterable[str], path: Path, over: threading.Event
) -> None:
    """Fetch a package from the first of the places that has it; nothing is kept of it once it is ``over``."""
    reasons: list[str] = []
    for place in places:
        url = f"{place}/{quote(package.path)}"
        try:
            with opener.open(url, timeout=_SECONDS) as answer:
                content = _read(answer, package.size, over)
        except (OSError, http.client.HTTPException) as error:  # urllib's are OSErrors
            reasons.append(f"{urlsplit(place).hostname}: {getattr(error, 'reason', None) or error}")
            continue
        if over.is_set():
            return
        if hashlib.sha256(content).hexdigest() != package.sha256:
            reasons.append(f"{urlsplit(place).hostname}: what it sent has another hash")
            continue
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return
    raise ImageError(
        f"{package.filename} can't be fetched ({'; '.join(map(str, reasons))}).",
        f"Look at the connection, or name a mirror of Debian's in {MIRROR_VARIABLE}, or a ready image with --image.",
    )


def _is_whole(path: Path, package: Package) -> bool:
    """Whether a package is there as it was fetched: one that was written when the power failed may be empty."""
    if not path.is_file() or path.stat().st_size != package.size:
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256


def _read(answer: http.client.HTTPResponse, size: int, over: threading.Event) -> bytes:
    """What is sent, as far as it can be the file, until it is ``over``. ``TimeoutError`` for a mirror that drips."""
    content, end = bytearray(), time.monotonic() + _SECONDS + size / _SLOWEST
    while not over.is_set() and len(content) <= size and (piece := answer.read1(_PIECE)):
        content += piece
        if time.monotonic() > end:
            raise TimeoutError("it sends too slowly")
    return bytes(content)


def _of_apt() -> list[str]:
    """The mirrors that this computer's apt is set to use, where it has one; which of them are Debian's shows later."""
    found = []
    for directory in (Path("/etc/apt"), Path("/etc/apt/sources.list.d")):
        for path in sorted((*directory.glob("*.list"), *directory.glob("*.sources"))):
            try:
                lines = path.read_text(errors="replace").splitlines()
            except OSError:
                continue
            plain = " ".join(line for line in lines if not line.lstrip().startswith("#"))
            found += [url.rstrip("/") for url in _SOURCE.findall(plain)]
    return found


def _apt_proxy() -> list[urllib.request.BaseHandler]:
    """The proxy that apt is told to use for http; else that of the environment holds, which urllib knows itself."""
    if any(name.lower() in {"http_proxy", "https_proxy"} for name in os.environ) or shutil.which("apt-config") is None:
        return []
    said = subprocess.run(
        ["apt-config", "shell", "proxy", "Acquire::http::Proxy"],
        check=False, capture_output=True, text=True, timeout=_SECONDS,
    ).stdout  # fmt: skip
    match = re.search(r"proxy='(https?://[^']+)'", said)
    return [urllib.request.ProxyHandler({"http": match[1], "https": match[1]})] if match else []
