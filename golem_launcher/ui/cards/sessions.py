"""The cards of all sessions: a view of the session directories; what is done goes to the supervisors."""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from golem_launcher.events import now
from golem_launcher.ui.cards.downloads import Downloads, Make, write_log, write_results
from golem_launcher.ui.cards.event_digest import EventDigest
from golem_launcher.ui.cards.job_results import write_made
from golem_launcher.ui.cards.jobs import JobViews
from golem_launcher.ui.cards.links import session_link
from golem_launcher.ui.cards.logfeed import LogFeed, search
from golem_launcher.ui.cards.supervisor_polling import SupervisorPolling
from golem_launcher.ui.cards.view_model import SessionViews
from golem_launcher.ui.common.deferred_imports import loaded
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.ui.cards.actions import Actions
    from golem_launcher.ui.cards.view import SessionsView

_T = TypeVar("_T")

LOG_SECONDS = 0.25
"""The least time between two batches of log lines."""

DIGEST_SECONDS = 1.0
"""The least time between two updates of plot and progress, but for what a person must hear at once."""

_AFTER_END_SECONDS = 5.0
"""How long the events of a session that is over are still read: its state is on disk a moment before them."""

_TIDY_SECONDS = 30.0

_KINDS: dict[str, tuple[str, Make]] = {
    "log": ("log.zip", write_log),
    "results": ("results.zip", write_results),
    "made": ("results.zip", write_made),
}


