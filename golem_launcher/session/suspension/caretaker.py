"""``python -m golem_launcher.session.suspension.caretaker``: answers at the addresses of sessions that do not run.

Whoever reloads the Lab, or opens a laptop that slept through the end, is told where the files are and how to go on,
in place of a browser's "can't be reached". Who comes back to a suspended session wakes it up, and waits here until it
answers itself. One small process for all sessions of a launcher's directory, since their supervisors have gone by then:
begun when an address is parked, gone when none is any more.
"""

from __future__ import annotations

import contextlib
import errno
import html
import json
import os
import secrets
import selectors
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING

from golem_launcher import files, paths, processes
from golem_launcher.access.link.fetch_metadata import Visit, visit_of
from golem_launcher.access.origin_policy import FAREWELL, OUR_PAGE, OUR_PLACE, html_page, is_of_this_computer
from golem_launcher.agent.whole_number import whole
from golem_launcher.session.on_disk import parked_address, view_only_link
from golem_launcher.session.on_disk.liveness import alive
from golem_launcher.session.on_disk.session_paths import SessionPaths, sessions_locked
from golem_launcher.session.suspension.caretaker_process import LOCK
from golem_launcher.session.suspension.waking_page import told_to_it, waking_page
from golem_launcher.session.suspension.waking_page_service import WakingPageService
from golem_launcher.session.view_only import page as view_only_page
from golem_launcher.socket_owner import is_another_person, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

_LOCK_SECONDS = 2.0
_LOOK_SECONDS = 0.5
_SLOWEST_SECONDS = 10.0
"""A browser that has not asked for anything by then is let go."""
_GONE_SECONDS = 2.0
"""So long the directory of a session may be away that makes room for another one of its name."""
_WAKING = f"/{OUR_PLACE}waking/"
"""Where a page of a suspended session is told and heard; its number follows."""
_LARGEST_BODY = 16
"""Bytes of what a page says."""
_MOST_VIEWERS = 32
"""Of one session, at a time."""
_HEADERS = {name.decode(): value.decode() for name, value in OUR_PAGE}
_PLAIN = {**_HEADERS, "Content-Type": "text/plain"}
_HTML = {**_HEADERS, "Content-Type": "text/html; charset=utf-8"}


class _Address(ThreadingTCPServer):
    """The address of the session in ``directory``. ``handle_request`` when somebody comes there."""

    allow_reuse_address = allow_reuse_port = True  # the session's link is there before, and after
    daemon_threads = True
    timeout = 0

    def __init__(self, directory: Path, place: tuple[str, int], waking: WakingPageService) -> None:
        """Raises ``OSError`` when somebody else has the address."""
        super().__init__(place, _Handler)
        self.socket.setblocking(False)
        self.seen_at = time.monotonic()
        """When it was last seen to be parked."""
        self.directory = directory
        self.place = place
        self.waking = waking
        self._began: dict[Any, float] = {}
        """When each connection did that is open."""

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, from its beginning to its end."""
        self._began[request] = time.monotonic()
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._began[request]

    def hear_out(self) -> None:
        """Hear nobody any more who has not said by now what they want: byte by byte nobody is ever silent for long."""
        for request, began in list(self._began.items()):
            if time.monotonic() - began > _SLOWEST_SECONDS:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RD)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Another person's program is refused before it has a thread: thousands that say nothing hold nobody up."""
        if not is_another_person(client_address, request.getsockname()):
            return True
        with contextlib.suppress(OSError):
            request.sendall(refusal())
        return False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that left is no matter for a log."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _ViewersAddress(_Address):
    """Where others see the notebooks of a session that runs: they are told that it does not, and wake nothing up.

    Whoever has the link comes in, another person of this computer as well; so there are only so many at a time.
    """

    def __init__(self, directory: Path, place: tuple[str, int], waking: WakingPageService) -> None:
        """Raises ``OSError`` when somebody else has the address."""
        super().__init__(directory, place, waking)
        self.RequestHandlerClass = _ViewersHandler
        self._room = threading.BoundedSemaphore(_MOST_VIEWERS)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base class has them
        """Whoever comes, while there is room."""
        return self._room.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As of any address; there is room for another one then."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()


