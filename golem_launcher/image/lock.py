"""The exact packages of each image variant: the lock files in ``locks/``, written by ``scripts/image-locks``."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from golem_launcher.errors import RequestError
from golem_launcher.software import SOFTWARE

LOCKS: Final = Path(__file__).with_name("locks")
_DEBIAN: Final = "debian.txt"
SIZES: Final = {"base": 86_000_000, "sklearn": 159_000_000, "tensorflow": 500_000_000, "gpu": 2_900_000_000}
"""Bytes of each variant's image, about: what can be said of one before it is made."""
_FORMAT: Final = b"3"
"""Another one when the same packages make another image: a step of the way was changed."""


@dataclass(frozen=True)
class Package:
    """One file of Debian's archives."""

    archive: str
    """``debian`` or ``debian-security``."""
    path: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """Its name without directories."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Lock:
    """What one variant is made of."""

    variant: str
    snapshot: str
    """When Debian's archives had all of it, as their snapshots are named."""
    debian: tuple[Package, ...]
    python: Path
    """Requirements with hashes, for pip."""
    digest: str
    """A short name of all of this: the same contents make the same image."""

    @property
    def when(self) -> int:
        """The time of every file in the image, in seconds since 1970: the same image wherever it is made."""
        return int(datetime.strptime(self.snapshot, "%Y%m%dT%H%M%S%z").timestamp())


@functools.cache
def variants() -> tuple[str, ...]:
    """The variants that can be made, the smallest first."""
    names = [path.stem for path in LOCKS.glob("*.txt") if path.name != _DEBIAN]
    return tuple(sorted(names, key=lambda name: (name != "base", name)))


def read(variant: str) -> Lock:
    """The lock of a variant. Raises ``RequestError`` when there is none."""
    if variant not in variants():
        remedy = f"There is: {', '.join(variants())}."
        if variant in SOFTWARE:
            remedy += f" A session with --software {variant} boots 'base', and installs it there."
        raise RequestError(f"There is no recipe for an image '{variant}'.", remedy, field="image")
    python, debian = LOCKS / f"{variant}.txt", (LOCKS / _DEBIAN).read_text()
    lines = [line.split() for line in debian.splitlines() if not line.startswith("#")]
    digest = hashlib.blake2b(_FORMAT + debian.encode() + python.read_bytes(), digest_size=8)
    return Lock(
        variant=variant,
        snapshot=f"{lines[0][1]}",
        debian=tuple(Package(archive, path, int(size), sha256) for archive, path, size, sha256 in lines[1:]),
        python=python,
        digest=digest.hexdigest(),
    )
