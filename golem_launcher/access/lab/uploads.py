"""Large files that a page of JupyterLab sends: in parts of a megabyte, each of which it has answered before the next.

Through Golem's VPN that is slow on the fastest line. So parts are gathered on this side and asked over there many at a
time, as the page asked them. JupyterLab itself answers the first part, each whose cookies or token are others than the
ones before, and the last: only then the page takes the file for sent. A part in between is answered here when it is
taken, by JupyterLab's answer to the first one; what JupyterLab refuses meanwhile is the answer to the next part.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from golem_launcher.errors import AccessError, LauncherError
from golem_launcher.untrusted_json import json_value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.origin_policy import Headers

PLACE = "/api/contents/"
"""Below JupyterLab's base."""
LARGEST = 4 * 1024 * 1024
"""Bytes of a part as it is asked; a page's has 1.4 million."""
_LEAST = 500_000
"""Of the first: a file that is smaller is sent at once."""
_MOST = 4
"""Uploads at a time that are gathered."""
_MOST_BROKEN = 256
"""So many that broke are remembered, the last ones."""
_GOOD = range(200, 300)
_OF_ONE_PART = {b"content-length", b"transfer-encoding", b"expect", b"accept-encoding"}
_LAST = -1
_CONTENT = re.compile(rb'"content"\s*:\s*"')


@dataclass(frozen=True)
class UploadAnswer:
    """JupyterLab's answer to one part of a file that a page uploads."""

    status: int
    headers: Headers
    body: bytes

    @property
    def good(self) -> bool:
        """Whether JupyterLab took the part."""
        return self.status in _GOOD


_BROKEN = UploadAnswer(
    502,
    [(b"content-type", b"application/json")],
    b'{"message": "The way to the session broke, and the file is not whole there. Send it again.", "reason": null}',
)
"""What a page is told when nobody knows what became of a part: it shows the message."""


