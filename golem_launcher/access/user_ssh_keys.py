"""Which of the user's private keys a session lets in: by the public halves that lie beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LARGEST = 16_384


@dataclass(frozen=True)
class Found:
    """A key that fits, and whether ssh tries it by itself."""

    path: Path
    usual: bool


_USUAL = frozenset({"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"})
"""What ssh tries without being told (ssh(1), -i)."""


def find(public: str, directory: Path | None = None) -> Found | None:
    """The private key of ``public`` (type, key, comment) in ``~/.ssh``; ``None`` when none there is it. Blocking."""
    place = directory if directory is not None else Path.home() / ".ssh"
    try:
        files = sorted(place.glob("*.pub"))
    except OSError:
        return None
    for file in files:
        private = file.with_suffix("")
        if _same(public, file) and private.is_file():
            return Found(private, usual=private.name in _USUAL)
    return None


def is_other(public: str, private: Path) -> bool:
    """Whether a private key's public half lies beside it, and is another than ``public``."""
    beside = private.with_name(f"{private.name}.pub")
    return beside.is_file() and not _same(public, beside)


def short(public: str) -> str:
    """A key as people tell it from others: its type, its last letters, its comment."""
    kind, key, *comment = public.split(None, 2)
    return " ".join([kind, f"…{key[-8:]}", *comment])


def _same(public: str, file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            words = opened.read(_LARGEST).decode(errors="replace").split()
    except OSError:
        return False
    return words[:2] == public.split()[:2]
