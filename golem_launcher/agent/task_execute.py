"""Runs one task that is a function, in a process of its own: ``execute(DIRECTORY)``, started by task_service.py.

``in/call.json`` has the function's source, its name and its arguments; ``in/N`` are the blobs of these. What it returns
goes to ``out/value.json`` and ``out/N``, whose names ``out/names.json`` has where there are any, what it raised to
``out/error.json``. The process is in the task's directory.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
import traceback
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from . import task_values as values

_SOURCE = "<task>"
_LONGEST = 20_000
RAISED = 70
"""The exit code of one whose function raised; software error, as sysexits.h has it."""


def execute(directory: str) -> None:
    """Call the function; exit with 0 when it returned a value that can travel."""
    place = Path(directory)
    call = json.loads((place / "in" / "call.json").read_text())
    out = place / "out"
    try:
        result = _call(call, place)
        encoded = _Blobs(out).encode(result)
    except BaseException as error:
        _tell(out, error)
        sys.stdout.flush()
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        sys.exit(RAISED)
    (out / "value.json").write_text(json.dumps(encoded))


def _call(call: dict[str, Any], place: Path) -> Any:
    module = sys.modules["golem_task"] = ModuleType("golem_task")  # by which classes of the function's are found
    names = module.__dict__
    brought = {blob: Path(path) for blob, path in call["files"].items()}

    def value(of: Any) -> Any:
        return values.decode(
            of,
            lambda blob: (place / "in" / str(blob)).read_bytes(),
            lambda blob: brought[str(blob)],
            functools.partial(values.read_arrow, room=values.Room()),
        )

    for name, constant in call["constants"].items():
        names[name] = value(constant)
    exec(compile(call["source"], _SOURCE, "exec", dont_inherit=True), names)  # noqa: S102 - what this machine was rented for
    _remember(call["source"])
    function = names[call["name"]]
    result = function(*value(call["args"]), **value(call["kwargs"]))
    if hasattr(result, "__await__"):
        import asyncio  # noqa: PLC0415 - few need it

        async def wait() -> Any:
            return await result

        result = asyncio.run(wait())
    return result


def _remember(source: str) -> None:
    """Have tracebacks show the function's lines."""
    import linecache  # noqa: PLC0415

    linecache.cache[_SOURCE] = (len(source), None, source.splitlines(keepends=True), _SOURCE)


class _Blobs:
    def __init__(self, out: Path) -> None:
        self._out = out
        self._names: list[str] = []

    def encode(self, result: Any) -> Any:
        encoded = values.encode(result, self._add_bytes, self._add_file)
        if self._names:
            (self._out / "names.json").write_text(json.dumps(self._names))
        return encoded

    def _add_bytes(self, data: bytes) -> int:
        (self._out / str(len(self._names))).write_bytes(data)
        self._names.append("")
        return len(self._names) - 1

    def _add_file(self, path: PurePath) -> int:
        if not os.path.isfile(path):
            raise values.Untransportable(f"it has the path {str(path)!r}, at which there is no file to bring")
        target = self._out / str(len(self._names))
        try:
            os.link(os.path.realpath(path), target)
        except OSError:
            shutil.copyfile(path, target)
        self._names.append(path.name)
        return len(self._names) - 1


def _tell(out: Path, error: BaseException) -> None:
    """What was raised, with the part of the traceback that is the user's."""
    entries = traceback.extract_tb(error.__traceback__)
    own = next((index for index, entry in enumerate(entries) if entry.filename == _SOURCE), 0)
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(entries[own:])]
    lines += traceback.format_exception_only(type(error), error)
    told = {
        "type": type(error).__name__,
        "module": type(error).__module__,
        "message": str(error)[:_LONGEST],
        "traceback": "".join(lines)[-_LONGEST:],
    }
    (out / "error.json").write_text(json.dumps(told))
