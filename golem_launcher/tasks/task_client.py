"""Talks to the task server of one machine, by the session's door. Believes nothing: bounds and checks are ours."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.access.provider_http import ProviderHttp
from golem_launcher.errors import AccessError, ProviderError
from golem_launcher.text import clean_line
from golem_launcher.units import data_size
from golem_launcher.untrusted import json_value, number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from typing import Self

    from golem_launcher.access.provider_http import Dial

_POLL_SECONDS = 20.0
_ANSWER_SECONDS = 30.0
"""For an answer to begin, beside what was asked to wait."""
_SILENT_SECONDS = 60.0
"""So long a machine may be unheard of before the task goes elsewhere."""
_GRACE_SECONDS = 30.0
"""So much longer than its time a task may seem to run: the machine ends it, and tells."""
_AGAIN_SECONDS = 0.3
_SLOWEST = 20_000
"""Bytes a second, either way: a machine that is slower is given up, or it could keep a task, and be paid, for ever."""
_LARGEST_LINE = 1024 * 1024
_LARGEST_LOG = 64 * 1024
_LONGEST_LOG = 1024 * 1024
_LARGEST_INLINE = 256 * 1024
_MOST_OUTPUTS = 10_000
_LEFT_FREE = 1000**3
"""So much of the disk here stays free."""
_MOST_CODES = 1 << 32
_OK = 200
_PIECE = 1024 * 1024


@dataclass(frozen=True)
class Payload:
    """What is sent for a task."""

    about: dict[str, Any]
    """The command or the call, and how it is to be run, as the agent's task_server.py has it."""
    blobs: tuple[tuple[str, bytes | Path], ...] = ()
    """Name in the task's directory, empty for what is no file there; and the content."""
    seconds: float = 3600.0
    """How long it may take."""


@dataclass(frozen=True)
class Output:
    """A file that came back. Nobody has looked into it."""

    name: str
    """As the provider says: to be checked before it becomes a file's."""
    size: int
    sha256: str
    content: bytes | Path
    """In memory while it is small, else a file here."""


@dataclass(frozen=True)
class Answer:
    """What became of a task."""

    exit: int
    timed_out: bool
    seconds: float
    log: bytes
    outputs: tuple[Output, ...] = ()

    @property
    def digest(self) -> str:
        """Equal for equal results, whatever was printed."""
        told = sorted((one.name, one.sha256) for one in self.outputs)
        return hashlib.sha256(json.dumps([self.exit, told]).encode()).hexdigest()

    @property
    def last_line(self) -> str:
        """The last line that it printed, cleaned; empty when it printed nothing."""
        lines = [line for line in self.log[-4096:].decode(errors="replace").splitlines() if line.strip()]
        return clean_line(lines[-1], longest=300) if lines else ""


@dataclass
class _Heard:
    """What an answer says."""

    about: dict[str, Any]
    log: bytes
    inline: list[bytes] = field(default_factory=list)


