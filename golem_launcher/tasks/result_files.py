"""Puts result files of tasks into the output directory: each whole or not at all, under plain names, never above it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError
from golem_launcher.tasks import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from golem_launcher.tasks.payload import TaskOutput

_MARK = re.compile(r"[0-9a-f]{8}")
_LONGEST_NAME = 255
_DEEPEST = 20
_LONGEST_PATH = 1000
"""Bytes below the directory: with that, it is a path that a system takes."""


def unfit(outputs: Sequence[TaskOutput], beside: str = "") -> str:
    """Why these can't be files here, in words; empty when they can.

    ``beside``: a file of ours among them, which one of theirs may replace.
    """
    taken: set[tuple[str, ...]] = set()
    for output in outputs:
        parts = tuple(output.name.split("/"))
        short = len(output.name.encode(errors="replace")) <= _LONGEST_PATH
        if not short or len(parts) > _DEEPEST or not all(map(_plain, parts)):
            return f"it made a file whose name can't be one here ({output.name[:80]!r})"
        if parts in taken:
            return f"it made two files of one name ({output.name[:80]!r})"
        taken.add(parts)
    files = taken | {(beside,)}
    if any(parts[:depth] in files for parts in taken for depth in range(1, len(parts))):
        return "it made a file and a directory of one name"
    return ""


def check_free(parent: Path, names: Iterable[str]) -> None:
    """Raise ``RequestError`` where ``parent`` has one of these already, which a new job's results would replace.

    A job that is gone on with is not asked: what nobody counted of its own is replaced. Blocking.
    """
    taken = next((name for name in names if os.path.lexists(parent / name)), None)
    if taken is None:
        return
    there = f"There is {parent / taken} already"
    job = record.writer_of(parent, taken)
    if job is None:
        raise RequestError(f"{there}, and what comes back would take its place.", "Choose another --output.")
    if job.busy:
        raise RequestError(f"{there}: the job '{job.name}' is at work there.", "Choose another --output.")
    raise RequestError(
        f"{there}: the job '{job.name}' made it.",
        f"Choose another --output; or go on with that job: --resume {job.name}",
    )


def place(target: Path, outputs: Sequence[TaskOutput], extra: dict[str, bytes], *, copy: bool = False) -> None:
    """Have ``target`` be a directory with these, and nothing else. Blocking. Raises ``OSError``.

    What was there before, of an attempt that nobody counted, is removed. ``copy``: the outputs are needed once more.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f"{_partial(target.name)}.{secrets.token_hex(4)}"
    partial.mkdir()
    try:
        for name, data in extra.items():
            (partial / name).write_bytes(data)
        for output in outputs:
            path = partial / output.name
            path.parent.mkdir(parents=True, exist_ok=True)
            put(output, path, copy=copy)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        partial.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(partial)
        raise


def clear(parent: Path, names: Iterable[str]) -> None:
    """Remove what a process that was killed left of its work at ``parent / name``, for each of these. Blocking."""
    partials = {_partial(name) for name in names}
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            known, _, mark = entry.name.rpartition(".")
            if known in partials and _MARK.fullmatch(mark) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)


def remove(directory: Path) -> None:
    """Remove what :func:`place` made, as far as that goes."""
    shutil.rmtree(directory, ignore_errors=True)


def put(output: TaskOutput, path: Path, *, copy: bool = False) -> None:
    """Write one output to a path of ours, which is not there yet; never as a program. Blocking."""
    if isinstance(output.content, bytes):
        path.write_bytes(output.content)
    else:
        if copy or output.content.stat().st_dev != path.parent.stat().st_dev:
            shutil.copyfile(output.content, path)
        else:
            output.content.replace(path)
        path.chmod(0o644)


def _partial(name: str) -> str:
    return f".{name[:100]}"


def _plain(part: str) -> bool:
    fits = 0 < len(part.encode(errors="replace")) <= _LONGEST_NAME
    return fits and not part.startswith(".") and "\\" not in part and part.isprintable()
