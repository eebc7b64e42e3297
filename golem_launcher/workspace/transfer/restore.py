"""Restores a generation, the user's files and packages into a session before its workload starts.

What could not be put there is told, not raised: the workload starts all the same. Only a provider that is lost, or a
store that can't be read, raises.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import os
import stat
from array import array
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from golem_launcher.agent.workspace import wire
from golem_launcher.agent.workspace.chunker import chunk_id, cut_open
from golem_launcher.agent.workspace.portable_names import escape
from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.text import clean_line, sentence
from golem_launcher.units import counted
from golem_launcher.waiting import wait_for
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES, ChunkIds
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry, shown
from golem_launcher.workspace.repository.entry_records import beside
from golem_launcher.workspace.repository.environment import installable
from golem_launcher.workspace.repository.sealing import DamagedObject
from golem_launcher.workspace.repository.spool import Spool
from golem_launcher.workspace.transfer.progress import PipSteps, untold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from golem_launcher.workspace.repository.manifest import Manifest
    from golem_launcher.workspace.repository.store import Store
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace, BulkTransfer
    from golem_launcher.workspace.transfer.progress import ReportProgress

_PART_BYTES = 4 * 1024 * 1024
_LEAST_PART_BYTES = 256 * 1024
_PART_SECONDS = 4.0
_PIECE = 32 * 1024
_FILE_BYTES = 64 * 1024 * 1024
_ATTEMPTS = 3
_RETRY_SECONDS = 1.0
_INSTALL_SECONDS = 900.0
_MOST_NOTICES = 20
_BRINGING, _INSTALLING = "Bringing your files", "Installing packages"


class ChunkSource(Protocol):
    """Where chunks come from. Blocking."""

    def get_chunk(self, identifier: str) -> bytes:
        """The bytes of a chunk. ``WorkspaceError``; ``DamagedObject`` when it is lost, and others need not be."""


async def restore_into(
    agent: AgentWorkspace,
    store: Store,
    manifest: Manifest,
    progress: ReportProgress = untold,
    *,
    install_seconds: float = _INSTALL_SECONDS,
) -> list[str]:
    """Put the generation of a manifest back, then its packages; what could not be, a sentence each.

    ``progress`` is told how far it is. Raises ``WorkspaceError`` when the store can't be read,
    ``ProviderError`` when the provider is lost.
    """
    entries, out = await asyncio.to_thread(_without_links_out, manifest.entries)
    notices = [f"{shown(path)} was not put back: {reason}." for path, reason in out.items()]
    notices += await send(agent, entries, store, progress)
    good, refused = installable(manifest.environment.requirements)
    notices += [f"The package {_name(line)} was not installed again: it is from no package index." for line in refused]
    return notices + await install(agent, good, progress, seconds=install_seconds)


@dataclass(frozen=True)
class Difference:
    """Between what a workspace has and what it is to have."""

    has: Entries
    before: Manifest | None
    """The generation that it was made to have last."""
    after: Manifest


async def mirror(
    agent: AgentWorkspace, store: Store, difference: Difference, progress: ReportProgress = untold
) -> list[str]:
    """Make a workspace one that has the files of a generation and no others, and its packages.

    Only what differs is sent. Raises as :func:`restore_into` does; what could not be done is told likewise.
    """
    changed, gone = await asyncio.to_thread(_to_send, difference)
    known = difference.before.environment.requirements if difference.before is not None else ()
    good, _ = installable(tuple(line for line in difference.after.environment.requirements if line not in known))
    return await send(agent, changed, store, progress, gone) + await install(agent, good, progress)


async def put_files(
    agent: AgentWorkspace, sources: Sequence[tuple[Path, str]], progress: ReportProgress = untold
) -> list[str]:
    """Put files and directories of the user's into the workspace, each at its relative path; what could not be.

    Links and special files are left out. Raises ``WorkspaceError`` when a file can't be read.
    """
    local = await asyncio.to_thread(LocalFiles, sources)
    return [*local.notices, *await send(agent, local.entries, local, progress)]


async def install(
    agent: AgentWorkspace,
    requirements: Sequence[str],
    progress: ReportProgress = untold,
    *,
    seconds: float = _INSTALL_SECONDS,
) -> list[str]:
    """Install packages by the session's own pip; which ones could not be, a sentence each."""
    if not requirements:
        return []
    steps = PipSteps()
    progress(_INSTALLING, 0, 0, "packages", f"looking for {counted(len(requirements), 'package')}")

    def line(text: str) -> None:
        if steps.read(text):
            progress(_INSTALLING, steps.fetched, 0, "packages", steps.detail)

    try:
        failed = await agent.install(requirements, seconds, line)
    finally:
        progress(_INSTALLING, 1, 1, "packages")
    return [sentence(f"The package {name} could not be installed: {reason}") for name, reason in failed][:_MOST_NOTICES]


