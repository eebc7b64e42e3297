"""A file, directory or link of a workspace, and the checks that a hostile one fails.

The paths come from a provider: nothing here trusts them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from golem_launcher.agent.workspace.name_escaping import escape, unescape

LONGEST_PATH = 4096
LONGEST_PART = 255
"""Bytes of the name as it is."""
DEEPEST = 128
LARGEST_FILE = 1 << 60
LARGEST_CHUNK = 4 * 1024 * 1024
"""Of plain bytes; agents cut at 1 MiB."""
NO_SENSE = "its description makes no sense"
_LONE = re.compile("[\ud800-\udfff]")
_ID = re.compile(r"[0-9a-f]{64}")

Kind = Literal["file", "directory", "link"]


def chunk_id(plain: bytes | memoryview) -> str:
    """What names a chunk: the hex SHA-256 of its plain bytes."""
    return chunk_digest(plain).hexdigest()


def chunk_digest(begin: bytes | memoryview = b"") -> hashlib._Hash:
    """A hash that makes the same id of content that comes in pieces."""
    return hashlib.sha256(begin)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory or symbolic link of a workspace."""

    path: str
    """Relative to the workspace, with ``/``; escaped, as in :mod:`golem_launcher.agent.workspace.name_escaping`."""
    kind: Kind
    mode: int = 0o644
    """Permission bits only."""
    mtime_ns: int = 0
    size: int = 0
    chunks: tuple[str, ...] = ()
    target: str = ""
    """What a link points to, relative; escaped."""
    holes: tuple[tuple[int, int], ...] = ()
    """Offset and length of what nobody ever wrote to: zeros that take no disk. The chunks lie between them."""

    @property
    def data(self) -> int:
        """The bytes that it takes on a disk, without its holes."""
        return self.size - sum(length for _, length in self.holes)


def shown(path: object) -> str:
    """A path as it may be shown: short, and every odd character visible."""
    text = str(path)
    return ascii(text[:120])[1:-1] + ("…" if len(text) > 120 else "")  # noqa: PLR2004


def fault(entry: Entry, chunks: int | None = None) -> str:
    """Why an entry, looked at by itself, can't be saved, as it is said to a person; empty when it can.

    ``chunks``: how many it has, where they are not in it.
    """
    many = len(entry.chunks) if chunks is None else chunks
    numbers = (entry.mode, entry.mtime_ns, entry.size)
    right = (
        isinstance(entry.path, str)
        and entry.kind in {"file", "directory", "link"}
        and all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
        and 0 <= entry.mode <= 0o777  # noqa: PLR2004 - no setuid, no setgid
        and abs(entry.mtime_ns) < 1 << 63
        and all(isinstance(chunk, str) and _ID.fullmatch(chunk) for chunk in entry.chunks)
        and _holes_fit(entry)
        and 0 <= entry.data <= many * LARGEST_CHUNK
        and (entry.kind == "file" or not (many or entry.size))
        and isinstance(entry.target, str)
        and (entry.kind == "link") == bool(entry.target)
    )
    if not right:
        return NO_SENSE
    return fault_of_target(entry.target) or fault_of_path(entry.path)


def fault_of_target(target: str) -> str:
    """Why no link can lead there, wherever that is; empty when it can."""
    return "" if len(target) <= LONGEST_PATH and _is_canonical(target) else "what it leads to has no proper name"


def fault_of_path(path: str) -> str:
    """Why nothing at this path can be saved; empty when it can."""
    parts = path.split("/")
    if not _is_canonical(path) or any(part in {"", ".", ".."} for part in parts):
        return "its name is not allowed"
    if len(path) > LONGEST_PATH or any(len(part) > LONGEST_PART // 4 and _bytes(part) > LONGEST_PART for part in parts):
        return "its path is too long"
    return "it lies too deep" if len(parts) > DEEPEST else ""


def _is_canonical(text: str) -> bool:
    """Whether it is text that means one name, and is written in the one way.

    The bytes of ``é``, escaped one by one, would be a second way to write the name that systems give as ``é``.
    """
    if _LONE.search(text) or "\0" in text:
        return False
    return escape(unescape(text).encode(errors="surrogateescape").decode(errors="surrogateescape")) == text


def _bytes(part: str) -> int:
    return len(unescape(part).encode(errors="surrogateescape"))


def _holes_fit(entry: Entry) -> bool:
    """Whether the holes lie in the file, in order and apart."""
    reached = 0
    for at, length in entry.holes:
        if not (isinstance(at, int) and isinstance(length, int) and at >= reached and length > 0):
            return False
        reached = at + length
    return reached <= min(entry.size, LARGEST_FILE) and (not entry.holes or entry.kind == "file")
