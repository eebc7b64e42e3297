"""A session's log as the page shows it: its events and the Lab's own output, the last few hundred lines."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from golem_launcher.events import EVENT, Event, Message, Stage, StageChanged
from golem_launcher.session.directory import read_lines
from golem_launcher.text import clean_line

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.directory import SessionDirectory

RING_LINES = 500
"""How many lines a page keeps. The files hold all."""

_TAIL_BYTES = 256 * 1024
"""A feed that fell behind further than this starts anew this far from the end: nobody reads faster."""


class LogFeed:
    """The tail of one session's log. ``poll`` does the reading (blocking); lines are numbered from 0."""

    def __init__(self, directory: SessionDirectory) -> None:
        self._events = _Tail(directory.path / "events.jsonl")
        self._lab = _Tail(directory.lab_log)
        self._ring: deque[dict[str, Any]] = deque(maxlen=RING_LINES)
        self._total = 0

    def poll(self) -> dict[str, Any] | None:
        """The lines that are new since the last call, as :meth:`lines` gives them; ``None`` when there are none."""
        fresh = [line for data in self._events.read() for line in _event_lines(data)]
        fresh += [_lab_line(data) for data in self._lab.read()]
        if not fresh:
            return None
        self._total += len(fresh)
        self._ring.extend(fresh)
        return self.lines(min(len(fresh), RING_LINES))

    def lines(self, count: int = RING_LINES) -> dict[str, Any]:
        """The last ``count`` lines kept, with the number of the first of them as ``start``."""
        kept = list(self._ring)[-count:] if count else []
        return {"start": self._total - len(kept), "lines": kept}


class _Tail:
    """Reads what is appended to a file; skips ahead when there is too much of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[bytes]:
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return []
        if size == self._offset:
            return []
        if size < self._offset:  # not ours to explain: somebody cut the file
            self._offset = 0
        skipped = size - self._offset > _TAIL_BYTES
        if skipped:
            self._offset = size - _TAIL_BYTES
        lines, self._offset = read_lines(self._path, self._offset)
        return lines[1:] if skipped else lines  # the first may be the rest of a line


def _event_lines(data: bytes) -> list[dict[str, Any]]:
    try:
        event = EVENT.validate_json(data)
    except ValidationError:
        return [{"source": "event", "level": "warning", "text": "(an unreadable event)"}]
    if not event.line:
        return []
    return [{"source": "event", "level": _level(event), "at": event.at.isoformat(), "text": clean_line(event.line)}]


def _level(event: Event) -> str:
    if isinstance(event, StageChanged):
        return "error" if event.stage is Stage.FAILED else "stage"
    return event.level if isinstance(event, Message) else "info"


def _lab_line(data: bytes) -> dict[str, Any]:
    return {"source": "lab", "level": "info", "text": clean_line(data.decode("utf-8", "replace"))}
