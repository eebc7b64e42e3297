"""Answers the viewers of a session: whoever shows the token of its view-only link, and asks to read.

A viewer may be anybody, and the link may have come to whoever its reader gave it to. So each connection is one question
with a limit of time, there are so many at a time and no more, and what is shown is on the list that the session's agent
gave: there is no path to a file, and none to the session's own link, token, cookies or programs.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

import h11

from golem_launcher.access.lab.lab_frontend import Served
from golem_launcher.access.link.http_connection import HttpConnection, plain
from golem_launcher.access.origin_policy import OriginPolicy
from golem_launcher.access.sockets.in_process_stream import DuplexStream
from golem_launcher.errors import AccessError
from golem_launcher.session.on_disk import view_only_link
from golem_launcher.session.view_only import page
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from golem_launcher.access.origin_policy import Headers
    from golem_launcher.session.view_only.renderings import Renderings
    from golem_launcher.session.view_only.shown_files import ShownFile, ShownFiles, ShownListing

MOST_VIEWERS = 64
"""Connections at a time that are answered."""
_MOST_CONNECTIONS = 2 * MOST_VIEWERS
"""Those are told that there are too many; more are not listened to. Whoever has no link can connect as well, and the
session needs what its process may have open."""
_LONGEST_HEAD = 16 * 1024
_ASK_SECONDS = 10.0
_ANSWER_SECONDS = 120.0
_PIECE = 256 * 1024
_READS = {b"GET", b"HEAD"}
_FILES = "files/"
_AWAY = "The session's machine can't be reached just now. What you see was there before."
_NO_LIST = "The session's machine can't be reached just now. This page looks again by itself."
_MAKING = "One moment: this is being made ready to be seen."


@dataclass(frozen=True)
class _Answer:
    """One, whose body may go on in a file."""

    served: Served
    file: Path | None = None
    end: bytes = b""
    """What comes behind the file."""


class ViewOnlyServer:
    """Serves one session's viewers; a :class:`Listener` calls :meth:`serve` for each connection."""

    def __init__(
        self, directory: Path, origin: str, files: ShownFiles, renderings: Renderings, words: Callable[[], str]
    ) -> None:
        """``directory`` is the session's; ``words`` says what viewers are to know about it at this moment."""
        self._directory = directory
        self._policy = OriginPolicy(frozenset({origin.lower()}), "")
        self._files = files
        self._renderings = renderings
        self._words = words
        self._viewers = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one question of a connection. Raises ``OSError`` or ``AccessError`` if it breaks."""
        if self._viewers >= _MOST_CONNECTIONS:
            raise AccessError("Too many look at this session now.")
        viewer = HttpConnection(h11.Connection(h11.SERVER, _LONGEST_HEAD), DuplexStream(reader, writer, writer.close))
        self._viewers += 1
        try:
            request = await wait_for(viewer.next(), _ASK_SECONDS)
            if isinstance(request, h11.Request):
                answer = await wait_for(self._answer(request), _ANSWER_SECONDS)
                await wait_for(_give(viewer, answer, whole=request.method != b"HEAD"), _ANSWER_SECONDS)
        except (h11.ProtocolError, TimeoutError) as error:
            raise AccessError("It did not speak HTTP, or too slowly.") from error
        finally:
            self._viewers -= 1

    async def _answer(self, request: h11.Request) -> _Answer:
        refused = self._refused(request)
        if refused is not None:
            return _Answer(refused)
        link = await asyncio.to_thread(view_only_link.of, self._directory)
        target = request.target.decode("ascii", "replace")
        place = link.beyond(target) if link is not None else None
        if place is None:
            return _notice(403, "Not to be seen", page.NO_LINK)
        return await self._shown(place, parse_qs(target.partition("?")[2]).get("known", [""])[0])

    def _refused(self, request: h11.Request) -> Served | None:
        """What is said to whoever asks for what nobody gets, with the link or without."""
        if request.method not in _READS:
            refused = plain(405, "This can only be read.")
            return Served(405, [*refused.headers, (b"allow", b"GET, HEAD")], refused.body)
        if refusal := self._policy.refusal(request.method, request.target, list(request.headers)):
            return plain(403, refusal)
        return plain(503, "Too many look at this session now.") if self._viewers > MOST_VIEWERS else None

    async def _shown(self, place: str, known: str) -> _Answer:
        """What is at a ``place`` behind the link, for a viewer who has the version ``known``."""
        listing = await self._files.listing()
        if not place:
            return self._list(listing, known)
        path = unquote(place.removeprefix(_FILES)) if place.startswith(_FILES) else ""
        file = listing.files.get(path)
        if file is not None:
            return await self._file(file, self._about(listing), known)
        if not listing.known:
            return _notice(503, "One moment", _NO_LIST)
        return _notice(404, "Not here", "There is nothing to see at this address, or not any more.")

    def _about(self, listing: ShownListing) -> str:
        """What is to be known of the session beside its files."""
        return self._words() or ("" if listing.fresh else _AWAY if listing.known else _NO_LIST)

    def _list(self, listing: ShownListing, known: str) -> _Answer:
        words = self._about(listing)
        version = _version(words, listing.more, *((file.path, file.stamp) for file in listing.files.values()))
        if known == version:
            return _unchanged()
        return _page(200, page.list_page(self._directory.name, listing, words, version))

    async def _file(self, file: ShownFile, words: str, known: str) -> _Answer:
        made = await self._renderings.of(file)
        problem = _MAKING if made is None else made.problem
        said = " ".join(filter(None, (words, problem)))
        version = _version(file.path, made.stamp if made is not None else "", said)
        if known == version:
            return _unchanged()
        up = "../" * (file.path.count("/") + 1)
        start, end = page.file_page(self._directory.name, file, said, version, up)
        fragment = made.fragment if made is not None else None
        return _Answer(Served(200, _headers(), start), fragment, end)


def _version(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _headers() -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in page.headers().items()]


def _page(status: int, body: bytes) -> _Answer:
    return _Answer(Served(status, _headers(), body))


def _notice(status: int, title: str, words: str) -> _Answer:
    return _page(status, page.notice_page(title, words))


def _unchanged() -> _Answer:
    """The viewer has it already."""
    return _Answer(Served(204, _headers(), b""))


async def _give(viewer: HttpConnection, answer: _Answer, *, whole: bool) -> None:
    """Send an answer, and no body of it unless it is wanted ``whole``; the connection ends with it."""
    served = answer.served
    if answer.file is None:
        await viewer.give_last(Served(served.status, served.headers, served.body + answer.end))
        return
    file = await asyncio.to_thread(answer.file.open, "rb")
    try:
        size = len(served.body) + os.fstat(file.fileno()).st_size + len(answer.end)  # it may be replaced meanwhile
        headers = [*served.headers, (b"content-length", b"%d" % size), (b"connection", b"close")]
        await viewer.send(h11.Response(status_code=served.status, headers=headers))
        if whole:
            await viewer.send(h11.Data(data=served.body))
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await viewer.send(h11.Data(data=piece))
            await viewer.send(h11.Data(data=answer.end))
        await viewer.send(h11.EndOfMessage())
    finally:
        file.close()