async def send(
    agent: AgentWorkspace,
    entries: Sequence[Entry],
    chunks: ChunkSource,
    progress: ReportProgress = untold,
    gone: Sequence[str] = (),
) -> list[str]:
    """Write entries into the workspace, in which those paths are removed first that are ``gone``; what could not be.

    Goes on where a connection broke, to the provider or to the store. A chunk that is lost costs its files alone.
    """
    order = await asyncio.to_thread(_Order, entries)
    total = order.bytes
    await agent.begin(_lines(entries, gone))
    lost: list[str] = []
    done = failures = sent = 0
    while done < len(order):
        part = _Part(chunks, order, done, lost)
        try:
            bulk = agent.bulk
            if bulk is not None and agent.throughput.prefers_bulk(total - sent):
                done = await _by_file(agent, bulk, part)
            else:
                patience = agent.throughput.patience(total - sent) if bulk is not None else None
                done = await _by_tunnel(agent, part, patience)
        except (ProviderError, WorkspaceError):
            failures += 1
            if failures == _ATTEMPTS:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
            done = await agent.put(b"")
            continue
        failures = 0
        sent = min(sent + part.plain_until(done), total)
        progress(_BRINGING, sent, total, "bytes")
    problems = await agent.finish()
    said = [f"{shown(path)} could not be written: {reason}." for path, reason in problems]
    return [*dict.fromkeys(lost), *said][:_MOST_NOTICES]


async def _by_tunnel(agent: AgentWorkspace, part: _Part, patience: float | None) -> int:
    """How many chunks have arrived; those that did within ``patience``, where there is another way."""
    most = int(max(_LEAST_PART_BYTES, min(_PART_BYTES, agent.throughput.bytes_by_tunnel(_PART_SECONDS))))
    frames = await asyncio.to_thread(part.together, most)
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        done = await (agent.put(frames) if patience is None else wait_for(agent.put(frames), patience))
    except TimeoutError:
        seconds = clock() - began
        done = await agent.put(b"")
        agent.throughput.tunnel_took(part.plain_until(done), seconds)
    else:
        agent.throughput.tunnel_took(len(frames), clock() - began)
    return done


async def _by_file(agent: AgentWorkspace, bulk: BulkTransfer, part: _Part) -> int:
    path = await agent.scratch_file()

    def write() -> None:
        with path.open("wb") as file:
            file.writelines(part.frames(_FILE_BYTES))

    try:
        await asyncio.to_thread(write)
        began = asyncio.get_running_loop().time()
        done = await agent.put_file(path, bulk)
        agent.throughput.bulk_took(part.plain, asyncio.get_running_loop().time() - began)
        return done
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


def _without_links_out(entries: Entries) -> tuple[Entries, dict[str, str]]:
    """The entries but for links that may lead out of them; these, and why. Blocking."""
    out = {entry_record.path(each): why for each, why in entries.judged() if why}
    return (Entries(each for each, why in entries.judged() if not why) if out else entries), out


def _to_send(difference: Difference) -> tuple[Entries, list[str]]:
    """The entries to be sent, and the paths of what has to go first. Blocking.

    What it has is compared by its content: not every machine keeps dates and modes as they were. Those are sent where
    they are others than before.
    """
    has, after = difference.has, difference.after.entries
    before = difference.before.entries if difference.before is not None else Entries()
    gone = [
        entry_record.path(old)
        for old, new in beside(has.records, after.records)
        if old is not None and (new is None or entry_record.unpack(old).kind != entry_record.unpack(new).kind)
    ]
    pairs = beside(before.records, after.records)
    other = {entry_record.key(new) for old, new in pairs if old is not None and new is not None and old != new}
    wanted = (
        new
        for old, new in beside(has.records, after.records)
        if new is not None
        and (old is None or entry_record.content(old) != entry_record.content(new) or entry_record.key(new) in other)
    )
    return Entries(wanted), gone


def _lines(entries: Sequence[Entry], gone: Sequence[str] = ()) -> Iterator[bytes]:
    letters = {"file": "f", "directory": "d", "link": "l"}

    def line(entry: Entry) -> list[object]:
        file = [entry.size, list(entry.chunks), *([[list(hole) for hole in entry.holes]] if entry.holes else [])]
        more: dict[str, list[object]] = {"file": file, "link": [entry.target]}
        return [letters[entry.kind], entry.path, entry.mode, entry.mtime_ns, *more.get(entry.kind, [])]

    removals: Iterator[list[object]] = (["x", path, 0, 0] for path in reversed(gone))  # what lies below comes first
    return wire.pack_lines(itertools.chain(removals, map(line, entries)))