class SessionCards:
    """All sessions on disk, in ``view``. ``refresh`` reads them; between two calls nothing happens.

    ``on_relaunch`` gets the request of a session that is to be started again.
    """

    def __init__(
        self, view: SessionsView, *, on_relaunch: Callable[[LaunchRequest], None] = lambda _request: None
    ) -> None:
        self.view = view
        self._opened = now()
        self._session_views = SessionViews()
        self._heartbeat = SupervisorPolling()
        self._directories: dict[str, SessionDirectory] = {}
        self._feeds: dict[str, LogFeed] = {}
        self._digests: dict[str, EventDigest] = {}
        self._links: dict[str, str] = {}
        self._jobs = JobViews()
        self._logs_sent = self._digests_sent = self._jobs_sent = self._tidied = float("-inf")
        self._untold: set[str] = set()
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="page")  # for what may take a minute
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sessions")
        """Nothing but reading sessions: what waits for a network elsewhere must not keep them from being shown."""
        self.downloads = Downloads(view.send, _KINDS, self._threads)
        self._on_relaunch = on_relaunch
        self._acts: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "here": self._here,
            "search": self._search,
            "find": self._find,
            "fetch": self.downloads.fetch,
            "part": self.downloads.part,
            "release": self.downloads.release,
        }

    def close(self) -> None:
        """End what this does in the background."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._heartbeat.close()
        self.downloads.close()

    async def refresh(self) -> None:
        """Read the directories once and tell the front ends what changed."""
        sessions, self._directories = await self._read(self._session_views.read)
        live = [
            {**view, "trouble": clean_line(self._heartbeat.trouble(view["name"])) or view["trouble"]}
            for view in sessions
            if view["live"]
        ]
        self._heartbeat.look(self._directories[view["name"]] for view in live if view["alive"])
        past = [view for view in sessions if not view["live"]]
        many = self._session_views.past_count, self._session_views.looked_for
        view = self.view
        if (live, past, *many) != (view.live, view.past, view.past_count, view.looked_for):
            with view.hold_sync():
                view.clock = now().isoformat()
                view.live, view.past = live, past
                view.past_count, view.looked_for = many
        self._feeds = {name: feed for name, feed in self._feeds.items() if name in self._directories}
        await self._tell_links()
        await self._tell_digests()
        if time.monotonic() - self._jobs_sent >= DIGEST_SECONDS:
            self._jobs_sent = time.monotonic()
            await self._tell_jobs()
        if time.monotonic() - self._logs_sent >= LOG_SECONDS:
            self._logs_sent = time.monotonic()
            await self._tell_logs()
        self._close_down_unattended()

    async def _read(self, read: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, read, *arguments)

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end."""
        kind = str(content.get("kind"))
        act = self._acts.get(kind)
        if act is None:
            await loaded()
            act = self._actions.by_kind.get(kind)
        if act is not None:
            await act(content)

    @functools.cached_property
    def _actions(self) -> Actions:
        from golem_launcher.ui.cards.actions import Actions  # noqa: PLC0415 - not needed to show the page

        return Actions(self.view.send, self._threads, self._on_relaunch)

    async def _here(self, content: dict[str, Any]) -> None:
        """A view is there; ``logs`` says which logs it shows, and the number of the last line that it has of each."""
        self.view.send({"kind": "links", "links": self._links})
        self.view.send({"kind": "digests", "digests": {name: digest.view() for name, digest in self._digests.items()}})
        self.view.send({"kind": "jobs", "jobs": self._jobs.all()})
        logs = content.get("logs")
        for name, last in logs.items() if isinstance(logs, dict) else ():
            await self._watch(name, last)
        await self.view.here(content)

    async def _watch(self, name: str, last: Any) -> None:
        if name not in self._directories or not isinstance(last, int):
            return
        feed = self._feeds.setdefault(name, LogFeed(self._directories[name]))
        await self._read(feed.poll)
        lines = feed.lines(after=last)
        if lines:
            self.view.send({"kind": "log", "name": name, "lines": lines, "skipped": False, "after": last})

    async def _search(self, content: dict[str, Any]) -> None:
        name, text, sources = content.get("name"), str(content.get("text", "")), content.get("sources")
        if name in self._directories and isinstance(sources, list):
            directory = self._directories[name]
            lines = await asyncio.to_thread(search, directory, text, [str(source) for source in sources])
            self.view.send({"kind": "found", "name": name, "text": text, "lines": lines})

    async def _find(self, content: dict[str, Any]) -> None:
        """Look through all sessions that are over; the next refresh shows what is found."""
        await asyncio.to_thread(self._session_views.find, str(content.get("text", "")))

    async def _tell_logs(self) -> None:
        for name, feed in tuple(self._feeds.items()):
            lines = await self._read(feed.poll)
            if lines:
                self.view.send({"kind": "log", "name": name, **lines})

    async def _tell_digests(self) -> None:
        for view in self.view.live:
            if view["name"] not in self._digests:
                directory = self._directories[view["name"]]
                self._digests[view["name"]] = EventDigest(directory, view["workload"], self._opened)
        if not self._digests:
            return
        alerts = await self._read(self._read_digests)
        if alerts:
            self.view.send({"kind": "alerts", "alerts": alerts})
        if self._untold and time.monotonic() - self._digests_sent >= DIGEST_SECONDS:
            self._digests_sent = time.monotonic()
            news = {name: self._digests[name].view() for name in self._untold if name in self._digests}
            self._untold.clear()
            self.view.send({"kind": "digests", "digests": news})

    def _read_digests(self) -> list[dict[str, str]]:
        alerts = []
        living = {view["name"] for view in self.view.live}
        for name, digest in tuple(self._digests.items()):
            found = digest.poll()
            if found is not None:
                self._untold.add(name)
                alerts += found
            long_over = time.monotonic() - digest.changed_at > _AFTER_END_SECONDS
            if name not in living and (digest.over or long_over):
                del self._digests[name]
        return alerts

    async def _tell_jobs(self) -> None:
        names = [view["name"] for view in (*self.view.live, *self.view.past) if view["job"]]
        news = await self._read(self._jobs.read, names)
        if news:
            self.view.send({"kind": "jobs", "jobs": news})

    async def _tell_links(self) -> None:
        if self.view.remote:
            return
        ready = [view["name"] for view in self.view.live if view["alive"] and view["started"]]
        links = {}
        for name in ready:
            link = await self._read(session_link, self._directories[name])
            if link:
                links[name] = link
        if links != self._links:
            self._links = links
            self.view.send({"kind": "links", "links": links})

    def _close_down_unattended(self) -> None:
        """Let what a dead supervisor left be closed down; its card then says how it ended."""
        from golem_launcher.session.cleanup import housekeeping  # noqa: PLC0415 - not needed to show the page

        unattended = any(not view["alive"] for view in self.view.live)
        if unattended and time.monotonic() - self._tidied >= _TIDY_SECONDS:
            self._tidied = time.monotonic()
            self._threads.submit(housekeeping.tidy)
