"""Writes a generation as a zip file, streamed. Follows no link.

Beside the files lie the lists of the session's packages. A file that is damaged in the store is found before it is
written: the zip has all others.
"""

from __future__ import annotations

import os
import stat
import time
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from golem_launcher import files
from golem_launcher.agent.workspace.name_escaping import unescape
from golem_launcher.errors import WorkspaceError
from golem_launcher.partial_files import partial_file_of
from golem_launcher.units import counted
from golem_launcher.workspace.export.file_content import LOST, pieces
from golem_launcher.workspace.export.kernel_states import kernel_states, without_kernel_states
from golem_launcher.workspace.repository.autorun_files import could_run
from golem_launcher.workspace.repository.case_conflicts import distinct_names
from golem_launcher.workspace.repository.package_lists import package_lists
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from golem_launcher.workspace.repository.entry import Entry
    from golem_launcher.workspace.repository.manifest import Manifest
    from golem_launcher.workspace.repository.store import Store

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_LATEST_YEAR = 2107
_LARGEST_HOLES = 64 * 1024**3
_HELD = 32 * 1024 * 1024
"""A file of so many bytes is held in memory; a larger one is read twice."""
_ZEROS = bytes(1024 * 1024)
_COMPRESSED = (
    ".7z", ".bz2", ".gif", ".gz", ".h5", ".jpeg", ".jpg", ".mp3", ".mp4", ".npz", ".parquet", ".png", ".webp", ".whl",
    ".xz", ".zip", ".zst",
)  # fmt: skip
"""Names of files that do not get smaller."""


@dataclass(frozen=True)
class Results:
    """What a zip file holds."""

    files: int
    bytes: int
    """Of the files, before compression."""
    could_run: tuple[str, ...]
    """Files that some program may run when the results are opened: look at them first."""
    links_left_out: int
    renamed: tuple[tuple[str, str], ...]
    """Files whose names would be one with another's on many computers, and what they are called here."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Files that could not be written, and why."""
    damaged: tuple[str, ...] = ()
    """Those of them that are lost in the store."""
    kernel_states: int = 0
    """Files in which notebooks' kernels keep their variables: they stay in the saves."""

    @property
    def about_kernel_states(self) -> str:
        """Why there are fewer files than are saved, in a sentence; empty where that is no reason."""
        if not self.kernel_states:
            return ""
        kept = counted(self.kernel_states, "file in which notebooks keep", "files in which notebooks keep")
        return f"{kept} their variables {'stays' if self.kernel_states == 1 else 'stay'} in the saves."


def write_zip(
    store: Store,
    manifest: Manifest,
    file: IO[bytes],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Results:
    """Write the files of a generation to ``file``, which need not be seekable.

    ``progress`` is called with bytes done and in all. Raises ``WorkspaceError`` when no file can be read.
    """
    state_files, state_bytes = kernel_states(manifest.entries)
    so_far = _SoFar(progress, manifest.size - state_bytes)
    left_out: dict[str, str] = {}
    damaged: list[str] = []
    names = distinct_names(_plain(entry.path) for entry in manifest.entries if entry.kind != "link")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, allowZip64=True) as archive:
        for entry in without_kernel_states(manifest.entries):
            if entry.kind == "link":
                continue
            plain = _plain(entry.path)
            info = _info(entry, names.get(plain, plain))
            if entry.kind == "directory":
                archive.writestr(info, b"")
                continue
            if entry.size - entry.data > _LARGEST_HOLES:
                left_out[entry.path] = "it is nearly all empty, and too large for a zip; restore has it"
                continue
            content = _content(store, entry, so_far)
            if content is None:
                left_out[entry.path] = LOST
                damaged.append(entry.path)
                continue
            info.file_size = entry.size
            with archive.open(info, "w", force_zip64=entry.size >= zipfile.ZIP64_LIMIT) as member:
                for piece in content:
                    if isinstance(piece, int):
                        _write_zeros(member, piece)
                        continue
                    so_far.add(entry, member.write(piece))
        for name, lines in package_lists(manifest.environment, [entry.path for entry in manifest.entries]).items():
            archive.writestr(name, lines)
    if damaged and len(damaged) == manifest.files - state_files:
        raise WorkspaceError(
            f"No file of save {manifest.generation} of '{manifest.workspace}' can be read.",
            f"golem-launcher verify {manifest.workspace}",
        )
    return Results(
        files=manifest.files - state_files - len(left_out),
        bytes=sum(entry.size for entry in without_kernel_states(manifest.entries) if entry.path not in left_out),
        could_run=tuple(
            entry.path
            for entry in without_kernel_states(manifest.entries)
            if entry.kind == "file" and could_run(entry.path) and entry.path not in left_out
        ),
        links_left_out=sum(entry.kind == "link" for entry in manifest.entries),
        renamed=tuple(names.items()),
        left_out=tuple(left_out.items()),
        damaged=tuple(damaged),
        kernel_states=state_files,
    )


