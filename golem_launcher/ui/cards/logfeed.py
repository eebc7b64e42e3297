"""A session's log for the page: events, its workload's output and the supervisor's log, the end of each."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from golem_launcher.events import EVENT, Event, Message, ProviderLost, Stage, StageChanged
from golem_launcher.ui.cards.file_tail import Tail
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from golem_launcher.session.on_disk.directory import SessionDirectory

RING_LINES = 500
"""How many lines of each source a page keeps. The files hold all."""

FLOOD_LINES = 100
"""How many lines of each source a page gets at once while that source goes on to say more than anybody could read."""

FOUND_AT_MOST = 200
"""How many lines a search gives: the last ones."""

_SEARCHED_BYTES = 64 * 1024 * 1024
"""How much of the end of each file is searched."""

Line = dict[str, Any]


def _sources(directory: SessionDirectory) -> dict[str, tuple[Path, Callable[[bytes], Line | None]]]:
    """The files a log is made of, by the word the page has for each, and what makes a line of one of theirs."""
    return {
        "event": (directory.path / "events.jsonl", _event_line),
        "workload": (directory.workload_log, _workload_line),
        "detail": (directory.supervisor_log, _detail_line),
    }


class LogFeed:
    """The tail of one session's log. ``poll`` does the reading (blocking); lines are numbered from 1, as ``n``.

    What one call of ``poll`` gave comes by no other: one at a time reads.
    """

    def __init__(self, directory: SessionDirectory) -> None:
        sources = _sources(directory)
        self._sources = [(Tail(path), read, deque[Line](maxlen=RING_LINES)) for path, read in sources.values()]
        self._flooded: set[Tail] = set()
        """Those that brought more than a ring's lines the last time."""
        self._total = 0
        self._reading = threading.Lock()

    def poll(self) -> dict[str, Any] | None:
        """The ``lines`` new since the last call, those ``after`` a number; ``None`` when there are none.

        ``skipped`` tells that there were more between.
        """
        with self._reading:
            return self._poll()

    def _poll(self) -> dict[str, Any] | None:
        fresh: list[Line] = []
        skipped, before = False, self._total
        for tail, read, ring in self._sources:
            found = tail.read()
            too_many = tail.skipped or len(found) > RING_LINES
            most = FLOOD_LINES if too_many and tail in self._flooded else RING_LINES
            (self._flooded.add if too_many else self._flooded.discard)(tail)
            skipped = skipped or too_many
            self._total += max(len(found) - most, 0)
            for data in found[-most:]:  # cleaning is most of the work: only what will be seen
                self._total += 1
                line = read(data)
                if line is not None:
                    line["n"] = self._total
                    ring.append(line)
                    fresh.append(line)
        return {"lines": fresh, "skipped": skipped, "after": before} if fresh else None

    def lines(self, *, after: int = 0) -> list[Line]:
        """The lines kept whose number is higher than ``after``, in the order in which they came."""
        with self._reading:
            kept = [line for *_, ring in self._sources for line in ring if line["n"] > after]
        return sorted(kept, key=lambda line: int(line["n"]))


def search(directory: SessionDirectory, text: str, sources: Iterable[str]) -> list[Line]:
    """The last lines of the whole log, in the files named by ``sources``, that hold ``text`` in any case. Blocking."""
    found: list[Line] = []
    wanted = text.casefold()
    for name, (path, read) in _sources(directory).items():
        if name in sources:
            kept: deque[Line] = deque(maxlen=FOUND_AT_MOST)
            for data in _end_of(path):
                # As bytes first: most lines do not match, and need not be cleaned to know.
                if wanted.isascii() and wanted.encode() not in data.lower():
                    continue
                line = read(data)
                if line is not None and wanted in line["text"].casefold():
                    kept.append(line)
            found += kept
    return found[-FOUND_AT_MOST:]


def _end_of(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _SEARCHED_BYTES, 0))
            yield from file
    except OSError:
        return


def _event_line(data: bytes) -> Line | None:
    try:
        event = EVENT.validate_json(data)
    except ValidationError:
        return {"source": "event", "level": "warning", "text": "(an unreadable event)"}
    if not event.line:
        return None
    return {"source": "event", "level": _level(event), "at": event.at.isoformat(), "text": clean_line(event.line)}


def _level(event: Event) -> str:
    if isinstance(event, StageChanged):
        return "error" if event.stage is Stage.FAILED else "stage"
    if isinstance(event, ProviderLost):
        return "warning"
    return event.level if isinstance(event, Message) else "info"


def _workload_line(data: bytes) -> Line:
    return {"source": "workload", "level": "info", "text": clean_line(data.decode("utf-8", "replace").rstrip("\r\n"))}


def _detail_line(data: bytes) -> Line:
    return {"source": "detail", "level": "info", "text": clean_line(data.decode("utf-8", "replace").rstrip("\r\n"))}
