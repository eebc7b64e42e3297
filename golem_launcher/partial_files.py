"""Files and directories that are not whole yet, beside the places that they are for: hidden, and noted meanwhile.

By its note, one whose writer was killed is found and removed (:func:`sweep`), in whichever of the user's folders it is.
Everything blocks.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.processes import ProcessRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_BYTES = 200
_NAME = re.compile(r"\..*\.[0-9a-f]{8}", re.DOTALL)


@contextlib.contextmanager
def partial_file_of(target: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """A new empty file beside ``target`` for the length of a ``with`` block: removed then, unless it got another name.

    Raises ``OSError``.
    """
    with _noted(target) as partial:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode))
        yield partial


@contextlib.contextmanager
def partial_directory_of(target: Path) -> Iterator[Path]:
    """A new empty directory of the user's alone beside ``target``, as :func:`partial_file_of` has a file."""
    with _noted(target) as partial:
        partial.mkdir(mode=0o700)
        yield partial


@contextlib.contextmanager
def _noted(target: Path) -> Iterator[Path]:
    mark = secrets.token_hex(4)
    short = target.name.encode(errors="surrogateescape")[:_LONGEST_BYTES].decode(errors="ignore")
    partial = target.with_name(f".{short}.{mark}")
    note = _notes() / f"{mark}.json"
    files.write_json(note, {"path": str(partial.absolute()), "writer": ProcessRecord.of(os.getpid()).to_json()})
    try:
        yield partial
    finally:
        _remove(partial, note)


def sweep() -> None:
    """Remove those of processes that were killed. What can't be removed now is tried again the next time."""
    for note in _notes().glob("*.json"):
        noted = files.read_json(note)
        if not isinstance(noted, dict):
            continue
        writer, partial = ProcessRecord.from_json(noted.get("writer")), Path(str(noted.get("path")))
        if writer is None or writer.alive() or not _NAME.fullmatch(partial.name):
            continue
        with contextlib.suppress(OSError):
            _remove(partial, note)


def _remove(partial: Path, note: Path) -> None:
    """Remove a partial file, and its note once nothing is left of it. Raises ``OSError``."""
    if partial.is_dir() and not partial.is_symlink():
        files.remove_tree(partial)
    else:
        partial.unlink(missing_ok=True)
    if not os.path.lexists(partial):
        note.unlink(missing_ok=True)


def _notes() -> Path:
    return paths.private_directory(paths.home() / "partial_files")
