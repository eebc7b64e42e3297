"""The transfer command: a file, or a directory as an archive, between a volume and gftp, http(s) or a volume.

What comes in is staged in a private directory beside the volumes and moved into place when whole and checked: a program
inside never sees half a file, and a failed transfer leaves the old one. A file that goes out is read where it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.exeunit import archive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from golem_launcher.localnet.exeunit.script import Transfer
    from golem_launcher.localnet.runtime.volumes import Volumes

    Progress = Callable[[int, int | None], None]

_HASH = re.compile(r"hash:(?://)?([^:]+):(?:0x)?([0-9a-f]+):(.+)", re.IGNORECASE)
_CHUNK = 1 << 20


class Scheme(Protocol):
    """Moves the bytes of one kind of address. Methods raise :class:`LauncherError` or ``OSError``."""

    async def download(self, url: str, path: Path, progress: Progress) -> None:
        """Write what ``url`` holds into the new file ``path``."""

    async def upload(self, path: Path, url: str, progress: Progress) -> None:
        """Send the file ``path`` to ``url``."""


@dataclass(frozen=True)
class Address:
    """One side of a transfer. ``digest`` is (algorithm, expected value) when the address names one."""

    scheme: str
    url: str
    digest: tuple[str, bytes] | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``[hash:ALGORITHM:HEX:]URL``; :class:`LocalNetError` when it is none."""
        digest = None
        match = _HASH.fullmatch(text)
        if match:
            try:
                digest = (match[1].lower(), bytes.fromhex(match[2]))
            except ValueError:
                raise LocalNetError(f"{match[2][:80]} is no hash.") from None
            text = match[3]
        elif text.lower().startswith("hash:"):
            raise LocalNetError("An address that begins with hash: needs an algorithm, a value and a URL.")
        try:
            scheme = urlsplit(text).scheme
        except ValueError:
            raise LocalNetError(f"{text[:200]} is no address.") from None
        return cls(scheme or "container", text if scheme else f"container:{text}", digest)

    @property
    def container_path(self) -> str:
        """The path inside the runtime."""
        return unquote(urlsplit(self.url).path)


class Transfers:
    """Carries out transfers with the schemes it is given (``gftp``, ``http``, ``https``)."""

    def __init__(self, schemes: Mapping[str, Scheme]) -> None:
        self._schemes = schemes

    async def execute(self, command: Transfer, volumes: Volumes, progress: Callable[[int, int | None], None]) -> None:
        """Carry one out. Raises :class:`LauncherError` or ``OSError``."""
        source, target = Address.parse(command.source), Address.parse(command.target)
        for address in (source, target):
            if address.scheme != "container" and address.scheme not in self._schemes:
                raise LocalNetError(f"Transfers to or from {address.scheme}: are not supported here.")
        report = Paced(progress, command.progress)
        if source.scheme == "container" != target.scheme and command.format is None:
            await self._send(source, target, volumes, report)
        else:
            await self._by_staging(command, source, target, volumes, report)
        report.finish()

    async def _send(self, source: Address, target: Address, volumes: Volumes, report: Progress) -> None:
        descriptor = await asyncio.to_thread(volumes.open, source.container_path)
        try:
            opened = Path(f"/proc/self/fd/{descriptor}")
            if source.digest is not None:
                await asyncio.to_thread(check_digest, opened, *source.digest)
            await self._schemes[target.scheme].upload(opened, target.url, report)
        finally:
            os.close(descriptor)

    async def _by_staging(
        self, command: Transfer, source: Address, target: Address, volumes: Volumes, report: Progress
    ) -> None:
        staging = Path(tempfile.mkdtemp(prefix=".transfer-", dir=volumes.root))
        try:
            staged = staging / "file"
            await self._fetch(command, source, staged, volumes, report)
            if source.digest is not None:
                await asyncio.to_thread(check_digest, staged, *source.digest)
            await self._deliver(command, source, target, staged, volumes=volumes, report=report)
        finally:
            await asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True)

    async def _fetch(
        self, command: Transfer, source: Address, staged: Path, volumes: Volumes, report: Progress
    ) -> None:
        if source.scheme != "container":
            await self._schemes[source.scheme].download(source.url, staged, report)
            return
        descriptor = await asyncio.to_thread(volumes.open, source.container_path)
        try:
            if command.format is not None:
                selection = archive.Selection(command.depth, command.filesets)
                await asyncio.to_thread(archive.pack, descriptor, staged, command.format, selection)
            else:
                await asyncio.to_thread(_copy, descriptor, staged)
        finally:
            os.close(descriptor)

    async def _deliver(
        self,
        command: Transfer,
        source: Address,
        target: Address,
        staged: Path,
        *,
        volumes: Volumes,
        report: Progress,
    ) -> None:
        if target.scheme != "container":
            await self._schemes[target.scheme].upload(staged, target.url, report)
        elif command.format is not None:
            unpacked = staged.with_name("tree")
            selection = archive.Selection(command.depth, () if source.scheme == "container" else command.filesets)
            await asyncio.to_thread(archive.unpack, staged, unpacked, command.format, selection)
            await asyncio.to_thread(_place_tree, unpacked, volumes, target.container_path)
        else:
            await asyncio.to_thread(volumes.place, staged, target.container_path)


class Paced:
    """Passes progress on at most once per interval; called with bytes done and, where it is known, bytes in all."""

    def __init__(self, progress: Progress, interval: float | None) -> None:
        self._progress = progress
        self._interval = interval
        self._next = 0.0
        self._last: tuple[int, int | None] = (0, None)

    def __call__(self, done: int, size: int | None) -> None:
        """Called with the number of bytes that are done."""
        self._last = (done, size)
        now = asyncio.get_running_loop().time()
        if self._interval is not None and now >= self._next:
            self._next = now + self._interval
            self._progress(done, size)

    def finish(self) -> None:
        """All is done."""
        if self._interval is not None:
            done, size = self._last
            self._progress(done, size if size is not None else done)


def check_digest(path: Path, algorithm: str, expected: bytes) -> None:
    """Compare a file with the digest that its address names; :class:`LocalNetError` when they differ. Blocking."""
    name = f"sha3_{len(expected) * 8}" if algorithm == "sha3" else algorithm
    if name not in hashlib.algorithms_guaranteed or name.startswith("shake"):
        raise LocalNetError(f"The hash {algorithm[:40]} of {len(expected)} bytes is not known here.")
    digest = hashlib.new(name)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.digest() != expected:
        raise LocalNetError(f"The file's hash is {digest.hexdigest()}, not {expected.hex()}.")


def _copy(descriptor: int, target: Path) -> None:
    with os.fdopen(os.dup(descriptor), "rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, _CHUNK)


def _place_tree(tree: Path, volumes: Volumes, path: str) -> None:
    for folder, _, names in os.walk(tree):
        inside = Path(folder).relative_to(tree)
        for name in names:
            volumes.place(Path(folder) / name, f"{path.rstrip('/')}/{inside / name}")
        volumes.make_directory(f"{path.rstrip('/')}/{inside}")
