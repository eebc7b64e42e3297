"""Builds an image: fetches and unpacks packages, configures and trims the tree, writes the bootable file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from golem_launcher.errors import ImageError
from golem_launcher.image import debian_install, debian_mirrors, gvmi, wheels
from golem_launcher.image.file_contents import FileContents
from golem_launcher.image.progress import BuildStep
from golem_launcher.image.squashfs import write_squashfs
from golem_launcher.image.tree import ImageTree, directory
from golem_launcher.image.trim import trim
from golem_launcher.units import data_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.image.lock import Lock

SETTINGS: Final = {
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"],
    "Volumes": {"/golem/work": {}, "/golem/input": {}, "/golem/output": {}, "/golem/run": {}},
    "WorkingDir": "/golem/work",
}
_ROOM: Final = {"base": 1 << 30}
_MORE_ROOM: Final = 12 << 30
"""Bytes of the disk that the making takes: for packages, for their contents, for the image."""


def build(lock: Lock, out: Path, downloads: Path, *, told: Callable[[BuildStep], None]) -> None:
    """Make the image that a lock describes, into a file; the same bytes on every computer.

    ``downloads`` keeps Debian's packages for the next time. ``told`` is told each step, about twice a second or more
    often; what it raises ends the work, and so does ``KeyboardInterrupt``: the caller removes ``out`` then. Blocking:
    half a minute to minutes. Raises ``ImageError`` with what to do, ``OSError`` of the disk.
    """
    _check_room(downloads.parent, _ROOM.get(lock.variant, _MORE_ROOM))
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=out.parent) as scratch:
        packages = debian_mirrors.fetch(
            lock, downloads, progress=lambda done, total: told(BuildStep("Fetching Debian's packages", done, total))
        )
        name = "Fetching Python packages"
        wheels.fetch(
            lock.python,
            Path(scratch),
            progress=lambda done, total: told(BuildStep(name, done, total, "packages")),
        )
        contents = FileContents(out.parent)
        try:
            tree = ImageTree(contents)
            files, name = [packages[package] for package in lock.debian], "Unpacking Debian's packages"
            debian_install.lay(files, tree, progress=lambda done: told(BuildStep(name, done, len(files), "packages")))
            found = sorted(Path(scratch).iterdir())
            for number, wheel in enumerate(found):
                told(BuildStep("Installing Python packages", number, len(found), "packages"))
                wheels.lay(wheel, tree)
            for path in SETTINGS["Volumes"]:
                tree.put(path.strip("/"), directory())
            trim(tree)
            with out.open("wb") as file:
                write_squashfs(
                    tree, file, when=lock.when, progress=lambda done, total: told(BuildStep("Packing", done, total))
                )
                gvmi.append(file, SETTINGS)
        finally:
            contents.close()


def _check_room(place: Path, needed: int) -> None:
    free = shutil.disk_usage(place).free
    if free < needed:
        raise ImageError(
            f"Making this image takes {data_size(needed)} of disk for a while, and {place} has {data_size(free)}.",
            "Make room, or name a ready image with --image.",
        )