class _Handler(BaseHTTPRequestHandler):
    server: _Address
    timeout = _SLOWEST_SECONDS

    def do_GET(self) -> None:
        """Tell a person by a page, and pages' own scripts by JSON. It changes nothing."""
        what = parked_address.of(self.server.directory)
        if not self._comes_in():
            self._give(403, _PLAIN, b"")
        elif what is None and not self.path.startswith(_WAKING):
            self._give(502, _HTML, html_page("One moment", "<p>The session comes back.</p>", again_seconds=1))
        elif what is None or self.path.startswith(_WAKING):
            self._give(200, *told_to_it(self.server.waking.look(self.path[len(_WAKING) :])))
        elif self.path.endswith(FAREWELL):
            self._give(200, {**_HEADERS, "Content-Type": "application/json"}, json.dumps(what.news).encode())
        elif what.suspended is not None:
            self._show_suspended()
        else:
            body = "".join(f"<p>{html.escape(line)}</p>" for line in what.told.splitlines())
            self._give(410, _HTML, html_page("This session has ended", body))

    def do_POST(self) -> None:
        """A page of a suspended session wakes it up."""
        size = whole(self.headers.get("Content-Length") or "0")
        if not self._comes_in() or not self.path.startswith(_WAKING):
            self._give(403, _PLAIN, b"")
        elif size is None or size > _LARGEST_BODY:
            self._give(400, _PLAIN, b"")
        else:
            hours = self.rfile.read(size).decode(errors="replace")
            self._give(200, *told_to_it(self.server.waking.wake(self.path[len(_WAKING) :], hours)))

    def _comes_in(self) -> bool:
        """Whether it asks by a name of this computer's, as ssh forwards it too."""
        return is_of_this_computer(self._host)

    @property
    def _host(self) -> str:
        return (self.headers.get("Host") or "").lower()

    def _show_suspended(self) -> None:
        name = self.server.directory.name
        headers = {name.lower(): value for name, value in self.headers.items()}
        visit = visit_of(self.path, headers, _token(self.server.directory))
        if visit is Visit.BACKGROUND:
            self._give(503, _PLAIN, b"The session is suspended. Nobody woke it up by this.\n")
        elif visit is Visit.STRANGER:
            body = f"<p>Its own link wakes it up: <code>golem-launcher open {html.escape(name)}</code></p>"
            self._give(503, _HTML, html_page("This session is suspended", body))
        else:
            number = self.server.waking.begin(self.server.directory, by_themselves=visit is Visit.OWN)
            self._give(503, *waking_page(name, _WAKING + number, f"http://{self._host}"))

    def _give(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: who looks at the Lab is nobody's business."""


class _ViewersHandler(_Handler):
    """Shows no more than that there is nothing to see."""

    def do_GET(self) -> None:
        """Tell a viewer, by the link's own kind of page."""
        directory = self.server.directory
        link, what = view_only_link.of(directory), parked_address.of(directory)
        if not self._comes_in():
            self._give(403, _PLAIN, b"")
        elif link is None or link.beyond(self.path) is None:
            self._notice(403, "Not to be seen", view_only_page.NO_LINK)
        elif what is None:
            self._notice(503, "One moment", "The session comes back.")
        elif what.suspended is not None:
            words = "Its owner pauses it. What was here is shown again, by this link, once they go on."
            self._notice(503, "This session is suspended", words)
        else:
            self._notice(410, "This session has ended", "There is nothing to see any more.")

    def do_POST(self) -> None:
        """It can only be read."""
        self._give(405, {**_PLAIN, "Allow": "GET, HEAD"}, b"This can only be read.\n")

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815 - the base class finds them by these names

    def _notice(self, status: int, title: str, words: str) -> None:
        self._give(status, view_only_page.headers(), view_only_page.notice_page(title, words))


def _token(directory: Path) -> str:
    """What opens the session's Lab; no token, by which nobody is known, where it can't be read."""
    try:
        return (directory / "token").read_text()
    except OSError:
        return secrets.token_hex(24)


_Post = tuple["Path", type[_Address]]
"""A session's directory, and what answers at one of its addresses."""


def _names(posts: Iterable[_Post], of: type[_Address] = _Address) -> list[str]:
    """The sessions at whose addresses it is, or should be: their own, or those ``of`` that kind."""
    return sorted(directory.name for directory, kind in posts if kind is of)


def _renew_link(directory: Path, place: tuple[str, int]) -> bool:
    """Have the view-only link of a session open nothing any more, as viewers told it to whoever has its address.

    Whether that is done: not while somebody wakes it up, or when that is its supervisor's business by now.
    """
    try:
        with sessions_locked(seconds=0):
            link = view_only_link.of(directory)
            if link is not None and link.place == place and not alive(SessionPaths(directory)):
                view_only_link.write(directory, view_only_link.made(link.address))
                return True
    except OSError:  # a full disk as well
        pass
    return False


class _Round:
    """Answers at all addresses that are parked in ``sessions``."""

    def __init__(self, sessions: Path) -> None:
        self._sessions = sessions
        self._waking = WakingPageService()
        self._coming = selectors.DefaultSelector()
        self._servers: dict[_Post, _Address] = {}
        self._renewed: set[_Post] = set()
        """Where another program has the address of a link that it can't know."""
        self._written: dict[str, Any] = {}
        """What others know of it."""

    def run(self) -> None:
        """Until nothing is parked any more."""
        while self._look():
            for server in self._servers.values():
                server.hear_out()
            until = time.monotonic() + _LOOK_SECONDS
            while (left := until - time.monotonic()) > 0:
                for key, _ in self._coming.select(left):
                    key.data.handle_request()

    def close(self) -> None:
        """Let go of all addresses."""
        for post in list(self._servers):
            self._let_go(post)
        self._coming.close()

    def _look(self) -> bool:
        """Answer where something is parked and nowhere else; whether anything is."""
        places = dict(self._posts())
        for post, server in list(self._servers.items()):
            if places.get(post) == server.place:
                server.seen_at = time.monotonic()
            elif parked_address.has_left_word(post[0]) or time.monotonic() - server.seen_at > _GONE_SECONDS:
                self._let_go(post)
        kept_out = []
        for post, place in places.items():
            if post not in self._servers:
                try:
                    self._take(post, place)
                except OSError as error:
                    if error.errno == errno.EADDRINUSE:  # another program has it
                        kept_out.append(post)
        self._renewed.intersection_update(kept_out)
        for post in kept_out:
            if post[1] is _ViewersAddress and post not in self._renewed and _renew_link(post[0], places[post]):
                self._renewed.add(post)
        viewers = _names(self._servers, _ViewersAddress)
        self._write({"answers": _names(self._servers), "answers_viewers": viewers, "kept_out": _names(kept_out)})
        return bool(places or self._servers)

    def _posts(self) -> Iterator[tuple[_Post, tuple[str, int]]]:
        """Where it is to answer, for whom, and how."""
        for directory, what in parked_address.everywhere(self._sessions):
            yield (directory, _Address), what.place
            link = view_only_link.of(directory)
            if link is not None:
                yield (directory, _ViewersAddress), link.place

    def _write(self, told: dict[str, Any]) -> None:
        """Have others know where it answers, and where it can't."""
        if told != self._written:
            with contextlib.suppress(OSError):  # the disk takes nothing: at the next look again
                files.write_json(
                    self._sessions / parked_address.CARETAKER, processes.ProcessRecord.of(os.getpid()).to_json() | told
                )
                self._written = told

    def _take(self, post: _Post, place: tuple[str, int]) -> None:
        directory, kind = post
        server = self._servers[post] = kind(directory, place, self._waking)
        self._coming.register(server.fileno(), selectors.EVENT_READ, server)

    def _let_go(self, post: _Post) -> None:
        server = self._servers.pop(post)
        self._coming.unregister(server.fileno())
        server.server_close()


def main() -> int:
    """Answer for all sessions, unless another caretaker does."""
    sessions = paths.sessions_directory()
    while True:
        try:
            with (
                files.locked(sessions / LOCK, deadline=_LOCK_SECONDS),
                contextlib.closing(_Round(sessions)) as at_work,
            ):
                at_work.run()
        except (TimeoutError, FileNotFoundError):  # another one is at work; or the launcher's directory is gone
            return 0
        if not any(parked_address.everywhere(sessions)):  # whoever parked one since then saw this one at work
            return 0


if __name__ == "__main__":
    sys.exit(main())
