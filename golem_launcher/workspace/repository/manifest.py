"""What one saved state of a workspace is, and its manifest as it is written down.

A line of canonical JSON with all that is not the list of its files, then a line for each of these: of a large workspace
it is fifty megabytes, which nobody holds at once, and most of which lies elsewhere (:mod:`.lists`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry, fault, shown
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT = 3
MOST_LEFT_OUT = 20_000
_PIECE = 128 * 1024
_IN_A_PIECE = 500


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
    entries: Entries
    environment: Environment = field(default_factory=Environment)
    flags: tuple[str, ...] = ()
    """What was odd about it, a sentence each."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Path and reason of what was there and is not in it, or not as it was then."""

    @property
    def files(self) -> int:
        """How many files it has."""
        return self.entries.files

    @property
    def size(self) -> int:
        """What all files together take on a disk."""
        return self.entries.size

    def first_line(self, lists: Iterable[bytes] = ()) -> bytes:
        """All but its files. ``lists``: the names of those that have lines of its files."""
        value = vars(self) | {
            "environment": vars(self.environment),
            "created_at": self.created_at.isoformat(),
            "format": FORMAT,
            "lists": [name.hex() for name in lists],
        }
        del value["entries"]
        return _line(value)

    def lines(self) -> Iterator[bytes]:
        """The lines of its files, in pieces; none ends within the id of a chunk."""
        piece = bytearray()
        for each in self.entries.records:
            for part in _dumped(each):
                piece += part
                if len(piece) >= _PIECE:
                    yield bytes(piece)
                    piece.clear()
        yield bytes(piece)


_NAMES = tuple(each.name for each in fields(Entry))
_WRITTEN_ID = 2 * ID_BYTES + 3
_CHUNKS = b'{"chunks":['
"""What the line of an entry begins with."""


def parse(pieces: Iterable[bytes]) -> Manifest:
    """A manifest from pieces of its lines, those of its lists among them. Raises ``WorkspaceError``."""
    lines = _lines(pieces)
    try:
        value = json.loads(next(lines, b""))
        if value["format"] != FORMAT:
            raise WorkspaceError("The saved state was written by another version of Golem Launcher.", "Update it.")
        return Manifest(
            workspace=str(value["workspace"]),
            generation=int(value["generation"]),
            parent=None if value["parent"] is None else int(value["parent"]),
            created_at=datetime.fromisoformat(value["created_at"]),
            entries=Entries.of_records(map(_record, lines)),
            environment=Environment(
                tuple(map(str, value["environment"]["requirements"])), tuple(map(str, value["environment"]["full"]))
            ),
            flags=tuple(map(str, value["flags"])),
            left_out=tuple((str(path), str(why)) for path, why in value["left_out"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedObject(f"A saved state can't be read ({type(error).__name__}).") from None


def _lines(pieces: Iterable[bytes]) -> Iterator[bytearray]:
    rest = bytearray()
    for piece in pieces:
        end, *more = piece.split(b"\n")
        rest += end  # in place: a line may be very long
        for each in more:
            yield rest
            rest = bytearray(each)
    if rest:
        yield rest


def _line(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _dumped(each: bytes) -> Iterator[bytes]:
    """The line of a record, in pieces."""
    entry = entry_record.without_chunks(each)
    value = {name: getattr(entry, name) for name in _NAMES if name != "holes" or entry.holes}  # nearly none has any
    yield _CHUNKS
    comma, ids = b"", entry_record.chunk_ids(each)
    while some := b'","'.join(chunk.hex().encode() for chunk in islice(ids, _IN_A_PIECE)):
        yield comma + b'"' + some + b'"'
        comma = b","
    yield _line(value)[len(_CHUNKS) :]


def _record(line: bytearray) -> bytes:
    """The record of an entry's line."""
    end, ids = line.index(b"]"), bytearray()
    if not line.startswith(_CHUNKS):
        raise ValueError("an entry that does not begin with its chunks")
    for at in range(len(_CHUNKS), end, _IN_A_PIECE * _WRITTEN_ID):
        some = line[at : min(at + _IN_A_PIECE * _WRITTEN_ID, end)]
        ids += bytes.fromhex(some.translate(None, b'",').decode())
    entry = _entry(json.loads(_CHUNKS + line[end:]))
    if len(ids) % ID_BYTES:
        raise ValueError("not a chunk's id")
    if reason := fault(entry, len(ids) // ID_BYTES):
        raise WorkspaceError(f"{shown(entry.path)} can't be saved: {reason}.")
    return entry_record.pack(entry, ids)


def _entry(value: dict[str, Any]) -> Entry:
    return Entry(
        path=value["path"],
        kind=value["kind"],
        mode=value["mode"],
        mtime_ns=value["mtime_ns"],
        size=value["size"],
        target=value["target"],
        holes=tuple((at, length) for at, length in value.get("holes", ())),
    )
