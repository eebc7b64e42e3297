"""The workloads that a request can ask for: ours, and those that installed packages bring.

A package brings one by an entry point in the group ``golem_launcher.workloads``: its name is the workload's, and what
it names is the :class:`Workload`.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from golem_launcher.workload.base import Workload
from golem_launcher.workload.lab import LAB

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from golem_launcher.workload.base import Endpoint

GROUP = "golem_launcher.workloads"
_OURS = {workload.name: workload for workload in (LAB,)}


def usable() -> tuple[Workload, ...]:
    """All that a request can ask for. Blocking: looks through what is installed, and loads what packages bring."""
    found = list(_OURS.values())
    for name in _brought():
        with contextlib.suppress(LookupError):
            found.append(find(name))
    return tuple(found)


def find(name: str) -> Workload:
    """The workload of this name. Raises ``LookupError`` where there is none, or what brings it is not one.

    Blocking for one that a package brings, whose code is loaded.
    """
    if name in _OURS:
        return _OURS[name]
    try:
        workload = _brought()[name].load()
    except (ImportError, AttributeError) as error:
        raise LookupError(name) from error
    if not isinstance(workload, Workload) or workload.name != name:
        raise LookupError(name)
    return workload


def title(name: str) -> str:
    """What people call the workload of this name; the name itself where there is no such workload any more."""
    with contextlib.suppress(LookupError):
        return find(name).title
    return name


def link(name: str) -> Endpoint | None:
    """What a browser is led to of the workload of this name; ``None`` where there is no such workload any more."""
    with contextlib.suppress(LookupError):
        return find(name).link
    return None


@functools.cache
def _brought() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - most requests ask for one of ours

    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _OURS}
