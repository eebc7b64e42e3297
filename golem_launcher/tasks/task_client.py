"""Talks to a machine's task server by the session's port socket. Believes nothing: bounds and checks are ours."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.access.machine.provider_http import ProviderHttp
from golem_launcher.connection_errors import silence_reason
from golem_launcher.errors import AccessError, ProviderError, ProviderSilent
from golem_launcher.tasks.payload import SILENT_SECONDS, Answer, TaskOutput
from golem_launcher.units import data_size
from golem_launcher.untrusted_json import json_value, number
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from typing import Self

    from golem_launcher.access.machine.provider_http import Dial
    from golem_launcher.tasks.payload import Payload

_POLL_SECONDS = 20.0
_ANSWER_SECONDS = 30.0
"""For an answer to begin, beside what was asked to wait."""
_GRACE_SECONDS = 30.0
"""So much longer than its time a task may seem to run: the machine ends it, and tells."""
_AGAIN_SECONDS = 0.3
_LONGEST_PAUSE_SECONDS = 5.0
"""Before the same is asked again: a line that is too busy would be busier by it."""
_POLL_SEVERAL_SECONDS = 1.0
"""Where others wait behind the task that runs: they may have to go elsewhere."""
_SLOWEST = 20_000
"""Bytes a second, either way: a machine that is slower is given up, or it could keep a task, and be paid, for ever."""
_LARGEST_LINE = 1024 * 1024
_LARGEST_LOG = 64 * 1024
_LONGEST_LOG = 1024 * 1024
_LARGEST_ANSWER = 3 * 1024 * 1024
"""A line, what was printed and outputs of the largest that comes so, behind as much of others."""
_MOST_OUTPUTS = 10_000
_LEFT_FREE = 1024**3
"""So much of the disk here stays free."""
_MOST_CODES = 1 << 32
_OK = 200
_PIECE = 1024 * 1024


@dataclass
class _There:
    """A task that is at the machine, or about to be."""

    id: str
    payload: Payload
    told: Callable[[bytes], None] | None
    since: float
    """From when on it may be running; in the loop's time."""
    sent: bool = False
    log: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class _News:
    """What an answer says of one task."""

    about: dict[str, Any]
    log: bytes
    inline: tuple[bytes, ...] = ()