def _plain(path: str) -> str:
    """The path as it is, unless other computers would read it otherwise: then as it is saved, escaped."""
    name = unescape(path)
    return path if "\\" in name or any("\udc80" <= letter <= "\udcff" for letter in name) else name


def _info(entry: Entry, name: str) -> zipfile.ZipInfo:
    directory = entry.kind == "directory"
    info = zipfile.ZipInfo(name + ("/" if directory else ""), _date(entry.mtime_ns))
    info.external_attr = ((stat.S_IFDIR if directory else stat.S_IFREG) | entry.mode) << 16 | (0x10 if directory else 0)
    info.create_system = 3
    stored = directory or entry.path.lower().endswith(_COMPRESSED)
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return info


class _SoFar:
    """How many bytes of a zip are done, for whoever waits: of a file that is read twice, each time the half."""

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0.0

    def add(self, entry: Entry, size: int) -> None:
        """Count bytes of a file that were read, or written."""
        self._done += size if entry.data <= _HELD else size / 2
        self._progress(int(self._done), self._total)


def _content(store: Store, entry: Entry, so_far: _SoFar) -> Iterable[bytes | int] | None:
    """The pieces of a file, all of which are known to be whole: what is in a zip can't be taken back."""
    try:
        if entry.data <= _HELD:
            return list(pieces(entry, store.get_chunk))
        for piece in pieces(entry, store.get_chunk):
            if not isinstance(piece, int):
                so_far.add(entry, len(piece))
        return pieces(entry, store.get_chunk)
    except DamagedObject:
        return None


def _write_zeros(member: IO[bytes], length: int) -> None:
    while length:
        length -= member.write(_ZEROS[: min(length, len(_ZEROS))])


def save_zip(
    store: Store,
    manifest: Manifest,
    path: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    replace: bool = False,
) -> Results:
    """:func:`write_zip` into the file ``path``, which is there when it is whole, and not before.

    ``replace``: whatever file is there. Raises ``WorkspaceError`` otherwise, and when the disk is full.
    """
    if path.exists() and not replace:
        raise _taken(path)
    try:
        with partial_file_of(path) as partial:
            with partial.open("r+b") as file:
                results = write_zip(store, manifest, file, progress)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                partial.replace(path)
            elif not files.name_new(partial, path):
                raise _taken(path)
    except OSError as error:
        raise WorkspaceError(
            f"{path} could not be written: {error.strerror or error}.", "Write it to another place."
        ) from error
    return results


def _taken(path: Path) -> WorkspaceError:
    return WorkspaceError(f"{path} is there already.", "Name another file, or write over it: force.")


def _date(mtime_ns: int) -> tuple[int, int, int, int, int, int]:
    try:
        moment = time.gmtime(mtime_ns // 1_000_000_000)
    except (OverflowError, ValueError, OSError):
        return _EARLIEST
    if not _EARLIEST[0] <= moment.tm_year <= _LATEST_YEAR:
        return _EARLIEST
    return moment.tm_year, moment.tm_mon, moment.tm_mday, moment.tm_hour, moment.tm_min, moment.tm_sec
