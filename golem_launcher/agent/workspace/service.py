"""What the agent's server can be asked for of the workspace; routes.py says how."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import threading
from typing import TYPE_CHECKING, Any

from .. import file_placement  # noqa: TID252 - the archive has another name
from ..whole_number import whole  # noqa: TID252 - likewise
from . import wire
from .chunker import chunk_id
from .copying import Copying
from .file_receiver import FileReceiver
from .index import Index
from .packages import Packages, freeze, install

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..config import Config  # noqa: TID252 - the archive has another name

BASE = ".base"
"""What the file with the packages of the image ends with."""
_PACK_NAME = re.compile(r"[a-z0-9-]{1,40}")
_VENV_NOTE = (
    "# The virtual environment {name} is not saved, only this list of what was installed in it.\n"
    "# Make it again:  python3 -m venv {name} && {name}/bin/pip install -r {file}\n"
)


class Service:
    """What can be asked for; one thing at a time, but reading chunks."""

    def __init__(self, config: Config) -> None:
        stem = os.path.splitext(config.log)[0]
        self._root = config.root
        self._volume = os.path.dirname(config.log)
        self._packs = stem + wire.PACKS
        shutil.rmtree(self._packs, ignore_errors=True)
        os.makedirs(self._packs, mode=0o700, exist_ok=True)
        self._lock = threading.Lock()
        self._index = Index(config.root, self._packs, config.workload.unsaved)
        self._packages = Packages(stem + BASE)
        self.copying = Copying(config.root, self._pack)
        self._receiver: FileReceiver | None = None
        self._name = secrets.token_hex(8)
        """Lists of another process than this one are no base."""

    def changes(self, base: Any, state: Any) -> Iterator[Any]:
        """The lines of a list of changes."""
        with self._lock:
            name, _, number = base.partition("-") if isinstance(base, str) else ("", "", "")
            since = (name == self._name and whole(number)) or 0
            if not self._index.can_tell(since):
                since = 0
            yield {"list": f"{self._name}-{self._index.version + 1}", "base": base if since else None}
            yield from self._index.walk(since)
            new = [self._write_list(path) for path in self._index.environments]
            if any(new):  # the lists belong to the same save as the files beside them
                yield from self._index.walk(since)
            environment = self._packages.environment()
            mark = chunk_id(json.dumps(environment).encode()).hex()[:16]
            yield {
                "end": True,
                "entries": len(self._index),
                "bytes": self._index.bytes,
                "notes": self._index.notes,
                "environment": environment if state != mark else None,
                "state": mark,
            }

    def chunks(self, ids: Iterable[bytes]) -> Iterator[bytes]:
        """The frames of these chunks."""
        framing = wire.Framing()
        for each in ids:
            data = self._index.chunk(each)
            if data is None:
                yield wire.bare(each, wire.GONE)
            else:
                yield from framing.frame(each, data)

    def pack(self, name: str, ids: Iterable[bytes]) -> dict[str, Any]:
        """Put the frames into a file; its size."""
        self.copying.sweep()
        path = self._pack(name)
        with open(path, "wb") as file:
            file.writelines(self.chunks(ids))
            return {"size": file.tell()}

    def drop(self, name: str) -> dict[str, Any]:
        """Remove a file of frames."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._pack(name))
        return {}

    def begin(self, lines: Iterable[Any]) -> dict[str, Any]:
        """Begin a restore; one that was under way ends."""
        with self._lock:
            if self._receiver is not None:
                self._receiver.abandon()
            self._remove_sent()
            self._receiver = FileReceiver(self._root, self._index)
            self._receiver.begin(lines)
            return {"next": 0}

    def put(self, pieces: Iterable[bytes]) -> dict[str, Any]:
        """Take chunks of the files that are restored; how many it has by now, and what was wrong with one."""
        frames = wire.Frames()

        def found() -> Iterator[tuple[bytes, int, bytes]]:
            for piece in pieces:
                yield from frames.feed(piece)
            frames.end()

        return self._put(found())

    def take(self, name: str) -> dict[str, Any]:
        """Take chunks from a file."""
        path = self._pack(name)
        try:
            with open(path, "rb") as file:
                return self._put(wire.frames_in(file))
        finally:
            self.drop(name)

    def _put(self, frames: Iterable[tuple[bytes, int, bytes]]) -> dict[str, Any]:
        with self._lock:
            receiver = self._receiving()
            error = ""
            try:
                for frame in frames:
                    receiver.put(*frame)
            except wire.WireError as wrong:
                error = str(wrong)
            return {"next": receiver.next, "error": error}

    def finish(self) -> dict[str, Any]:
        """End the restore: what could not be made, with reasons. Raises ``WireError`` where none has begun."""
        with self._lock:
            receiver = self._receiving()
            receiver.finish()
            self._receiver = None
            self._remove_sent()
            return {"problems": receiver.problems}

    def packages(self) -> dict[str, Any]:
        """What the user installed, as requirements."""
        return {"requirements": self._packages.environment()["requirements"]}

    def install(self, requirements: list[str], seconds: float) -> Iterator[Any]:
        """Install packages by pip; what it says, line by line, as the answer to ``/install``."""
        return install(requirements, seconds, self._root, file_placement.for_large_files(self._root, self._volume))

    def _receiving(self) -> FileReceiver:
        if self._receiver is None:
            raise wire.WireError("no restore has begun")
        return self._receiver

    def _remove_sent(self) -> None:
        """Remove files of chunks that nobody takes any more: their restore went on another way, or ended."""
        for each in os.scandir(self._packs):
            if each.name.startswith(wire.SENT):
                with contextlib.suppress(OSError):
                    os.unlink(each.path)

    def _pack(self, name: str) -> str:
        if not isinstance(name, str) or not _PACK_NAME.fullmatch(name):
            raise wire.WireError("a name that is none")
        return os.path.join(self._packs, name)

    def _write_list(self, environment: str) -> bool:
        """Write down, beside a virtual environment, what is in it; whether that is new."""
        full = os.path.join(self._root, environment)
        name, file = os.path.basename(full), os.path.basename(full) + "-requirements.txt"
        text = _VENV_NOTE.format(name=name, file=file) + "".join(f"{line}\n" for line in freeze(full))
        path = os.path.join(os.path.dirname(full), file)
        with contextlib.suppress(OSError, UnicodeError), open(path, "a+", encoding="utf-8", opener=_no_link) as target:
            target.seek(0)
            before = target.read(len(text) + 1)
            if before != text and (not before or before.startswith(text.partition("\n")[0])):  # else the user's own
                target.truncate(0)
                target.write(text)
                return True
        return False


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o644)
