"""Condenses a session's events for its card: current activity, cost over time, notifications.

Read from the file of events alone, so that a page opened later shows the same plot.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from golem_launcher.events import (
    EVENT,
    CostChanged,
    EndsSoon,
    Event,
    GpuHandedBack,
    Idle,
    LabAsks,
    LeftOut,
    Message,
    NotSaved,
    Progress,
    ProviderChosen,
    ProviderLost,
    Stage,
    StageChanged,
    Used,
)
from golem_launcher.session.reporting.burn_rate import BurnRate
from golem_launcher.ui.cards.file_tail import Tail
from golem_launcher.units import counted
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.session.on_disk.directory import SessionDirectory

POINTS_AT_MOST = 120
"""Points of each plot; older ones are thinned out."""

_USED = ("cpu_percent", "memory_bytes", "gpu_percent", "save_age")
"""What is plotted of the machine, and how old the newest save was."""

Alert = dict[str, str]


class EventDigest:
    """Follows the events of one session, whose ``workload`` people call so; what happened until ``since`` is history.

    The first reading may come long after an event that a person waits for: the clock says what is news, not the order.
    """

    def __init__(self, directory: SessionDirectory, workload: str, since: datetime) -> None:
        self._workload = workload
        self._name = directory.name
        self._tail = Tail(directory.path / "events.jsonl", whole=True)
        self._points: list[tuple[float, float]] = []
        self._used: dict[str, list[tuple[float, float]]] = {name: [] for name in _USED}
        self._burn_rate = BurnRate()
        self._doing = ""
        self._progress: dict[str, Progress] = {}
        self._since = since
        self._was_ready = False
        self.over = False
        """Whether the event of its end was seen."""
        self.changed_at = time.monotonic()

    def poll(self) -> list[Alert] | None:
        """Read on; what a person should be told at once, or ``None`` when nothing happened. Blocking."""
        lines = self._tail.read()
        alerts = []
        for data in lines:
            try:
                event = EVENT.validate_json(data)
            except ValidationError:
                continue
            alert = self._take(event)
            if alert and event.at > self._since:
                alerts.append({"name": self._name, "at": event.at.isoformat(), **alert})
        if not lines:
            return None
        self.changed_at = time.monotonic()
        return alerts

    def view(self) -> dict[str, Any]:
        """What the page's script takes: ``doing``, ``progress``, ``rate``; ``costs`` and ``used`` by Unix time."""
        return {
            "doing": self._doing,
            "progress": [
                {
                    "what": clean_line(progress.what, longest=120),
                    "done": progress.done,
                    "total": progress.total,
                    "figures": clean_line(progress.figures, longest=120),
                }
                for progress in self._progress.values()
            ][-3:],
            "costs": self._points,
            "used": {name: points for name, points in self._used.items() if points},
            "rate": self._burn_rate.per_hour,
        }

    def _take(self, event: Event) -> Alert | None:
        if isinstance(event, CostChanged | Used):
            self._plot(event)
        elif isinstance(event, Progress):
            self._progress.pop(event.what, None)
            if not event.over:
                self._progress[event.what] = event
        elif isinstance(event, StageChanged):
            self._doing = ""
            self._progress.clear()
            return self._stage_alert(event)
        elif isinstance(event, Message | ProviderChosen):
            self._doing = clean_line(event.line, longest=300)
        return _alert(event)

    def _stage_alert(self, event: StageChanged) -> Alert | None:
        if event.stage is Stage.READY:
            again, self._was_ready = self._was_ready, True
            return {"what": "ready", "text": f"{self._workload} is ready{' again' if again else ''}."}
        self.over = event.stage.final
        if event.stage is Stage.FAILED:
            return {"what": "failed", "text": clean_line(event.reason or "It failed.", longest=300)}
        if self.over:
            what = event.stage.value
            return {"what": what, "text": clean_line(event.reason or f"It is {what}.", longest=300)}
        return None

    def _plot(self, event: CostChanged | Used) -> None:
        if isinstance(event, CostChanged):
            self._add_cost(event.at.timestamp(), float(event.cost))
        else:
            self._add_used(event)

    def _add_cost(self, at: float, cost: float) -> None:
        self._points.append((round(at, 1), cost))
        if len(self._points) > POINTS_AT_MOST:
            self._points = [*self._points[:-1:2], self._points[-1]]  # the shape stays, at half the points
        self._burn_rate.add(at, cost)

    def _add_used(self, event: Used) -> None:
        figures = {**event.usage.model_dump(), "save_age": event.save_age}
        for name, points in self._used.items():
            value = figures[name]
            if value is not None:
                points.append((round(event.at.timestamp(), 1), value))
            if len(points) > POINTS_AT_MOST:
                self._used[name] = _halved(points)


def _halved(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Half as many points with the same ends: of two that are one after the other the higher, so that no peak goes."""
    first, *others, last = points
    pairs = zip(others[::2], others[1::2], strict=False)
    odd = others[-1:] if len(others) % 2 else []
    return [first, *(max(pair, key=lambda point: point[1]) for pair in pairs), *odd, last]


def _alert(event: Event) -> Alert | None:
    """What a person should be told at once of it."""
    what, text = "", event.line
    if isinstance(event, ProviderLost):
        what, text = "lost", f"{event.provider_name} was lost: {event.reason}"
    elif isinstance(event, NotSaved):
        what = "stalled"
    elif isinstance(event, LeftOut):
        what = "left-out"
    elif isinstance(event, LabAsks):
        what = "asks"
    elif isinstance(event, Idle):
        what = "idle"
    elif isinstance(event, GpuHandedBack):
        what = "gpu"
    elif isinstance(event, EndsSoon):
        what, text = f"{event.why}-{event.minutes}", _ends_soon(event)
    return {"what": what, "text": clean_line(text, longest=300)} if what else None


def _ends_soon(event: EndsSoon) -> str:
    what = "Its time is over" if event.why == "time" else "Its budget is used up"
    return f"{what} in less than {counted(event.minutes, 'minute')}. Extend it to go on{event.lost}."