class TaskClient:
    """The task server of one machine. ``async with`` it.

    Tasks are given by :meth:`give` and heard of by :meth:`hear`; the machine runs them one after the other.
    """

    def __init__(self, dial: Dial, token: str, incoming: Path, *, most_bytes: int) -> None:
        """``dial`` makes a stream to it; ``incoming``: a directory of ours for what is large.

        ``most_bytes``: of all outputs of a task.
        """
        self._http = ProviderHttp(dial, token)
        self._incoming = incoming
        self._most_bytes = most_bytes
        self._there: dict[str, _There] = {}
        """In the order in which they are run."""
        self._forget: list[str] = []
        """Tasks that are to be removed there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def give(self, task_id: str, payload: Payload, told: Callable[[bytes], None] | None = None) -> None:
        """Have a task run after those that are there; ``told`` hears what it prints. :meth:`hear` sends it."""
        self._there[task_id] = _There(task_id, payload, told, asyncio.get_running_loop().time())

    @property
    def first_seconds(self) -> float:
        """For how long the task that runs may have been running."""
        first = next(iter(self._there.values()), None)
        return asyncio.get_running_loop().time() - first.since if first is not None else 0.0

    def drop(self, *ids: str) -> None:
        """Do without these: what runs of them is ended with the next :meth:`hear`."""
        self._forget += [one for one in ids if self._there.pop(one, None) is not None]

    async def run(self, task_id: str, payload: Payload, told: Callable[[bytes], None] | None = None) -> Answer:
        """Have one task run and bring what came of it. Raises ``ProviderError``, as :meth:`hear` does."""
        self.give(task_id, payload, told)
        while True:
            for known, came in await self.hear():
                if known == task_id:
                    if isinstance(came, ProviderError):
                        raise came
                    return came

    async def hear(self) -> list[tuple[str, Answer | ProviderError]]:
        """Send what was given, and wait for news: the tasks that are over, with what came of each.

        That is an error of the provider's where it can't be brought. Raises ``ProviderSilent`` when the machine is
        silent for a minute, ``ProviderError`` when it does not answer as it should.
        """
        loop_time = asyncio.get_running_loop().time
        heard, pause = loop_time(), _AGAIN_SECONDS
        while True:
            asked = loop_time()
            try:
                news = await self._exchange()
            except (TimeoutError, OSError, AccessError, aiohttp.ClientError) as error:
                if loop_time() - heard > SILENT_SECONDS:
                    raise ProviderSilent(f"It does not answer: {silence_reason(error)}.") from None
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                continue
            over, more = [], False
            for one, told in news:
                self._take_log(one, told.log)
                if len(told.log) >= _LARGEST_LOG and len(one.log) < _LONGEST_LOG:
                    more = True
                elif told.about.get("over") is True:
                    over.append((one.id, await self._came(one, told)))
                    self.drop(one.id)
            first = next(iter(self._there.values()), None)
            if over and first is not None:
                first.since = loop_time()
            elif first is not None and self.first_seconds > first.payload.seconds + _GRACE_SECONDS:
                raise ProviderError("It does not end what has run for too long.")
            if not over and not more:  # it may answer at once, with nothing
                await asyncio.sleep(asked + _AGAIN_SECONDS - loop_time())
            return over

    def _take_log(self, one: _There, log: bytes) -> None:
        if log and len(one.log) < _LONGEST_LOG:
            one.log += log
            if one.told is not None:
                one.told(log)

    async def _came(self, one: _There, news: _News) -> Answer | ProviderError:
        try:
            outputs = await self._outputs(one.id, news)
        except ProviderError as error:
            return error
        most = asyncio.get_running_loop().time() - one.since
        return _answer(news.about, bytes(one.log), outputs, most_seconds=most)

    async def clear(self) -> None:
        """End and remove all that is there, of a runner that was killed."""
        try:
            timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
            async with await self._http.request("GET", "/tasks", timeout=timeout) as response:
                told = json_value(await response.content.read(_LARGEST_LINE), most=_LARGEST_LINE)
        except (TimeoutError, OSError, ValueError, AccessError, aiohttp.ClientError):
            return
        known = told.get("tasks") if isinstance(told, dict) else None
        if isinstance(known, dict) and known:
            await self.forget(*known)

    async def forget(self, *ids: str) -> None:
        """End and remove tasks there, as far as it answers."""
        try:
            timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
            async with await self._http.request("POST", "/forget", timeout=timeout, json={"ids": ids}):
                pass
        except (TimeoutError, OSError, AccessError, aiohttp.ClientError):
            return

    async def _exchange(self) -> list[tuple[_There, _News]]:
        """Send what is new, and read what is."""
        given = [one for one in self._there.values() if not one.sent]
        told = {"forget": [*self._forget], "heard": {one.id: len(one.log) for one in self._there.values() if one.sent}}
        parts: list[tuple[bytes | Path, int]] = [_line(told)]
        for one in given:
            blobs = one.payload.blobs
            sizes = [(name, len(blob) if isinstance(blob, bytes) else blob.stat().st_size) for name, blob in blobs]
            parts.append(_line({**one.payload.about, "id": one.id, "seconds": one.payload.seconds, "blobs": sizes}))
            parts += [(blob, size) for (_, blob), (_, size) in zip(blobs, sizes, strict=True)]
        length = sum(size for _, size in parts)
        poll = _POLL_SECONDS if len(self._there) == 1 else _POLL_SEVERAL_SECONDS
        timeout = aiohttp.ClientTimeout(
            total=2 * (_POLL_SECONDS + _ANSWER_SECONDS) + length / _SLOWEST,
            sock_read=_POLL_SECONDS + _ANSWER_SECONDS,
        )
        asked = self._http.request(
            "POST",
            f"/work?wait={poll:g}",
            timeout=timeout,
            data=_body(parts),
            headers={"Content-Length": str(length)},
        )
        async with await asked as response:
            news = await _heard(response, self._there)
        for one in given:
            one.sent = True
        self._forget = self._forget[len(told["forget"]) :]
        return news

    async def _outputs(self, task_id: str, found: _News) -> tuple[TaskOutput, ...]:
        listed = _listed(found.about.get("outputs"))
        if sum(size for _, size in listed) > self._most_bytes:
            raise ProviderError(f"It made more than the {self._most_bytes} bytes that a task may bring.")
        if found.about.get("inline") is True:
            if [size for _, size in listed] != [len(data) for data in found.inline]:
                raise ProviderError("It sent other outputs than it told of.")
            return tuple(
                TaskOutput(name, size, hashlib.sha256(data).hexdigest(), data)
                for (name, size), data in zip(listed, found.inline, strict=True)
            )
        return await self._fetch_all(task_id, listed)

    async def _fetch_all(self, task_id: str, listed: Sequence[tuple[str, int]]) -> tuple[TaskOutput, ...]:
        """All outputs, or nothing on this disk."""
        size = sum(size for _, size in listed)
        room = shutil.disk_usage(self._incoming).free - _LEFT_FREE
        if size > room:
            raise ProviderError(f"It made {data_size(size)}, and the disk here has room for {data_size(max(room, 0))}.")
        try:
            async with asyncio.timeout(2 * _ANSWER_SECONDS + len(listed) + size / _SLOWEST):
                return tuple([await self._fetch(task_id, number, *one) for number, one in enumerate(listed)])
        except BaseException as error:
            for path in self._incoming.glob(f"{task_id}-*"):
                path.unlink(missing_ok=True)
            if isinstance(error, TimeoutError):
                raise ProviderError("It hands out what it made too slowly.") from None
            raise

    async def _fetch(self, task_id: str, index: int, name: str, size: int) -> TaskOutput:
        """A large output into a file of ours. A connection that breaks is made again, a few times."""
        path = self._incoming / f"{task_id}-{index}"
        for again in (True, True, False):
            try:
                timeout = aiohttp.ClientTimeout(total=None, sock_read=_ANSWER_SECONDS)
                asked = f"/output?id={task_id}&n={index}"
                async with await self._http.request("GET", asked, timeout=timeout) as response:
                    if response.status != _OK:
                        raise ProviderError("It does not hand out what it made.")
                    digest = await _save(response, path, size)
                return TaskOutput(name, size, digest, path)
            except (TimeoutError, OSError, AccessError, aiohttp.ClientError):
                if not again:
                    break
                await asyncio.sleep(_AGAIN_SECONDS)
        raise ProviderError("What it made can't be brought: the connection breaks.")


def _line(value: dict[str, Any]) -> tuple[bytes, int]:
    data = json.dumps(value).encode() + b"\n"
    return data, len(data)


async def _body(parts: Sequence[tuple[bytes | Path, int]]) -> AsyncIterator[bytes]:
    small = bytearray()  # what is small goes together: each piece is a turn of aiohttp's
    for part, size in parts:
        if isinstance(part, bytes):
            small += part
            if len(small) < _PIECE:
                continue
        yield bytes(small)
        small.clear()
        if isinstance(part, bytes):
            continue
        with await asyncio.to_thread(part.open, "rb") as file:
            left = size
            while left:
                piece = await asyncio.to_thread(file.read, min(_PIECE, left))
                if not piece:
                    raise OSError(f"{part} became shorter")
                left -= len(piece)
                yield piece
    yield bytes(small)


async def _heard(response: aiohttp.ClientResponse, there: dict[str, _There]) -> list[tuple[_There, _News]]:
    """What it says of tasks that are ``there``, within bounds. Raises ``ProviderError`` for what makes no sense."""
    if response.status != _OK:
        said = clean_line((await response.content.read(2000)).decode(errors="replace"), longest=200)
        raise ProviderError(f"It refuses the task ({response.status}: {said}).")
    data = bytearray()
    async for piece in response.content.iter_chunked(65536):
        data += piece
        if len(data) > _LARGEST_ANSWER:
            raise ProviderError("It says more than anybody asked for.")
    rest, found = bytes(data), dict[str, tuple[_There, _News]]()
    try:
        while rest:
            line, _, rest = rest.partition(b"\n")
            about = json_value(line, most=_LARGEST_LINE)
            one, log = there[about["id"]], about["log"]
            if type(log) is not int or log < 0 or one.id in found:
                raise ValueError  # noqa: TRY301 - it is told below
            sizes = [size for _, size in _listed(about["outputs"])] if about.get("inline") is True else []
            ends = list(itertools.accumulate([log, *sizes]))
            inline = tuple(rest[end - size : end] for end, size in zip(ends[1:], sizes, strict=True))
            found[one.id] = one, _News(about, rest[:log] if log <= _LARGEST_LOG else b"", inline)
            rest = rest[ends[-1] :]
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ProviderError("Its answer makes no sense.") from None
    return list(found.values())


def _listed(value: Any) -> list[tuple[str, int]]:
    """Names and sizes. Raises ``ProviderError``."""
    found = []
    for one in value if isinstance(value, list) else [None]:
        if not isinstance(one, list) or [type(part) for part in one] != [str, int] or one[1] < 0:
            raise ProviderError("Its list of outputs makes no sense.")
        found.append((one[0], one[1]))
    if len(found) > _MOST_OUTPUTS:
        raise ProviderError(f"It made more than {_MOST_OUTPUTS} files.")
    return found


async def _save(response: aiohttp.ClientResponse, path: Path, size: int) -> str:
    digest, received = hashlib.sha256(), 0
    with await asyncio.to_thread(path.open, "wb") as file:
        async for piece in response.content.iter_chunked(_PIECE):
            received += len(piece)
            if received > size:
                break
            digest.update(piece)
            await asyncio.to_thread(file.write, piece)
    if received != size:
        raise ProviderError("A file that it made has another size than it told.")
    return digest.hexdigest()


def _answer(about: dict[str, Any], log: bytes, outputs: tuple[TaskOutput, ...], *, most_seconds: float) -> Answer:
    code = about.get("exit")
    return Answer(
        exit=code if type(code) is int and abs(code) < _MOST_CODES else 1,
        timed_out=about.get("timed_out") is True,
        seconds=min(max(number(about.get("seconds")) or 0.0, 0.0), most_seconds),
        log=log,
        outputs=outputs,
    )
