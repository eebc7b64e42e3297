"""Talks to a workload and its agent through the tunnel: does it answer, what does it log. Trusts nothing they say."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.access.machine.agent_ports import AGENT_PORT
from golem_launcher.access.machine.provider_http import ProviderHttp
from golem_launcher.agent.dask_process import DASHBOARD_PORT
from golem_launcher.agent.log import OFFSET_HEADER
from golem_launcher.agent.whole_number import whole
from golem_launcher.untrusted_json import json_value
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.workload.base import Workload

_PROBE_SECONDS = 4.0
_LOG_SECONDS = 40.0
"""A long poll of the agent's log ends by itself before that."""
_RETRY_SECONDS = 2.0
_TELL_SECONDS = 10.0
_BENCHMARK_SECONDS = 25.0
_LARGEST_PIECE = 256 * 1024
_LARGEST_ANSWER = 64 * 1024
_BYTES_PER_SECOND = 2 * 1024 * 1024
"""10,000 lines a second, with room; more would be the work of a core, and a stranger's choice."""
_GATHER_SECONDS = 0.1
"""Between two questions for a log that grows: many small answers cost both sides more than one that waited."""
_LARGEST_LOG = 512 * 1024 * 1024
_OK, _NOT_FOUND = 200, 404


class WorkloadClient:
    """A client of a workload, which answers below ``base_url``, and of the agent beside it. Made where a loop runs.

    ``dial`` makes a stream to a port over there. The agent wants to see ``token``, and the workload
    ``endpoint_token``.
    """

    def __init__(
        self,
        workload: Workload,
        dial: Callable[[int], Awaitable[Stream]],
        token: str,
        *,
        endpoint_token: str,
        base_url: str = "/",
    ) -> None:
        first = workload.first
        self._lab_port = first.port if first is not None and first.is_lab else None
        """``None`` where it is another program."""
        self._base_url = base_url
        self._lab_probe = base_url.rstrip("/") + workload.probe
        self._lab_kernels = base_url.rstrip("/") + "/api/kernels"
        self._lab = ProviderHttp(lambda: dial(self._lab_port or 0), endpoint_token)
        self._dask = ProviderHttp(lambda: dial(DASHBOARD_PORT), "")
        self._agent = ProviderHttp(lambda: dial(AGENT_PORT), token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._lab.aclose()
        await self._dask.aclose()
        await self._agent.aclose()

    async def answers(self, *, seconds: float = _PROBE_SECONDS, patience: float = 0.0) -> bool:
        """Whether the workload is well: JupyterLab answers, or the agent says that another program does.

        ``patience``: of the agent, with one that is being started; less than the ``seconds`` that it all may take.
        Both by a connection that is kept. Other programs may close theirs after each answer, and each new one is work
        for the node.
        """
        try:
            if self._lab_port is None:
                async with await self._ask("GET", f"/health?wait={patience:.1f}", seconds=seconds) as response:
                    told = json_value(await _body(response, _LARGEST_ANSWER))
                    return isinstance(told, dict) and told.get("well") is True
            host = f"127.0.0.1:{self._lab_port}"  # JupyterLab answers to the name of a loopback address alone
            timeout = aiohttp.ClientTimeout(total=seconds)
            async with await self._lab.request("GET", self._lab_probe, timeout=timeout, host=host) as response:
                await _body(response, _LARGEST_ANSWER)
                return response.status == _OK
        except (TimeoutError, OSError, ValueError, aiohttp.ClientError):
            return False

    async def busy_kernels(self, *, seconds: float = _PROBE_SECONDS) -> int:
        """How many kernels run a cell, as JupyterLab says; 0 where it does not, or is another program."""
        if self._lab_port is None:
            return 0
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with await self._lab.request(
                "GET", self._lab_kernels, timeout=timeout, host=f"127.0.0.1:{self._lab_port}"
            ) as response:
                told = json_value(await _body(response, _LARGEST_ANSWER))
        except (TimeoutError, OSError, ValueError, aiohttp.ClientError):
            return 0
        kernels = told if isinstance(told, list) else []
        return sum(isinstance(one, dict) and one.get("execution_state") == "busy" for one in kernels)

    async def has_ended(self) -> bool:
        """Whether the workload has ended in order, as its agent says."""
        try:
            async with await self._ask("GET", "/state", seconds=_PROBE_SECONDS) as response:
                told = json_value(await _body(response, _LARGEST_ANSWER))
                return isinstance(told, dict) and told.get("ended") is True
        except (TimeoutError, OSError, ValueError, aiohttp.ClientError):
            return False

    async def running(self) -> tuple[Any, Any]:
        """What JupyterLab says of its kernels and its terminals, both as JSON has it; ``None`` where there are none.

        Raises ``OSError``, ``ValueError``, ``aiohttp.ClientError``, ``asyncio.TimeoutError``.
        """
        return await self._lab_json("api/kernels"), await self._lab_json("api/terminals")

    async def dask_counts(self) -> Any:
        """What the scheduler of the Dask cluster counts, as JSON has it. Raises as :meth:`running` does."""
        timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
        async with await self._dask.request("GET", "/json/counts.json", timeout=timeout) as response:
            return json_value(await _body(response, _LARGEST_ANSWER))

    async def _lab_json(self, path: str) -> Any:
        host, timeout = f"127.0.0.1:{self._lab_port}", aiohttp.ClientTimeout(total=_PROBE_SECONDS)
        async with await self._lab.request("GET", f"{self._base_url}{path}", timeout=timeout, host=host) as response:
            return None if response.status == _NOT_FOUND else json_value(await _body(response, _LARGEST_ANSWER))

    async def usage(self) -> bytes:
        """What the agent says that the session uses, as JSON; empty when it says nothing."""
        async with await self._ask("GET", "/usage", seconds=_PROBE_SECONDS) as response:
            data = await _body(response, _LARGEST_ANSWER)
            return data if response.status == _OK else b""

    async def benchmark(self) -> bytes:
        """How fast the agent says that its machine is, as JSON; empty when it says nothing. Takes some 20 s."""
        async with await self._ask("POST", "/benchmark", seconds=_BENCHMARK_SECONDS, json={}) as response:
            data = await _body(response, _LARGEST_ANSWER)
            return data if response.status == _OK else b""

    async def filler(self, size: int, *, seconds: float) -> int:
        """Have the agent send so many bytes; how many came within ``seconds``.

        Raises ``OSError`` and ``aiohttp.ClientError``.
        """
        came = 0
        with contextlib.suppress(TimeoutError):
            async with await self._ask("GET", f"/filler?size={size}", seconds=seconds) as response:
                async for piece in response.content.iter_chunked(65536):
                    came += len(piece)
                    if came >= size:
                        break
        return came

    async def variables(self) -> bytes:
        """What the agent says that is kept of notebooks' variables, as JSON; empty when it says nothing."""
        async with await self._ask("GET", "/variables", seconds=_PROBE_SECONDS) as response:
            data = await _body(response, _LARGEST_ANSWER)
            return data if response.status == _OK else b""

    async def move_deadline(self, seconds: float) -> bool:
        """Tell the agent that its deadline is ``seconds`` from now; whether it understood."""
        try:
            told = {"seconds": round(seconds, 3)}
            async with await self._ask("POST", "/deadline", seconds=_TELL_SECONDS, json=told) as response:
                return response.status == _OK
        except (TimeoutError, OSError, aiohttp.ClientError):
            return False

    async def cluster_asked(self, *, after: int = -1, wait: float = 0.0) -> bytes:
        """What the agent says of its Dask cluster, as JSON; waits for what comes after the request number ``after``."""
        path = f"/cluster?after={after}&wait={wait:.0f}"
        async with await self._ask("GET", path, seconds=wait + _TELL_SECONDS) as response:
            data = await _body(response, _LARGEST_ANSWER)
            return data if response.status == _OK else b""

    async def tell_cluster(self, told: dict[str, Any]) -> bool:
        """Tell the agent of its Dask cluster, see ``agent/cluster_control.py``; whether it understood."""
        async with await self._ask("POST", "/cluster", seconds=_TELL_SECONDS, json=told) as response:
            return response.status == _OK

    async def follow_log(self, path: Path) -> None:
        """Append what workload and agent log to ``path``, cleaned, until cancelled; bounded in rate and in size."""
        log = _LogFile(path)
        offset = 0
        while not log.full:
            started = time.monotonic()
            try:
                status, data, following = await self._log(offset)
            except (TimeoutError, OSError, aiohttp.ClientError):
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if status != _OK:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            following = following if following is not None else offset + len(data)
            missing = following - len(data) - offset
            offset = following
            if data:
                await asyncio.to_thread(log.append, data, missing)
            least = max(len(data) / _BYTES_PER_SECOND, _GATHER_SECONDS)
            await asyncio.sleep(max(0.0, least - (time.monotonic() - started)))

    async def _log(self, offset: int) -> tuple[int, bytes, int | None]:
        """Status, bytes of the log, and where it goes on."""
        packed = {"Accept-Encoding": "gzip"}
        async with await self._ask("GET", f"/log?offset={offset}", seconds=_LOG_SECONDS, headers=packed) as response:
            data = await _body(response, _LARGEST_PIECE)
            following = whole(response.headers.get(OFFSET_HEADER, ""))
            return response.status, data, following if len(data) < _LARGEST_PIECE else None

    async def _ask(self, method: str, path: str, *, seconds: float, **options: Any) -> aiohttp.ClientResponse:
        """The agent's answer."""
        return await self._agent.request(method, path, timeout=aiohttp.ClientTimeout(total=seconds), **options)


async def _body(response: aiohttp.ClientResponse, largest: int) -> bytes:
    """An answer's body, unpacked where that was asked for; of more than ``largest`` bytes the first, and the end."""
    wanted = response.request_info.headers.get("Accept-Encoding") == "gzip"
    unpack = zlib.decompressobj(31) if wanted and response.headers.get("Content-Encoding") == "gzip" else None
    data = b""
    async for piece in response.content.iter_chunked(65536):
        try:
            data += unpack.decompress(piece, largest - len(data)) if unpack else piece
        except zlib.error:
            raise aiohttp.ClientPayloadError("what should be gzip is not") from None
        if len(data) >= largest:
            response.close()  # more than anybody needs
            return data[:largest]
    return data


class _LogFile:
    """The lines of a stranger's log, cleaned and never more than ``_LARGEST_LOG`` bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._room = _LARGEST_LOG
        with contextlib.suppress(OSError):
            self._room -= path.stat().st_size  # of the provider before
        self.full = False

    def append(self, data: bytes, missing: int = 0) -> None:
        """Write the whole lines of ``data`` and what was left before; keep the rest (at most a piece of it).

        ``missing`` bytes between both are gone: the log grew faster than it could be brought.
        """
        if missing > 0:
            data = b"\n(%d bytes of the log are missing here: it grew too fast)\n" % missing + data
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LARGEST_PIECE:
            lines.append(self._rest)
            self._rest = b""
        if not lines:
            return
        text = "".join(clean_line(line.rstrip(b"\r").decode(errors="replace")) + "\n" for line in lines).encode()
        if len(text) > self._room:
            text = b"(the log is too long; the rest is left out)\n"
            self.full = True
        self._room -= len(text)
        try:
            with self._path.open("ab") as file:
                file.write(text)
        except OSError:  # a full disk: the session matters more than its log
            self.full = True
