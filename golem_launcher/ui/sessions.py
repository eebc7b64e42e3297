"""The session cards: stages, cost, time left, log, the link, Abort. A view of the session directories."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import traitlets

from golem_launcher.events import now
from golem_launcher.session import client
from golem_launcher.ui.assets import script, style
from golem_launcher.ui.links import lab_link, on_hub
from golem_launcher.ui.logfeed import LogFeed
from golem_launcher.ui.projection import Projection

if TYPE_CHECKING:
    from golem_launcher.session.directory import SessionDirectory

LOG_SECONDS = 0.25
"""The least time between two batches of log lines."""


class SessionCards(anywidget.AnyWidget):
    """All sessions on disk. ``refresh`` reads them; between two calls nothing happens."""

    _esm: ClassVar[str] = script("log.js", "card.js", "sessions.js")
    _css: ClassVar[str] = style("sessions.css")

    sessions = traitlets.List().tag(sync=True)
    clock = traitlets.Unicode().tag(sync=True)
    """The kernel's time when ``sessions`` changed: the browser's may differ."""

    remote = traitlets.Bool().tag(sync=True)
    """Whether the browser is on another machine than the sessions' addresses."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(remote=on_hub(), **kwargs)
        self._projection = Projection()
        self._directories: dict[str, SessionDirectory] = {}
        self._feeds: dict[str, LogFeed] = {}
        self._links: dict[str, str] = {}
        self._logs_sent = float("-inf")

    async def refresh(self) -> None:
        """Read the directories once and tell the front ends what changed."""
        sessions, directories = await asyncio.to_thread(self._projection.read)
        if sessions != self.sessions:
            with self.hold_sync():
                self.clock = now().isoformat()
                self.sessions = sessions
        self._directories = directories
        self._feeds = {name: feed for name, feed in self._feeds.items() if name in directories}
        await self._tell_links()
        if time.monotonic() - self._logs_sent >= LOG_SECONDS:
            self._logs_sent = time.monotonic()
            await self._tell_logs()

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end."""
        kind, name = content.get("kind"), content.get("name")
        if kind == "hello":  # a new view: it has the sessions, but not what went by in messages
            self.send({"kind": "links", "links": self._links})
        elif not isinstance(name, str) or name not in self._directories:
            return
        elif kind == "watch":
            await self._watch(name)
        elif kind == "abort":
            await asyncio.to_thread(client.stop, name)

    async def _watch(self, name: str) -> None:
        feed = self._feeds.get(name)
        if feed is None:
            feed = self._feeds[name] = LogFeed(self._directories[name])
            await asyncio.to_thread(feed.poll)
        self.send({"kind": "log", "name": name, **feed.lines()})

    async def _tell_logs(self) -> None:
        for name, feed in tuple(self._feeds.items()):
            lines = await asyncio.to_thread(feed.poll)
            if lines:
                self.send({"kind": "log", "name": name, **lines})

    async def _tell_links(self) -> None:
        if self.remote:
            return
        ready = [view["name"] for view in self.sessions if view["live"] and view["alive"] and view["started"]]
        links = {}
        for name in ready:
            link = await asyncio.to_thread(lab_link, self._directories[name])
            if link:
                links[name] = link
        if links != self._links:
            self._links = links
            self.send({"kind": "links", "links": links})