class UploadRefused(Exception):  # noqa: N818 - it is an answer
    """JupyterLab did not take a part."""

    def __init__(self, answer: UploadAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Sending(Protocol):
    """Has the parts of an upload asked over there. All but ``aclose`` raise ``UploadRefused`` and ``LauncherError``."""

    async def add(self, target: str, model: dict[str, Any], content: bytes) -> None:
        """Ask this as well, soon: ``content`` is that of the ``model``, raw. Waits for room."""

    async def answer(self) -> UploadAnswer:
        """What was said to the last part, once all are answered."""

    @property
    def over(self) -> bool:
        """Whether nothing more of it is taken."""

    async def aclose(self) -> None:
        """Let go of it; what is not asked yet is not."""


@dataclass(frozen=True)
class _Part:
    """One question of a page."""

    number: int
    """From 1 on; the last is -1."""
    model: dict[str, Any]
    """All of it but the content."""
    content: bytes


@dataclass
class _Upload:
    """One that is under way."""

    sending: Sending
    headers: Headers
    number: int = 0
    """Of the part that was taken last."""
    size: int = 0
    model: dict[str, Any] = field(default_factory=dict)
    """What JupyterLab said of the file at first."""

    def so_far(self) -> UploadAnswer:
        """What JupyterLab would say once it had all that was taken."""
        body = json.dumps({**self.model, "size": self.size}).encode()
        return UploadAnswer(200, [(b"content-type", b"application/json")], body)

    async def drain(self) -> None:
        """Wait until all that was taken by now is answered, or can't be."""
        with contextlib.suppress(UploadRefused, LauncherError, OSError):
            await self.sending.answer()


class ActiveUploads:
    """A session's uploads in progress, by their paths below JupyterLab's base."""

    def __init__(self, begin: Callable[[Headers], Awaitable[Sending]]) -> None:
        """``begin`` makes what has parts asked with these headers. Raises ``AccessError`` where there is no way."""
        self._begin = begin
        self._under_way: dict[str, _Upload] = {}
        self._broken: dict[str, None] = {}
        """Where a file is not whole, though its page was told that its parts were taken: only a first part goes on."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of the parts for a path: none passes another that is on its way."""

    def may_be_part(self, path: str, length: int) -> bool:
        """Whether what a page puts at ``path``, of so many bytes, may be part of an upload."""
        known = path in self._under_way or path in self._broken
        return 0 < length <= LARGEST and (length >= _LEAST or known)

    async def take(self, path: str, target: str, headers: Headers, body: bytes) -> UploadAnswer | None:
        """The answer to a part; ``None`` for what JupyterLab is to be asked as usual, once this returns.

        ``target`` and ``headers`` are those with which it is asked. Whoever asks with others than the parts before is
        judged by JupyterLab, and changes nothing for these.
        """
        part = await asyncio.to_thread(_part, body)
        shown = [(name, value) for name, value in headers if name not in _OF_ONE_PART]
        if part is None:
            await self.drain(path)
            return None
        turn = self._turns.setdefault(path, asyncio.Lock())
        async with turn:
            return await self._in_turn(path, target, shown, part)

    async def drain(self, path: str) -> None:
        """Wait until what was taken by now for what is at ``path``, below it or above is on its way no more."""
        for other, upload in list(self._under_way.items()):
            if f"{other}/".startswith(f"{path}/") or f"{path}/".startswith(f"{other}/"):
                await upload.drain()

    async def _in_turn(self, path: str, target: str, headers: Headers, part: _Part) -> UploadAnswer | None:
        upload = self._under_way.get(path)
        if upload is None:
            if part.number == 1:
                return await self._first(path, target, headers, part)
            return _BROKEN if path in self._broken else None
        if headers != upload.headers:
            return await self._by_another(path, upload, target, headers, part)
        if part.number == 1:  # the page begins anew
            await self._end(path)
            return await self._first(path, target, headers, part)
        try:
            return await self._next(path, upload, target, part)
        except UploadRefused as refused:
            answer = refused.answer
        except (LauncherError, OSError):
            answer = _BROKEN
        await self._break(path)
        return answer

    async def _next(self, path: str, upload: _Upload, target: str, part: _Part) -> UploadAnswer | None:
        if part.number not in {upload.number + 1, _LAST}:
            await upload.sending.answer()
            await self._end(path)
            return None
        await self._add(upload, target, part)
        if part.number != _LAST:
            return upload.so_far()
        answer = await upload.sending.answer()
        await self._end(path)
        return answer

    async def _first(self, path: str, target: str, headers: Headers, part: _Part) -> UploadAnswer | None:
        """JupyterLab's own answer to a first part; the others are gathered once it took that."""
        for other in [other for other, each in self._under_way.items() if each.sending.over]:
            await self._break(other)
        if len(self._under_way) >= _MOST:
            return None
        try:
            upload = _Upload(await self._begin(headers), headers)
        except (AccessError, OSError):
            return None
        try:
            answer = await self._asked(upload, target, part)
        except (LauncherError, OSError):  # asked once more it begins the file anew
            await upload.sending.aclose()
            return None
        if answer.good:
            self._under_way[path] = upload
            self._broken.pop(path, None)
        else:
            await upload.sending.aclose()
        return answer

    async def _by_another(
        self, path: str, upload: _Upload, target: str, headers: Headers, part: _Part
    ) -> UploadAnswer | None:
        """A part with other cookies or another token: the page's, which were renewed, or a stranger's."""
        try:
            await upload.sending.answer()
        except (UploadRefused, LauncherError, OSError):
            await self._break(path)
            return await self._in_turn(path, target, headers, part)
        if part.number not in {upload.number + 1, _LAST}:
            return None
        try:
            sending = await self._begin(headers)
        except (AccessError, OSError):
            return _BROKEN
        asked = _Upload(sending, headers, upload.number, upload.size)
        try:
            answer = await self._asked(asked, target, part)
        except (LauncherError, OSError):  # nobody knows whether it was taken
            await sending.aclose()
            await self._break(path)
            return _BROKEN
        if not answer.good:
            await sending.aclose()
            return answer
        await upload.sending.aclose()
        self._under_way[path] = asked
        if part.number == _LAST:
            await self._end(path)
        return answer

    async def _asked(self, upload: _Upload, target: str, part: _Part) -> UploadAnswer:
        """JupyterLab's own answer to a part."""
        try:
            await self._add(upload, target, part)
            answer = await upload.sending.answer()
        except UploadRefused as refused:
            answer = refused.answer
        upload.model = _model(answer)
        return answer

    async def _add(self, upload: _Upload, target: str, part: _Part) -> None:
        await upload.sending.add(target, part.model, part.content)
        upload.number = part.number
        upload.size += len(part.content)

    async def _end(self, path: str) -> None:
        """Nothing more of it is gathered. Whoever asks for the same path waits for its turn meanwhile."""
        upload = self._under_way[path]
        await upload.drain()
        await upload.sending.aclose()
        self._under_way.pop(path, None)

    async def _break(self, path: str) -> None:
        """What its page was told to be taken may be lost."""
        await self._end(path)
        self._broken[path] = None
        while len(self._broken) > _MOST_BROKEN:
            del self._broken[next(iter(self._broken))]


def _part(body: bytes) -> _Part | None:
    """The part of an upload that is asked by this ``body``; ``None`` for anything else.

    The content is cut out of the JSON, which is read without it: a megabyte of text takes long to parse.
    """
    import pybase64  # noqa: PLC0415 - most sessions take no upload

    begins = _CONTENT.search(body)
    end = body.find(b'"', begins.end()) if begins is not None else -1
    if begins is None or end < 0:
        return None
    try:
        model = json_value(body[: begins.end()] + body[end:], most=LARGEST)
        content = pybase64.b64decode(memoryview(body)[begins.end() : end], validate=True)
    except ValueError:
        return None
    if not isinstance(model, dict) or model.get("type") != "file" or model.get("format") != "base64":
        return None
    number = model.get("chunk")
    if isinstance(number, bool) or not isinstance(number, int) or model.pop("content", None) != "":
        return None
    return _Part(number, model, content)


def _model(answer: UploadAnswer) -> dict[str, Any]:
    try:
        model = json_value(answer.body, most=len(answer.body))
    except ValueError:
        return {}
    return model if isinstance(model, dict) else {}
