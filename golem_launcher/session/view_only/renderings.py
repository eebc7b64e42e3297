"""Has files that viewers see made into HTML, one at a time, and keeps what was made on the disk until they change.

What viewers may have the user's computer and tunnel do is bounded here: after each file there is a pause, by which they
have half of one core at most, at a low priority, and a quarter of the tunnel.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import resource
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher import own_modules
from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.session.view_only.render import CPU_SECONDS
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.view_only.shown_files import ShownFile, ShownFiles

_PROGRAM = "golem_launcher.session.view_only.render"
_PATIENCE_SECONDS = 8.0
"""So long a viewer waits for what is being made, before there is a page that says so."""
_WALL_SECONDS = 4 * CPU_SECONDS
"""A computer with other work to do gives it less than a core."""
_REST_OF_TUNNEL = 3.0
"""So many times as long as the bytes of a file took to come, nothing else comes; and the processor rests as long as it
worked for one, whatever the clock on the wall says."""
_MOST_KEPT = 24
"""Files whose HTML lies on the disk."""
TOO_LARGE = "It is too large to be shown here."
TOO_MUCH = "It can't be shown here: it is too large, or nested too deep."


@dataclass(frozen=True)
class Rendering:
    """A file as viewers see it: HTML on disk, or why there is none."""

    stamp: str
    """The file's."""
    fragment: Path | None
    """Where its HTML is; ``None`` where there is none."""
    problem: str = ""
    """Why."""


class Renderings:
    """Those of one session; ``aclose`` once."""

    def __init__(self, files: ShownFiles, directory: Path) -> None:
        """``directory`` is for these alone; it is made when there is something to keep."""
        self._files = files
        self._directory = directory
        self._made: dict[str, Rendering] = {}
        """By path, the one that was asked for last comes last."""
        self._making: asyncio.Task[None] | None = None
        self._rests_until = 0.0

    async def of(self, file: ShownFile) -> Rendering | None:
        """What is made of a file; of its state before, or nothing, where that takes longer than a viewer waits."""
        if not self._is_made(file):
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._make(file))
            done, _ = await asyncio.wait({self._making}, timeout=_PATIENCE_SECONDS)
            for making in done:
                making.result()
        made = self._made.pop(file.path, None)
        if made is not None:
            self._made[file.path] = made
        return made

    def _is_made(self, file: ShownFile) -> bool:
        return file.path in self._made and self._made[file.path].stamp == file.stamp

    async def _make(self, file: ShownFile) -> None:
        await asyncio.sleep(max(self._rests_until - time.monotonic(), 0))
        # It changed meanwhile, the machine is away, or the disk is full: who looks again asks again.
        with contextlib.suppress(ProviderError, WorkspaceError, OSError):
            self._keep(file, await self._rendering(file))

    async def _rendering(self, file: ShownFile) -> Rendering:
        if file.is_too_large:
            return Rendering(file.stamp, None, TOO_LARGE)
        data = await self._content(file)
        name = hashlib.sha256(file.path.encode()).hexdigest()[:24]
        source, fragment, new = (self._directory / f"{name}.{kind}" for kind in ("source", "html", "new"))
        await asyncio.to_thread(self._write, source, data)
        try:
            whole = await self._run(file.kind, source, new)
            if whole:
                await asyncio.to_thread(new.replace, fragment)
            return Rendering(file.stamp, fragment if whole else None, "" if whole else TOO_MUCH)
        finally:
            await asyncio.to_thread(_remove, source, new)

    async def _content(self, file: ShownFile) -> bytes:
        began = time.monotonic()
        try:
            return await self._files.content(file)
        finally:
            ended = time.monotonic()
            self._rests_until = ended + _REST_OF_TUNNEL * (ended - began)

    def _write(self, source: Path, data: bytes) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        source.write_bytes(data)

    async def _run(self, kind: str, source: Path, fragment: Path) -> bool:
        """Run the program; whether it came to its end within its limits. It gets nothing of our environment."""
        process = await asyncio.create_subprocess_exec(
            *own_modules.command(_PROGRAM, kind, str(source), str(fragment)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={"HOME": str(self._directory), "LANG": "C.UTF-8", "PATH": os.defpath},
            cwd=self._directory,
        )
        worked = _worked()
        try:
            return await wait_for(process.wait(), _WALL_SECONDS) == 0
        except TimeoutError:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            rest = min(_worked() - worked, CPU_SECONDS)  # others of the process' programs may have ended meanwhile
            self._rests_until = max(self._rests_until, time.monotonic() + rest)

    def _keep(self, file: ShownFile, rendering: Rendering) -> None:
        before = self._made.pop(file.path, None)
        if rendering.fragment is None:
            _forget(before)
        self._made[file.path] = rendering
        while len(self._made) > _MOST_KEPT:
            _forget(self._made.pop(next(iter(self._made))))

    async def aclose(self) -> None:
        """End what is being made, and keep nothing."""
        if self._making is not None:
            await cancel_all(self._making)
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)


def _worked() -> float:
    """Seconds of the processor that programs took which this process had run, and which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _forget(rendering: Rendering | None) -> None:
    if rendering is not None and rendering.fragment is not None:
        _remove(rendering.fragment)


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