class _Order:
    """The chunks of all files, in the order in which they are sent: of 200,000 files none is held. Blocking."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.bytes = 0
        """What all files take on a disk."""
        self._again = bytearray()
        self._ids = Spool()
        seen, waiting = ChunkIds(), bytearray()
        for entry in entries:
            self.bytes += entry.data
            for chunk in map(bytes.fromhex, entry.chunks):
                known = len(seen)
                self._again.append(seen.add(chunk) < known)
                waiting += chunk
            if len(waiting) >= _PIECE:
                self._ids.append(waiting)
                waiting = bytearray()
        self._ids.append(waiting)

    def __len__(self) -> int:
        return len(self._again)

    def __getitem__(self, number: int) -> bytes:
        return self._ids.read(number * ID_BYTES, ID_BYTES)

    def again(self, number: int) -> bool:
        """Whether one before is the same chunk."""
        return bool(self._again[number])


class _Part:
    """Frames of the chunks from ``start`` on; one that was sent before is only named."""

    def __init__(self, chunks: ChunkSource, order: _Order, start: int, lost: list[str]) -> None:
        """``lost`` gets a sentence for each chunk that can't be had."""
        self._chunks = chunks
        self._lost = lost
        self._order = order
        self._start = start
        self.plain = 0
        """Bytes of the chunks so far."""
        self._sizes = array("I")

    def plain_until(self, done: int) -> int:
        """Bytes of the chunks from the start to the ``done``-th of all."""
        return sum(self._sizes[: done - self._start])

    def together(self, most: int) -> bytes:
        """The same in one: of tiny files, a hundred thousand pieces take several times what is in them. Blocking."""
        made = io.BytesIO()
        made.writelines(self.frames(most))
        return made.getvalue()

    def frames(self, most: int) -> Iterator[bytes]:
        """About ``most`` bytes of them. Blocking."""
        size = 0
        for number in range(self._start, len(self._order)):
            identifier, before_it = self._order[number], self.plain
            again = self._order.again(number)
            frame = [wire.bare(identifier, wire.AGAIN)] if again else self._frame(identifier)
            yield from frame
            self._sizes.append(self.plain - before_it)
            size += sum(map(len, frame))
            if size >= most:
                return

    def _frame(self, identifier: bytes) -> list[bytes]:
        try:
            data = self._chunks.get_chunk(identifier.hex())
        except DamagedObject as error:
            self._lost.append(error.what)
            return [wire.bare(identifier, wire.GONE)]
        self.plain += len(data)
        return wire.frame(identifier, data)


@dataclass(frozen=True)
class _Place:
    path: Path
    offset: int
    size: int


class LocalFiles:
    """Files of this computer as entries and their chunks. Blocking; ``WorkspaceError`` for what can't be read."""

    def __init__(self, sources: Sequence[tuple[Path, str]]) -> None:
        self.notices: list[str] = []
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, _Place] = {}
        for path, target in sources:
            self._add(path.expanduser(), target.strip("/"))

    @property
    def entries(self) -> list[Entry]:
        """The entries to be written, directories before what is in them."""
        return [self._entries[path] for path in sorted(self._entries)]

    def get_chunk(self, identifier: str) -> bytes:
        """The bytes of a chunk."""
        place = self._places[identifier]
        try:
            with place.path.open("rb") as file:
                file.seek(place.offset)
                data = file.read(place.size)
        except OSError as error:
            raise DamagedObject(f"{shown(place.path)} can't be read: {error.strerror}.") from None
        if chunk_id(data).hex() != identifier:
            raise DamagedObject(f"{shown(place.path)} was changed while it was sent.")
        return data

    def _add(self, path: Path, target: str) -> None:
        try:
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                self._add_file(path, target, found)
                return
            for folder, directories, names in os.walk(path):
                directories.sort()
                inside = os.path.relpath(folder, path)
                prefix = "/".join(part for part in (target, "" if inside == "." else inside) if part)
                if prefix:
                    status = os.stat(folder)  # noqa: PTH116
                    self._put(Entry(prefix, "directory", status.st_mode & 0o777, status.st_mtime_ns))
                for each in self._regular(path.__class__(folder), names):
                    self._add_file(each, f"{prefix}/{each.name}".lstrip("/"), each.stat())
        except OSError as error:
            raise WorkspaceError(
                f"{path} can't be read: {error.strerror}.", "Leave it out, or make it readable."
            ) from None

    def _regular(self, folder: Path, names: list[str]) -> Iterator[Path]:
        for name in sorted(names):
            if stat.S_ISREG((folder / name).lstat().st_mode):
                yield folder / name
            elif len(self.notices) < _MOST_NOTICES:
                self.notices.append(f"{clean_line(str(folder / name))} was left out: it is no file of its own.")

    def _add_file(self, path: Path, target: str, status: os.stat_result) -> None:
        with path.open("rb") as file:
            cuts, _ = cut_open(file.fileno(), status.st_size)
        for offset, chunk, size in cuts.places():
            self._places[chunk.hex()] = _Place(path, offset, size)
        mode, mtime = status.st_mode & 0o777, status.st_mtime_ns
        self._put(Entry(target, "file", mode, mtime, cuts.size, tuple(cuts.hexes), holes=cuts.holes))

    def _put(self, entry: Entry) -> None:
        path = escape(entry.path)
        self._entries[path] = replace(entry, path=path)


def _name(line: str) -> str:
    with contextlib.suppress(ValueError):
        return clean_line(line[: line.index("@")].strip() or line, longest=100)
    return clean_line(line, longest=100)
