"""What one saved state of a workspace is: its manifest as it is written down, and the checks that a hostile one fails.

Canonical JSON. The paths come from a provider: nothing here trusts them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from golem_launcher.errors import WorkspaceError

FORMAT = 1
MOST_ENTRIES = 200_000
LARGEST_MANIFEST = 256 * 1024 * 1024
LONGEST_PATH = 1000
LONGEST_PART = 255
DEEPEST = 64
LARGEST_CHUNK = 4 * 1024 * 1024
"""Of plain bytes; agents cut at 1 MiB."""
_ID = re.compile(r"[0-9a-f]{64}")

Kind = Literal["file", "directory", "link"]


def chunk_id(plain: bytes | memoryview) -> str:
    """What names a chunk: the hex BLAKE2b-256 of its plain bytes."""
    return hashlib.blake2b(plain, digest_size=32).hexdigest()


@dataclass(frozen=True)
class Entry:
    """A file, directory or symbolic link of a workspace."""

    path: str
    """Relative to the workspace, with ``/``."""
    kind: Kind
    mode: int = 0o644
    """Permission bits only."""
    mtime_ns: int = 0
    size: int = 0
    chunks: tuple[str, ...] = ()
    target: str = ""
    """What a link points to, relative."""


@dataclass(frozen=True)
class Environment:
    """The packages of a session: lines of requirements files."""

    requirements: tuple[str, ...] = ()
    """What the user installed."""
    full: tuple[str, ...] = ()
    """Everything, pinned."""


@dataclass(frozen=True)
class Manifest:
    """One generation, whole."""

    workspace: str
    generation: int
    parent: int | None
    created_at: datetime
    entries: tuple[Entry, ...]
    environment: Environment = field(default_factory=Environment)
    flags: tuple[str, ...] = ()
    """What was odd about it, a sentence each."""

    @property
    def chunk_ids(self) -> set[str]:
        """Every chunk that its files are made of."""
        return {identifier for entry in self.entries for identifier in entry.chunks}

    @property
    def files(self) -> int:
        """How many files it has."""
        return sum(entry.kind == "file" for entry in self.entries)

    @property
    def size(self) -> int:
        """The size of all files together."""
        return sum(entry.size for entry in self.entries)

    def dump(self) -> bytes:
        """Its canonical JSON."""
        value = {
            **vars(self),
            "entries": [vars(entry) for entry in self.entries],
            "environment": vars(self.environment),
            "created_at": self.created_at.isoformat(),
            "format": FORMAT,
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse(data: bytes) -> Manifest:
    """A manifest from its JSON. Raises ``WorkspaceError``."""
    try:
        value = json.loads(data)
        if value["format"] != FORMAT:
            raise WorkspaceError("The saved state was written by another version of Golem Launcher.", "Update it.")
        return Manifest(
            workspace=str(value["workspace"]),
            generation=int(value["generation"]),
            parent=None if value["parent"] is None else int(value["parent"]),
            created_at=datetime.fromisoformat(value["created_at"]),
            entries=checked([_entry(entry) for entry in value["entries"]]),
            environment=Environment(
                tuple(map(str, value["environment"]["requirements"])), tuple(map(str, value["environment"]["full"]))
            ),
            flags=tuple(map(str, value["flags"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WorkspaceError(f"A saved state can't be read ({type(error).__name__}).") from None


def _entry(value: dict[str, Any]) -> Entry:
    return Entry(
        path=value["path"],
        kind=value["kind"],
        mode=value["mode"],
        mtime_ns=value["mtime_ns"],
        size=value["size"],
        chunks=tuple(value["chunks"]),
        target=value["target"],
    )


def checked(entries: list[Entry]) -> tuple[Entry, ...]:
    """The entries in the order of their paths, when they make a tree that can be written anywhere without harm.

    Raises ``WorkspaceError`` that names the first path at fault: one that leaves the workspace, that another entry
    takes already, or that lies below something that is no directory. Names that differ in case alone are two.
    """
    if len(entries) > MOST_ENTRIES:
        raise WorkspaceError(f"A workspace may have {MOST_ENTRIES:,} files; this one has {len(entries):,}.")
    seen: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.path.split("/") if isinstance(entry.path, str) else []):
        _check_fields(entry)
        _check_path(entry.path)
        if entry.path in seen:
            raise WorkspaceError(f"Two files of the workspace have one name: {shown(entry.path)}.")
        seen[entry.path] = entry
    for path, entry in seen.items():
        parent = path.rpartition("/")[0]
        while parent:
            above = seen.get(parent)
            if above is not None and above.kind != "directory":
                raise WorkspaceError(f"{shown(entry.path)} lies below something that is no directory.")
            parent = parent.rpartition("/")[0]
    return tuple(seen.values())


def shown(path: object) -> str:
    """A path as it may be shown: short, and every odd character visible."""
    text = str(path)
    return ascii(text[:120])[1:-1] + ("…" if len(text) > 120 else "")  # noqa: PLR2004


def _check_path(path: str) -> None:
    parts = path.split("/")
    wrong = (
        any("\ud800" <= letter <= "\udfff" for letter in path)  # bytes that are no text on other computers
        or len(path) > LONGEST_PATH
        or len(parts) > DEEPEST
        or "\0" in path
        or "\\" in path
        or any(part in {"", ".", ".."} or len(part.encode()) > LONGEST_PART for part in parts)
    )
    if wrong:
        raise WorkspaceError(f"The provider names a file in a way that is not allowed: {shown(path)}.")


def _check_fields(entry: Entry) -> None:
    numbers = (entry.mode, entry.mtime_ns, entry.size)
    right = (
        isinstance(entry.path, str)
        and entry.kind in {"file", "directory", "link"}
        and all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
        and 0 <= entry.mode <= 0o777  # noqa: PLR2004 - no setuid, no setgid
        and 0 <= entry.size <= len(entry.chunks) * LARGEST_CHUNK
        and abs(entry.mtime_ns) < 1 << 63
        and all(isinstance(chunk, str) and _ID.fullmatch(chunk) for chunk in entry.chunks)
        and (entry.kind == "file" or not entry.chunks)
        and isinstance(entry.target, str)
        and (entry.kind == "link") == bool(entry.target)
    )
    if not right:
        raise WorkspaceError(f"The provider describes a file in a way that makes no sense: {shown(entry.path)}.")
    if entry.kind == "link" and not _stays_inside(entry.path, entry.target):
        raise WorkspaceError(f"A link of the workspace leads out of it: {shown(entry.path)}.")


def _stays_inside(path: str, target: str) -> bool:
    """Whether a link at ``path`` can only lead to something in the workspace, by its letters."""
    if target.startswith("/") or "\0" in target or "\\" in target or len(target) > LONGEST_PATH:
        return False
    depth = path.count("/")
    for part in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return False
    return True
