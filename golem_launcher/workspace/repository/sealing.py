"""Objects of a store, as they lie there: plain, or encrypted with a key that never leaves the user's computer.

AES-256-GCM with a random nonce; the object's name is authenticated with it, so that no object can stand in for another.
Whether an object is encrypted is its first byte: a store may hold both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PLAIN, _ENCRYPTED = b"\0", b"\1"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_LOCK_SECONDS = 10.0


class DamagedObject(WorkspaceError):  # noqa: N818
    """An object is not what was written, or can't be read for want of its key: a flipped bit may look like that."""


@dataclass(frozen=True)
class Sealing:
    """Seals what is written when ``encrypt``, opens what is read."""

    encrypt: bool = False
    key: bytes | None = field(default=None, repr=False)

    def seal(self, name: str, data: bytes) -> bytes:
        """The object as it is to lie in the store: encrypted, and bound to its ``name``, when ``encrypt`` is set."""
        if not self.encrypt:
            return _PLAIN + data
        nonce = os.urandom(_NONCE_BYTES)
        return _ENCRYPTED + nonce + self._cipher().encrypt(nonce, data, name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """The object's content. Raises ``DamagedObject`` when the key is missing or wrong, or it was changed."""
        mark, rest = sealed[:1], sealed[1:]
        if mark == _PLAIN:
            return rest
        if mark != _ENCRYPTED:
            raise DamagedObject("A part of the store is damaged.")
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - most stores need none of it

        try:
            return self._cipher().decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise DamagedObject(
                "A save can't be decrypted: the key is another one, or the save was changed.",
                f"The key it was made with belongs in {key_file()}.",
            ) from None

    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        if self.key is None:
            raise DamagedObject(
                f"The saves are encrypted and their key is not in {key_file()}.",
                "Put the key file back there; without it nobody can read them.",
            )
        return AESGCM(self.key)


def key_file() -> Path:
    """Where this computer keeps the key of its saves; whoever restores elsewhere brings it along."""
    return paths.home() / "keys" / "workspaces.key"


def sealing(*, encrypt: bool) -> Sealing:
    """Sealing with this computer's key; one is made when there is none and it is to ``encrypt``. Blocking."""
    directory = paths.private_directory(paths.home() / "keys")
    path = directory / "workspaces.key"
    with files.locked(directory / ".lock", deadline=_LOCK_SECONDS):
        if encrypt and not path.exists():
            files.write_atomic(path, os.urandom(_KEY_BYTES))
    key = path.read_bytes() if path.exists() else None
    if key is not None and len(key) != _KEY_BYTES:
        raise WorkspaceError(f"The key in {path} is damaged.", "Put back a copy of it.")
    return Sealing(encrypt, key)
