"""Looks up workloads by name: the built-in ones, and those of installed packages.

A package provides one by an entry point in the group ``golem_launcher.workloads``, whose name is the workload's and
whose object is the :class:`Workload`.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from golem_launcher.workload.base import Workload
from golem_launcher.workload.lab import LAB
from golem_launcher.workload.tasks import TASKS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from golem_launcher.workload.base import Endpoint

GROUP = "golem_launcher.workloads"
_OURS = {workload.name: workload for workload in (LAB,)}
_OF_COMMANDS = {workload.name: workload for workload in (TASKS,)}
"""What a command of ours asks for, and is of no use without it: nobody is offered these."""


def usable() -> tuple[Workload, ...]:
    """All workloads that a person may choose; those that can't be loaded are left out.

    Called by the form and for error messages. Blocking: it scans installed packages and imports those with workloads.
    """
    found = list(_OURS.values())
    for name in _brought():
        with contextlib.suppress(LookupError):
            found.append(find(name))
    return tuple(found)


def find(name: str) -> Workload:
    """The workload called ``name``. Called when a request is validated, and by the session that it becomes.

    Raises ``LookupError`` if there is none, or if its package can't be loaded. Blocking for a package's workload, which
    is imported.
    """
    if name in _OURS or name in _OF_COMMANDS:
        return _OURS.get(name) or _OF_COMMANDS[name]
    try:
        workload = _brought()[name].load()
    except Exception as error:  # whatever somebody's module raises: the page shows all workloads, and goes on
        raise LookupError(name) from error
    if not isinstance(workload, Workload) or workload.name != name:
        raise LookupError(name)
    return workload


def title(name: str) -> str:
    """The title of the workload called ``name``; the name itself if its package is no longer installed."""
    with contextlib.suppress(LookupError):
        return find(name).title
    return name


def link(name: str) -> Endpoint | None:
    """The endpoint that a link to the workload called ``name`` opens; ``None`` if its package is gone."""
    with contextlib.suppress(LookupError):
        return find(name).link
    return None


@functools.cache
def _brought() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - most requests ask for one of ours

    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _OURS}
