"""Files of a state into a notebook's variables, at a provider and nowhere else: a pickle is a program.

Versions are compared before anything of a group is loaded. What needs something that is not there yet is tried again
once more is there: a function whose default is a variable, a variable whose class is defined later.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import linecache
import os
import pickle
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from . import functions
from .chunk_files import CHUNK, ChunkFiles, Damaged
from .large_buffers import room
from .saving import version_of

if TYPE_CHECKING:
    from collections.abc import Callable

SAVED, REBUILT, LOST = "saved", "rebuilt", "lost"
_MOST_BYTES = 1024**3
"""Of all variables together: twice what is ever kept. A state may name one chunk a million times."""
_LONGEST_REASON = 160
_NUMBERS = re.compile(r"(\d+)\.(\d+)")


class Fate(NamedTuple):
    """What became of a name."""

    what: str
    """One of the three above."""
    why: str = ""
    """Why it is lost."""
    size: int = 0


class _Step(NamedTuple):
    """Something to do, which may have to wait for another."""

    names: tuple[str, ...]
    fate: Fate
    do: Callable[[], dict[str, Any]]


class Restored(NamedTuple):
    """A state that was taken up."""

    fates: dict[str, Fate]
    definitions: dict[str, tuple[str, Any]]
    """Of each name that was defined again: source and value."""
    left_out: list[str]
    """Variables that were not kept because the user did not want it."""


def restore(files: ChunkFiles, namespace: dict[str, Any], root: str) -> Restored | None:
    """Put the newest state into ``namespace``; what became of each name. ``None``: there is no state.

    ``root`` is the workspace. Raises nothing that is a fault of the state's.
    """
    manifest = files.newest()
    if manifest is None:
        return None
    fates: dict[str, Fate] = {}
    defined: dict[str, tuple[str, Any]] = {}
    try:
        with contextlib.suppress(OSError, TypeError, ValueError):
            os.chdir(os.path.join(root, manifest["directory"]))
        for name, reason in manifest["lost"].items():
            fates[name] = Fate(LOST, str(reason))
        foreign = _foreign(manifest)
        steps: list[_Step] = []
        left = _MOST_BYTES
        for name, module in manifest["modules"].items():
            steps.append(_Step((name,), Fate(REBUILT), lambda module=module, name=name: {name: _imported(module)}))  # type: ignore[misc]
        for name, source in manifest["definitions"]:
            steps.append(_definition(name, source, namespace, defined))
        for group in manifest["groups"]:
            names = tuple(map(str, group["names"]))
            left -= _claimed(group)
            reason = foreign or _other_code(group) or _unfit(group["libraries"], manifest["libraries"])
            if reason or left < 0:
                reason = reason or "it would be larger than any state"
                fates.update(dict.fromkeys(names, Fate(LOST, reason)))
            else:
                fate = Fate(SAVED, size=int(group["size"]) // max(1, len(names)))
                steps.append(_Step(names, fate, lambda group=group: _loaded(files, group)))  # type: ignore[misc]
        _do(steps, namespace, fates)
        return Restored(fates, defined, [str(name) for name in manifest["left_out"]])
    except (KeyError, TypeError, ValueError, AttributeError):  # a manifest that is none
        return Restored({**fates, "…": Fate(LOST, "the rest of the state is damaged")}, defined, [])


def _do(steps: list[_Step], namespace: dict[str, Any], fates: dict[str, Fate]) -> None:
    """Do them in their order, and those that failed again, as long as that helps."""
    while steps:
        failed: list[_Step] = []
        for step in steps:
            fate = _done(step, namespace)
            fates.update(dict.fromkeys(step.names, fate))
            if fate.what == LOST:
                failed.append(step)
        if len(failed) == len(steps):
            return
        steps = failed


def _done(step: _Step, namespace: dict[str, Any]) -> Fate:
    try:
        made = step.do()
        namespace.update({name: made[name] for name in step.names})
    except KeyboardInterrupt:
        return Fate(LOST, "it was interrupted as it came back")
    except BaseException as error:  # noqa: BLE001 - loading runs code of the user's
        reason = str(error) if isinstance(error, Damaged) else f"{type(error).__name__}: {error}"
        return Fate(LOST, " ".join(reason.split())[:_LONGEST_REASON])
    return step.fate


def _definition(name: str, source: str, namespace: dict[str, Any], defined: dict[str, tuple[str, Any]]) -> _Step:
    def define() -> dict[str, Any]:
        place = f"<{name}, as it was saved>"
        linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
        exec(compile(source, place, "exec", dont_inherit=True), namespace)  # noqa: S102 - the user's own cell
        defined[name] = (source, namespace[name])
        return {name: namespace[name]}

    return _Step((name,), Fate(REBUILT), define)


def _imported(name: str) -> Any:
    return sys.modules[name] if name in sys.modules else importlib.import_module(name)


def _claimed(group: dict[str, Any]) -> int:
    """The bytes that loading a group takes. Raises ``ValueError`` for a size that is none."""
    sizes = [size for size, _ in group["buffers"]]
    if any(not isinstance(size, int) or size < 0 for size in sizes):
        raise ValueError("a size that is none")
    buffers: int = sum(sizes)
    return buffers + len(group.get("stream", ())) * CHUNK + len(group.get("small", ""))


def _loaded(files: ChunkFiles, group: dict[str, Any]) -> dict[str, Any]:
    buffers = []
    for size, names in group["buffers"]:
        buffer = room(size)
        files.fill(memoryview(buffer), names)
        buffers.append(buffer)
    if "small" in group:
        found = pickle.loads(base64.b64decode(group["small"]), buffers=buffers)  # noqa: S301 - at a provider alone
    else:
        with files.read(group["stream"]) as stream:
            found = pickle.load(stream, buffers=buffers)  # noqa: S301 - likewise
    if not isinstance(found, dict):
        raise Damaged("it is something else")
    return found


def _foreign(manifest: dict[str, Any]) -> str:
    """Why no data of it can be loaded by this Python; empty where it can."""
    if manifest["implementation"] != sys.implementation.name or manifest["byte_order"] != sys.byteorder:
        return f"it was saved by {manifest['implementation']} on another kind of machine"
    if _numbers(manifest["python"])[0] != sys.version_info[0]:
        return f"it was saved by Python {manifest['python']}"
    return ""


def _other_code(group: dict[str, Any]) -> str:
    """Why a group with functions that are kept by their code is not loaded; empty where it can be."""
    code = group.get("code", functions.CODE)
    return "" if code == functions.CODE else f"a function in it is code of {code}, here is {functions.CODE}"


def _unfit(libraries: list[str], versions: dict[str, str]) -> str:
    """Why a group of these ``libraries`` is not loaded; ``versions``: of who saved it. Empty where it can be."""
    for library in libraries:
        saved = versions.get(library, "")
        try:
            _imported(library)
        except BaseException as error:  # noqa: BLE001 - importing runs anybody's code
            return f"{library} {saved}".rstrip() + f" can't be imported here: {error}"[:_LONGEST_REASON]
        here = version_of(library)
        if not _fits(_numbers(saved), _numbers(here)):
            return f"it was saved with {library} {saved}, here is {here or 'one without a version'}"
    return ""


def _fits(saved: tuple[int, int], here: tuple[int, int]) -> bool:
    """Whether a library reads what it has written: the same or a later one of the same line."""
    if saved[0] == 0:
        return here == saved
    return here[0] == saved[0] and here >= saved


def _numbers(version: str) -> tuple[int, int]:
    found = _NUMBERS.match(str(version))
    return (int(found[1]), int(found[2])) if found else (0, 0)