class TaskClient:
    """The task server of one machine. ``async with`` it; one task at a time."""

    def __init__(self, dial: Dial, token: str, incoming: Path, *, most_bytes: int) -> None:
        """``dial`` makes a stream to it; ``incoming``: a directory of ours for what is large.

        ``most_bytes``: of all outputs of a task.
        """
        self._http = ProviderHttp(dial, token)
        self._incoming = incoming
        self._most_bytes = most_bytes
        self._done: list[str] = []
        """Tasks that can be forgotten there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def run(self, task_id: str, payload: Payload, told: Callable[[bytes], None] | None = None) -> Answer:
        """Have a task done and bring what came of it; ``told`` hears what it prints.

        Raises ``ProviderError`` when the machine does not answer, or not as it should.
        """
        loop_time = asyncio.get_running_loop().time
        began = heard = loop_time()
        log, begun = bytearray(), False
        while True:
            asked = loop_time()
            try:
                if begun:
                    found = await self._wait(task_id, len(log))
                else:
                    found = await self._begin(task_id, payload)
            except (TimeoutError, OSError, AccessError, aiohttp.ClientError) as error:
                if loop_time() - heard > _SILENT_SECONDS:
                    raise ProviderError(f"It does not answer ({type(error).__name__}).") from None
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            heard, begun = loop_time(), True
            if len(log) < _LONGEST_LOG:
                log += found.log
                if told is not None and found.log:
                    told(found.log)
            if found.about.get("over") is True and (len(found.log) < _LARGEST_LOG or len(log) >= _LONGEST_LOG):
                outputs = await self._outputs(task_id, found)
                self._done.append(task_id)
                return _answer(found.about, bytes(log), outputs, most_seconds=heard - began)
            if heard - began > payload.seconds + _GRACE_SECONDS:
                raise ProviderError("It does not end what has run for too long.")
            if len(found.log) < _LARGEST_LOG or len(log) >= _LONGEST_LOG:  # it may answer at once, with nothing
                await asyncio.sleep(asked + _AGAIN_SECONDS - loop_time())

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

    async def _begin(self, task_id: str, payload: Payload) -> _Heard:
        sizes = [(name, len(one) if isinstance(one, bytes) else one.stat().st_size) for name, one in payload.blobs]
        done, self._done = self._done, []
        about = {**payload.about, "seconds": payload.seconds, "blobs": sizes, "forget": done}
        head = json.dumps(about).encode() + b"\n"
        length = len(head) + sum(size for _, size in sizes)
        timeout = aiohttp.ClientTimeout(
            total=2 * (_POLL_SECONDS + _ANSWER_SECONDS) + length / _SLOWEST,
            sock_read=_POLL_SECONDS + _ANSWER_SECONDS,
        )
        asked = self._http.request(
            "POST",
            f"/begin?id={task_id}&wait={_POLL_SECONDS:.0f}",
            timeout=timeout,
            data=_body(head, payload.blobs, sizes),
            headers={"Content-Length": str(length)},
        )
        async with await asked as response:
            return await _heard(response)

    async def _wait(self, task_id: str, offset: int) -> _Heard:
        timeout = aiohttp.ClientTimeout(total=2 * (_POLL_SECONDS + _ANSWER_SECONDS))
        path = f"/wait?id={task_id}&offset={offset}&wait={_POLL_SECONDS:.0f}"
        async with await self._http.request("GET", path, timeout=timeout) as response:
            return await _heard(response)

    async def _outputs(self, task_id: str, found: _Heard) -> tuple[Output, ...]:
        listed = _listed(found.about.get("outputs"))
        if sum(size for _, size in listed) > self._most_bytes:
            raise ProviderError(f"It made more than the {self._most_bytes} bytes that a task may bring.")
        if found.about.get("inline") is True:
            if [size for _, size in listed] != [len(data) for data in found.inline]:
                raise ProviderError("It sent other outputs than it told of.")
            return tuple(
                Output(name, size, hashlib.sha256(data).hexdigest(), data)
                for (name, size), data in zip(listed, found.inline, strict=True)
            )
        return await self._fetch_all(task_id, listed)

    async def _fetch_all(self, task_id: str, listed: Sequence[tuple[str, int]]) -> tuple[Output, ...]:
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

    async def _fetch(self, task_id: str, index: int, name: str, size: int) -> Output:
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
                return Output(name, size, digest, path)
            except (TimeoutError, OSError, AccessError, aiohttp.ClientError):
                if not again:
                    break
                await asyncio.sleep(_AGAIN_SECONDS)
        raise ProviderError("What it made can't be brought: the connection breaks.")


async def _body(
    head: bytes, blobs: Sequence[tuple[str, bytes | Path]], sizes: Sequence[tuple[str, int]]
) -> AsyncIterator[bytes]:
    yield head
    for (_, blob), (_, size) in zip(blobs, sizes, strict=True):
        if isinstance(blob, bytes):
            yield blob
            continue
        with await asyncio.to_thread(blob.open, "rb") as file:
            left = size
            while left:
                piece = await asyncio.to_thread(file.read, min(_PIECE, left))
                if not piece:
                    raise OSError(f"{blob} became shorter")
                left -= len(piece)
                yield piece


async def _heard(response: aiohttp.ClientResponse) -> _Heard:
    """The answer, within bounds. Raises ``ProviderError`` for what is none."""
    if response.status != _OK:
        said = clean_line((await response.content.read(2000)).decode(errors="replace"), longest=200)
        raise ProviderError(f"It refuses the task ({response.status}: {said}).")
    data = bytearray()
    most = _LARGEST_LINE + _LARGEST_LOG + _LARGEST_INLINE
    async for piece in response.content.iter_chunked(65536):
        data += piece
        if len(data) > most:
            raise ProviderError("It says more than anybody asked for.")
    line, _, rest = bytes(data).partition(b"\n")
    try:
        about = json_value(line, most=_LARGEST_LINE)
        log = about.get("log", 0)
        if type(log) is not int or log < 0:
            raise ValueError  # noqa: TRY301 - it is told below
        sizes = [size for _, size in _listed(about.get("outputs"))] if about.get("inline") is True else []
    except (ValueError, TypeError, AttributeError):
        raise ProviderError("Its answer makes no sense.") from None
    inline, at = [], log
    for size in sizes:
        inline.append(rest[at : at + size])
        at += size
    return _Heard(about, rest[:log] if log <= _LARGEST_LOG else b"", inline)


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


def _answer(about: dict[str, Any], log: bytes, outputs: tuple[Output, ...], *, most_seconds: float) -> Answer:
    code = about.get("exit")
    return Answer(
        exit=code if type(code) is int and abs(code) < _MOST_CODES else 1,
        timed_out=about.get("timed_out") is True,
        seconds=min(max(number(about.get("seconds")) or 0.0, 0.0), most_seconds),
        log=log,
        outputs=outputs,
    )


def attempt_id(job: str, task: int, attempt: int) -> str:
    """The id of an attempt: nobody else's, also not of the same task in another run of the job."""
    return hashlib.sha256(f"{job} {task} {attempt} {time.time_ns()}".encode()).hexdigest()[:32]
