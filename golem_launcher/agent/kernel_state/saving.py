"""Variables of a notebook into files: the state that another machine can take up.

A manifest is a JSON object:

python, implementation, byte_order   of who wrote it
libraries    versions of the packages that the groups name
modules      names that are modules, and which
definitions  [name, source] in the order in which they were made
groups       {"names": […], "small": base64 or "stream": [chunks], "buffers": [[size, [chunks]]], "libraries": […],
             "size": bytes, "code": the kind of Python whose code it has, only where it has such}
lost         what could not be kept, and why
left_out     variables that the user does not want to be kept
directory    the kernel's, seen from the workspace; null where it is somewhere else
"""

from __future__ import annotations

import base64
import os
import platform
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import functions, shared_objects
from .definitions import MAIN
from .pickler import CannotKeep, Group, Limits, not_copied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .chunk_files import ChunkFiles

MOST_BYTES = 512 * 1024 * 1024
SECONDS = 5.0
"""Of a processor that has nothing else to do, for all variables."""
_SMALL_STREAM = 2048
_MOST_NAMES = 10_000


class _Means(NamedTuple):
    """With what each group is written."""

    files: ChunkFiles
    limits: Limits
    defined: Collection[str]
    on_gpu: Callable[[Any], memoryview]


def save(
    files: ChunkFiles,
    variables: Mapping[str, Any],
    definitions: Mapping[str, str],
    *,
    limits: Limits,
    left_out: Collection[str] = (),
    already_lost: Mapping[str, str] | None = None,
    directory: str | None = None,
    apart: Collection[object] = (),
    on_gpu: Callable[[Any], memoryview] = not_copied,
    begins: Callable[[list[str]], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the state, and return its manifest. Each group that can't be kept costs itself alone.

    ``already_lost`` are names that are not to be tried, with the reason; ``apart`` is as in ``shared_objects.py``;
    ``on_gpu`` gives the bytes of one of PyTorch's storages on a GPU, or raises ``CannotKeep``; ``begins`` is told the
    names that are tried next. Raises ``OSError`` when nothing can be written.
    """
    lost = {name: why for name, why in (already_lost or {}).items() if name not in left_out}
    modules = {name: value.__name__ for name, value in variables.items() if isinstance(value, ModuleType)}
    data = {
        name: value
        for name, value in list(variables.items())[:_MOST_NAMES]
        if name not in modules and name not in definitions and name not in left_out and name not in lost
    }
    if len(variables) > _MOST_NAMES:
        lost["…"] = f"there are {len(variables):,} variables"
    means = _Means(files, limits, definitions.keys(), on_gpu)
    kept: list[dict[str, Any]] = []
    for names in shared_objects.groups(data, apart):
        begins(names)
        kept += _kept(means, {name: data[name] for name in names}, lost)
    used = sorted({library for group in kept for library in group["libraries"]})
    manifest = {
        **_about_python(),
        "libraries": {library: version for library in used if (version := version_of(library))},
        "modules": {name: module for name, module in modules.items() if name not in left_out},
        "definitions": [[name, source] for name, source in definitions.items() if name not in left_out],
        "groups": kept,
        "lost": lost,
        "left_out": sorted(name for name in left_out if name in variables),
        "directory": directory,
    }
    files.commit(manifest)
    return manifest


def _kept(means: _Means, variables: dict[str, Any], lost: dict[str, str]) -> list[dict[str, Any]]:
    """The group of these variables; without those that can't be kept, which are ``lost``."""
    try:
        return [_written(means, variables)]
    except CannotKeep as why:
        if len(variables) == 1:
            lost.update(dict.fromkeys(variables, str(why)))
            return []
    left = means.limits.left
    for name in list(variables):
        try:
            _written(means, {name: variables[name]})
        except CannotKeep as why:
            lost[name] = str(why)
            del variables[name]
        means.limits.left = left
    try:
        return [_written(means, variables)] if variables else []
    except CannotKeep as why:
        lost.update(dict.fromkeys(variables, str(why)))
        return []


def _written(means: _Means, variables: dict[str, Any]) -> dict[str, Any]:
    group = Group(*means)
    group.dump(variables, _SMALL_STREAM)
    return {
        "names": list(variables),
        **({"stream": group.stream} if group.stream else {"small": base64.b64encode(group.small).decode()}),
        "buffers": group.buffers,
        "libraries": sorted(group.libraries - {"builtins", "__builtin__", "copyreg", MAIN} - _standard()),
        "size": group.size,
        **({"code": functions.CODE} if group.has_code else {}),
    }


def version_of(library: str) -> str:
    """The version of an imported package; empty where it has none."""
    version = getattr(sys.modules.get(library), "__version__", "")
    return version if isinstance(version, str) else ""


def _standard() -> frozenset[str]:
    return frozenset(getattr(sys, "stdlib_module_names", ()))


def _about_python() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "byte_order": sys.byteorder,
    }


def inside(root: str) -> str | None:
    """The present directory as seen from ``root``, if it is there."""
    try:
        path = os.path.relpath(os.getcwd(), root)
    except (OSError, ValueError):
        return None
    return None if path.split(os.sep)[0] == os.pardir else path
