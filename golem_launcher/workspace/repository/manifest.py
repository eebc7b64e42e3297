"""What one saved state of a workspace is: its manifest as it is written down, and the checks that a hostile one fails.

Canonical JSON. The paths come from a provider: nothing here trusts them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from golem_launcher.agent.workspace.portable_names import escape, unescape
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import symlinks
from golem_launcher.workspace.repository.sealing import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMAT = 1
MOST_ENTRIES = 200_000
LARGEST_MANIFEST = 256 * 1024 * 1024
LONGEST_PATH = 4096
LONGEST_PART = 255
"""Bytes of the name as it is."""
DEEPEST = 128
LARGEST_FILE = 1 << 60
MOST_LEFT_OUT = 20_000
LARGEST_CHUNK = 4 * 1024 * 1024
"""Of plain bytes; agents cut at 1 MiB."""
_ID = re.compile(r"[0-9a-f]{64}")
_IN_A_PIECE = 500

Kind = Literal["file", "directory", "link"]


def chunk_id(plain: bytes | memoryview) -> str:
    """What names a chunk: the hex BLAKE2b-256 of its plain bytes."""
    return chunk_digest(plain).hexdigest()


def chunk_digest(begin: bytes | memoryview = b"") -> hashlib.blake2b:
    """The same for what comes in pieces."""
    return hashlib.blake2b(begin, digest_size=32)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory or symbolic link of a workspace."""

    path: str
    """Relative to the workspace, with ``/``; escaped, as in :mod:`golem_launcher.agent.workspace.portable_names`."""
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
        """Bytes that take disk: without the holes."""
        return self.size - sum(length for _, length in self.holes)


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
    left_out: tuple[tuple[str, str], ...] = ()
    """Path and reason of what was there and is not in it, or not as it was then."""

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
        """What all files together take on a disk."""
        return sum(entry.data for entry in self.entries)

    def dump(self) -> Iterator[bytes]:
        """Its canonical JSON, in pieces: of a large workspace it is larger than all that is known of it."""
        value = vars(self) | {
            "environment": vars(self.environment), "created_at": self.created_at.isoformat(), "format": FORMAT
        }  # fmt: skip
        for number, key in enumerate(sorted(value)):
            yield f"{',' if number else '{'}{_json(key)}:".encode()
            if key == "entries":
                yield from _entries_dumped(self.entries)
            else:
                yield _json(value[key]).encode()
        yield b"}"


_NAMES = tuple(each.name for each in fields(Entry))


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
            entries=_placed([_entry(entry) for entry in value["entries"]]),
            environment=Environment(
                tuple(map(str, value["environment"]["requirements"])), tuple(map(str, value["environment"]["full"]))
            ),
            flags=tuple(map(str, value["flags"])),
            left_out=tuple((str(path), str(why)) for path, why in value.get("left_out", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"A saved state can't be read ({type(error).__name__}).") from None


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _entries_dumped(entries: Sequence[Entry]) -> Iterator[bytes]:
    yield b"["
    for at in range(0, len(entries), _IN_A_PIECE):
        some = ",".join(_json(_dumped(entry)) for entry in entries[at : at + _IN_A_PIECE])
        yield f"{',' if at else ''}{some}".encode()
    yield b"]"


def _dumped(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _NAMES if name != "holes" or entry.holes}  # nearly none has any


def _entry(value: dict[str, Any]) -> Entry:
    return Entry(
        path=value["path"],
        kind=value["kind"],
        mode=value["mode"],
        mtime_ns=value["mtime_ns"],
        size=value["size"],
        chunks=tuple(value["chunks"]),
        target=value["target"],
        holes=tuple((at, length) for at, length in value.get("holes", ())),
    )


def checked(entries: list[Entry]) -> tuple[Entry, ...]:
    """The entries in the order of their paths, when they make a tree that can be written anywhere without harm.

    Raises ``WorkspaceError`` that names the first path at fault: one that leaves the workspace, that another entry
    takes already, or that lies below something that is no directory; or a link that leads out. Names that differ in
    case alone are two.
    """
    placed = _placed(entries)
    for path, reason in symlinks.leading_out((entry.path, entry.target) for entry in placed if entry.target).items():
        raise WorkspaceError(f"{shown(path)} can't be saved: {reason}.")
    return placed


def _placed(entries: list[Entry]) -> tuple[Entry, ...]:
    if len(entries) > MOST_ENTRIES:
        raise WorkspaceError(f"A workspace may have {MOST_ENTRIES:,} files; this one has {len(entries):,}.")
    seen: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: by_parts(entry.path) if isinstance(entry.path, str) else ""):
        if reason := fault(entry):
            raise WorkspaceError(f"{shown(entry.path)} can't be saved: {reason}.")
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


def by_parts(path: str) -> str:
    """What sorts paths so that what lies in a directory comes right after it."""
    return path.replace("/", "\0")


def shown(path: object) -> str:
    """A path as it may be shown: short, and every odd character visible."""
    text = str(path)
    return ascii(text[:120])[1:-1] + ("…" if len(text) > 120 else "")  # noqa: PLR2004


def fault(entry: Entry) -> str:
    """Why an entry, looked at by itself, can't be saved, as it is said to a person; empty when it can."""
    numbers = (entry.mode, entry.mtime_ns, entry.size)
    right = (
        isinstance(entry.path, str)
        and entry.kind in {"file", "directory", "link"}
        and all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
        and 0 <= entry.mode <= 0o777  # noqa: PLR2004 - no setuid, no setgid
        and abs(entry.mtime_ns) < 1 << 63
        and all(isinstance(chunk, str) and _ID.fullmatch(chunk) for chunk in entry.chunks)
        and _holes_fit(entry)
        and 0 <= entry.data <= len(entry.chunks) * LARGEST_CHUNK
        and (entry.kind == "file" or not (entry.chunks or entry.size))
        and isinstance(entry.target, str)
        and (entry.kind == "link") == bool(entry.target)
    )
    if not right:
        return "its description makes no sense"
    if entry.target and (len(entry.target) > LONGEST_PATH or not _is_canonical(entry.target)):
        return "what it leads to has no proper name"
    return _fault_of_path(entry.path)


def _fault_of_path(path: str) -> str:
    parts = path.split("/")
    if not _is_canonical(path) or any(part in {"", ".", ".."} for part in parts):
        return "its name is not allowed"
    if len(path) > LONGEST_PATH or any(len(part) > LONGEST_PART // 4 and _bytes(part) > LONGEST_PART for part in parts):
        return "its path is too long"
    return "it lies too deep" if len(parts) > DEEPEST else ""


def _is_canonical(text: str) -> bool:
    """Whether it is text that means one name, and is written in the one way."""
    lone = any("\ud800" <= letter <= "\udfff" for letter in text)
    return not lone and "\0" not in text and escape(unescape(text)) == text


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
