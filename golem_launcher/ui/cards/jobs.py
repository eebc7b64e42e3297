"""How far the jobs are whose sessions the page shows: a grid of tasks, who is at which, what failed."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError
from golem_launcher.untrusted_text import clean_line, clean_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from golem_launcher.tasks.progress import Follower
    from golem_launcher.tasks.record import JobDirectory

MOST_CELLS = 600
"""A grid has no more: where there are more tasks, a cell is several, one after the other."""
_MOST_FAILURES = 20
_MOST_PROVIDERS = 30
_WAITING, _RUNNING, _DONE, _FAILED, _PARTLY = b"wrdfp"
"""What is said of a task in a grid, and of several of which some are done."""


@dataclass
class _Known:
    """What is known of one job."""

    by: str
    output: str
    labels: list[str]
    follower: Follower
    states: bytearray
    costs: dict[str, float] = field(default_factory=dict)
    """Of its sessions that are over, by when they were created."""
    told: dict[str, Any] = field(default_factory=dict)


class JobViews:
    """Follows jobs; of each record only what is new is read. Blocking, and for one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], _Known] = {}

    def read(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The jobs of these names as the page's script takes them, those that changed since they were read last.

        What has no record is no job that the page could tell of: one of Python's executor.
        """
        from golem_launcher.tasks import record  # noqa: PLC0415 - not needed to show the page

        changed, present = {}, {}
        for name in names:
            with contextlib.suppress(OSError, LauncherError):
                directory = record.find(name)
                key = name, directory.path.stat().st_ino
                known = self._known.get(key) or _known(directory)
                if known is None:
                    continue
                present[key] = known
                told = _view(directory, known)
                if told != known.told:
                    known.told = changed[name] = told
        self._known = present
        return changed

    def all(self) -> dict[str, dict[str, Any]]:
        """All of them, as they were read last."""
        return {name: known.told for (name, _), known in self._known.items()}


def _known(directory: JobDirectory) -> _Known | None:
    from golem_launcher.tasks.progress import Follower  # noqa: PLC0415 - not needed to show the page

    overview = directory.overview()
    if overview is None or not overview.tasks:
        return None  # it is damaged
    labels = [clean_line(label) for label in overview.labels]
    by = "sweep" if overview.sets else "run"
    return _Known(by, clean_line(overview.output), labels, Follower(directory), bytearray([_WAITING]) * len(labels))


def _view(directory: JobDirectory, known: _Known) -> dict[str, Any]:
    tally, tasks, busy = known.follower.tally, len(known.labels), directory.busy
    touched = set(tally.running)
    lines = [line for line, _ in known.follower.poll()]
    known.costs.update((line.session, float(line.cost)) for line in lines if line.kind == "cost")
    touched |= {line.task for line in lines} | set(tally.running)
    for task in touched:
        if 0 <= task < tasks:
            known.states[task] = _state(known.follower, task)
    states = known.states if busy else known.states.replace(bytes([_RUNNING]), bytes([_WAITING]))
    per = math.ceil(tasks / MOST_CELLS)
    running = tally.running if busy else {}
    stopping = busy and directory.stop_asked
    unfinished = "stopping" if stopping else "running" if busy else "incomplete"
    return {
        "by": known.by,
        "state": "done" if len(tally.done) >= tasks else unfinished,
        "tasks": tasks,
        "done": len(tally.done),
        "failed": len(tally.failed),
        "running": len(running),
        "cells": "".join(chr(_of_several(states[at : at + per])) for at in range(0, tasks, per)),
        "per": per,
        "labels": known.labels if per == 1 else [],
        "failures": [
            [known.labels[task], clean_line(reason)]
            for task, reason in list(tally.reasons.items())[-_MOST_FAILURES:]
            if 0 <= task < tasks
        ],
        "providers": _providers(known, running),
        "since": tally.first_given if busy else 0,
        "fresh": tally.fresh,
        "output": known.output,
        "costs": dict(known.costs),
    }


def _state(follower: Follower, task: int) -> int:
    tally = follower.tally
    if task in tally.done:
        return _DONE
    if task in tally.running:
        return _RUNNING
    return _FAILED if task in tally.failed else _WAITING


def _of_several(states: bytes | bytearray) -> int:
    """What a cell shows: a failure before all else, and work before rest."""
    for state in (_FAILED, _RUNNING):
        if state in states:
            return state
    if _DONE not in states:
        return _WAITING
    return _PARTLY if _WAITING in states else _DONE


def _providers(known: _Known, running: dict[int, str]) -> list[dict[str, Any]]:
    """Those that did most first, each with what it is at."""
    at = {provider: known.labels[task] for task, provider in running.items() if 0 <= task < len(known.labels)}
    providers = sorted(known.follower.tally.providers.items(), key=lambda item: -item[1].done)
    return [
        {
            "name": clean_name(one.name or provider[:12]),
            "done": one.done,
            "failed": one.failed,
            "seconds": round(one.seconds, 1),
            "now": at.get(provider, ""),
        }
        for provider, one in providers[:_MOST_PROVIDERS]
    ]
