"""The images of a local network: described ones, the base image, and those that requestors serve."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.exeunit.image import BootableImage, described
from golem_launcher.localnet.exeunit.transfer import Address, check_digest
from golem_launcher.localnet.runtime.volumes import DEFAULT_VOLUMES
from golem_launcher.localnet.spec import BASE_IMAGE, image_hash
from golem_launcher.untrusted_text import sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from golem_launcher.localnet.exeunit.transfer import Progress, Scheme
    from golem_launcher.localnet.spec import ImageSpec

_MOST_NAMES = 1000
_MOST_REPLACED = 50
_MOST_KEPT = 10
"""Files and their unpacked directories, so half as many images."""
_UNPACK_SECONDS = 600.0
_CACHED = "Deployed image from cache"
"""What Golem's exe-unit says when there is nothing to fetch."""


@dataclass
class Images:
    """Finds the image of an agreement. What was fetched or unpacked is kept below ``cache``, by its hash."""

    specs: Mapping[str, ImageSpec]
    """The description's, by tag or hash."""
    cache: Path
    changed: Callable[[], None] = lambda: None
    """Called when ``replaced`` grew."""
    replaced: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=_MOST_REPLACED))
    """Images that are not described, by what their requestors called them: the base image stood in for each."""
    _by_hash: dict[str, ImageSpec] = field(init=False)
    _names: dict[str, str] = field(init=False)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: collections.defaultdict(asyncio.Lock))

    def __post_init__(self) -> None:
        self._by_hash = {image_hash(name): spec for name, spec in self.specs.items()}
        self._names = {image_hash(name): name for name in (*self.specs, BASE_IMAGE)}

    def prune(self) -> None:
        """Forget what was fetched or unpacked longest ago. Blocking; to be called before the network serves."""
        with contextlib.suppress(OSError):
            for left in self.cache.glob(".*-*"):
                _remove(left)
            kept = sorted(self.cache.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            for old in kept[_MOST_KEPT:]:
                _remove(old)

    def named(self, tag: str) -> str:
        """The hash of the image that somebody calls ``tag``."""
        digest = image_hash(tag)
        if digest not in self._names and len(self._names) < _MOST_NAMES:
            self._names[digest] = tag
        return digest

    def file(self, digest: str) -> Path | None:
        """The file of a described image, where it is one."""
        spec = self._by_hash.get(digest)
        return spec.path if spec is not None and spec.path.is_file() else None

    async def get(
        self,
        task_package: str,
        schemes: Mapping[str, Scheme],
        progress: Progress,
        say: Callable[[str], None],
    ) -> BootableImage:
        """The image of a demand's task package, fetched and unpacked when it was not yet.

        ``progress`` counts bytes, ``say`` takes a message instead. :class:`LauncherError` or ``OSError``.
        """
        address = Address.parse(task_package) if task_package else None
        digest = address.digest[1].hex() if address is not None and address.digest is not None else ""
        spec = self._by_hash.get(digest)
        if spec is not None:
            image = (
                await self._unpacked(digest, spec.path)
                if spec.path.is_file()
                else BootableImage(spec.path, workdir="/")
            )
            say(_CACHED)
            return spec.applied_to(image)
        if address is not None and address.digest is not None and address.scheme == "gftp":
            fetch = functools.partial(schemes[address.scheme].download, address.url)
            return await self._fetched(address.digest, fetch, progress, say=say)
        say(_CACHED)
        name = self._names.get(digest, digest or task_package[:80])
        if name == BASE_IMAGE or not name:
            return BootableImage()
        self.replaced.append(name)
        self.changed()
        return BootableImage(
            volumes=(*DEFAULT_VOLUMES, "/golem/resource"),
            note=f"The image {name} is not described in this local network: {BASE_IMAGE} stands in for it.",
        )

    async def _fetched(
        self,
        wanted: tuple[str, bytes],
        fetch: Callable[[Path, Progress], Awaitable[None]],
        progress: Progress,
        *,
        say: Callable[[str], None],
    ) -> BootableImage:
        """An image that its requestor serves itself; its hash, ``wanted``, is compared once it is whole."""
        digest = wanted[1].hex()
        file = self.cache / f"{digest}.gvmi"
        async with self._locks[digest]:
            if file.exists():
                say(_CACHED)
            else:
                self.cache.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self.cache) as staging:
                    staged = file.__class__(staging) / "image"
                    await fetch(staged, progress)
                    await asyncio.to_thread(check_digest, staged, *wanted)
                    staged.rename(file)
        return await self._unpacked(digest, file)

    async def _unpacked(self, digest: str, file: Path) -> BootableImage:
        root = self.cache / digest
        async with self._locks[f"{digest} unpacked"]:
            if not root.is_dir():
                await asyncio.to_thread(unpack, file, root)
        return await asyncio.to_thread(described, root, file)


def unpack(file: Path, root: Path) -> None:
    """Unpack a ``.gvmi`` file into the new directory ``root``. Blocking. :class:`LocalNetError` or ``OSError``."""
    root.parent.mkdir(parents=True, exist_ok=True)
    staging = tempfile.mkdtemp(prefix=".unpack-", dir=root.parent)
    argv = ["unsquashfs", "-no-progress", "-no-xattrs", "-dest", f"{staging}/root", str(file)]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_UNPACK_SECONDS, check=False)
        # Who is not root can make no devices, and has no need of them.
        if done.returncode and not (done.returncode == 2 and os.path.isdir(f"{staging}/root")):  # noqa: PLR2004, PTH112
            raise LocalNetError(
                sentence(f"The image can't be unpacked: {done.stderr.decode(errors='replace').strip()[-300:]}")
            )
        os.rename(f"{staging}/root", root)  # noqa: PTH104
    except FileNotFoundError:
        raise LocalNetError(
            "This provider can't unpack images: it has no unsquashfs.", "Install squashfs-tools on this machine."
        ) from None
    except subprocess.TimeoutExpired:
        raise LocalNetError("The image took too long to unpack.") from None
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(staging)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for folder, names, _ in os.walk(path):  # an image may have closed directories
            for name in names:
                with contextlib.suppress(OSError):
                    inside = os.path.join(folder, name)  # noqa: PTH118
                    if not os.path.islink(inside):  # noqa: PTH114
                        os.chmod(inside, 0o700)  # noqa: PTH101
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
