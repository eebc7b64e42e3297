"""Through the tunnel of one session: a download, beside yagna's websocket alone and two other proxies; small requests.

All ways lead to the same port of the same JupyterLab, by turns. "What yagna carries" is its own websocket, read by
nobody but this program: what a way in can reach at best.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import subprocess
import time
import urllib.parse
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp
import psutil

from benchmarks import bed
from benchmarks.row import Row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

SIZE = 12_000_000
_ROUNDS = 5
_REQUESTS = 150
FILE = "download.bin"
_DOWNLOAD_SECONDS = 60.0
_LISTEN_SECONDS = 5.0
_RIVALS_TRIES = 3


@dataclass(frozen=True)
class _Download:
    speed: float
    """MB/s."""
    share: float
    """CPU of our own processes meanwhile, as a share of a core."""


def rows(base: Path) -> list[Row]:
    with bed.home(base / "tunnel"), bed.session("tunnel") as session:
        (session.work() / FILE).write_bytes(os.urandom(SIZE))
        found = asyncio.run(downloads(session))
        with bed.plain_lab(base / "plain") as plain:
            tunnel, loopback = _small_requests(session, plain)
    speeds = {way: [one.speed for one in of_way] for way, of_way in found.items()}
    made_of = ", ".join(f"{way} {median(found):.2f} MB/s" for way, found in speeds.items())
    return [
        Row(
            "tunnel: download through the Lab's port, over what yagna's VPN carries",
            _ratio(speeds["tunnel"], speeds["yagna alone"]),
            "x",
            least=0.9,
            aim=1.0,
            more_is_better=True,
            detail=f"{made_of}; {_ROUNDS} downloads of {SIZE / 1e6:.0f} MB by turns, median of each turn's ratio",
        ),
        Row(
            "tunnel: the same, over SocketProxy",
            _ratio(speeds["tunnel"], speeds["SocketProxy"]),
            "x",
            least=0.97,
            aim=1.0,
            more_is_better=True,
            detail="never below it; 3 % are the noise of one run",
        ),
        Row(
            "tunnel: the same, over websocat",
            _ratio(speeds["tunnel"], speeds["websocat"]),
            "x",
            least=0.97,
            aim=1.0,
            more_is_better=True,
            detail="as above",
        ),
        Row(
            "CPU of our own processes meanwhile (supervisor, router and providers)",
            median(one.share for one in found["tunnel"]) * 100,
            "% of a core",
            least=40.0,
            aim=20.0,
        ),
        Row(
            "small request through the tunnel, median, more than over loopback",
            tunnel - loopback,
            "ms",
            least=10.0,
            aim=3.0,
            detail=f"{tunnel:.2f} ms and {loopback:.2f} ms, {_REQUESTS} requests each, by turns",
        ),
    ]


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Turn by turn: both meet the same machine in the same mood."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


async def downloads(session: bed.Session) -> dict[str, list[_Download]]:
    uri, key = session.vpn_port()
    ours = [psutil.Process(session.supervisor), psutil.Process(bed.localnet_pid())]
    async with _socket_proxy(uri, key) as proxy, aiohttp.ClientSession() as http_session:
        with _websocat(uri, key) as websocat:
            ways: dict[str, Callable[[], Awaitable[None]]] = {
                "tunnel": partial(_by_port, session.address, session.token),
                "yagna alone": partial(_by_websocket, http_session, uri, key, session.token),
                "SocketProxy": partial(_by_port, proxy, session.token),
                "websocat": partial(_by_port, websocat, session.token),
            }
            found: dict[str, list[_Download]] = {way: [] for way in ways}
            for turn in range(_ROUNDS):
                for way, download in sorted(ways.items(), reverse=bool(turn % 2)):
                    found[way].append(await _measured(download, ours, tries=1 if way == "tunnel" else _RIVALS_TRIES))
    return found


async def _measured(download: Callable[[], Awaitable[None]], ours: list[psutil.Process], *, tries: int) -> _Download:
    """A download that came whole: yagna drops a new connection now and then, and only the tunnel connects again."""
    for left in reversed(range(tries)):
        before, began = sum(map(bed.cpu_seconds, ours)), time.perf_counter()
        try:
            await asyncio.wait_for(download(), _DOWNLOAD_SECONDS)
        except (EOFError, aiohttp.WSServerHandshakeError, aiohttp.WSMessageTypeError):
            if not left:
                raise
            continue
        took = time.perf_counter() - began
        return _Download(SIZE / took / 1e6, (sum(map(bed.cpu_seconds, ours)) - before) / took)
    raise AssertionError(tries)


async def _by_port(address: str, token: str) -> None:
    """Download through a local port, on a connection of its own."""
    parts = urllib.parse.urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    try:
        writer.write(_request(token))
        left = -1
        head = b""
        while left != 0:
            data = await reader.read(1 << 18)
            left, head = _count(left, head, data)
    finally:
        writer.close()


async def _by_websocket(http_session: aiohttp.ClientSession, uri: str, key: str, token: str) -> None:
    """Download over yagna's websocket itself."""
    async with http_session.ws_connect(uri, headers={"Authorization": f"Bearer {key}"}) as websocket:
        await websocket.send_bytes(_request(token))
        left = -1
        head = b""
        while left != 0:
            left, head = _count(left, head, await websocket.receive_bytes())


def _request(token: str) -> bytes:
    """For a picture in a page, as a browser says it: other files go past the VPN."""
    head = f"Host: 127.0.0.1\r\nAuthorization: token {token}\r\nSec-Fetch-Dest: image"
    return f"GET /files/{FILE} HTTP/1.1\r\n{head}\r\n\r\n".encode()


def _count(left: int, head: bytes, data: bytes) -> tuple[int, bytes]:
    """How many bytes of the body are left (-1 while its head is not complete)."""
    if not data:
        raise EOFError("the connection ended early")
    if left >= 0:
        return left - len(data), b""
    head += data
    end = head.find(b"\r\n\r\n")
    if end < 0:
        return left, head
    assert head.startswith(b"HTTP/1.1 200 "), head[:100]
    return SIZE - (len(head) - end - 4), b""


@contextlib.asynccontextmanager
async def _socket_proxy(uri: str, key: str):  # noqa: ANN202 - its address
    """yapapi's own proxy; it asks its service for nothing but the websocket's address and the key."""
    from yapapi.contrib.service.socket_proxy import SocketProxy  # noqa: PLC0415 - half a second of imports

    job = SimpleNamespace(engine=SimpleNamespace(_api_config=SimpleNamespace(app_key=key)))
    cluster = SimpleNamespace(service_runner=SimpleNamespace(_job=job))
    service = SimpleNamespace(cluster=cluster, network_node=SimpleNamespace(get_websocket_uri=lambda _port: uri))
    port = bed.free_port()
    proxy = SocketProxy(ports=[port])
    # It keeps its servers by service, so that must be hashable.
    await proxy.run_server(_Hashable(**vars(service)), 8888)
    try:
        await asyncio.to_thread(_listens, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        await proxy.stop()


class _Hashable(SimpleNamespace):
    __hash__ = object.__hash__


@contextlib.contextmanager
def _websocat(uri: str, key: str) -> Iterator[str]:
    port = bed.free_port()
    argv = [bed.BIN / "websocat", "--binary", "--exit-on-eof", "-B", "65536", f"-H=Authorization: Bearer {key}"]
    process = subprocess.Popen([*argv, f"tcp-listen:127.0.0.1:{port}", uri], start_new_session=True)
    try:
        _listens(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def _listens(port: int) -> None:
    """Wait until somebody holds the port, without a connection: one would go all the way."""
    end = time.perf_counter() + _LISTEN_SECONDS
    while time.perf_counter() < end:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {port}")


def _small_requests(session: bed.Session, plain: bed.PlainLab) -> tuple[float, float]:
    """Medians in ms, on connections that stay open as a browser's do."""
    labs = (session, plain)
    connections = [http.client.HTTPConnection(urllib.parse.urlsplit(lab.address).netloc, timeout=10) for lab in labs]
    took: tuple[list[float], list[float]] = ([], [])
    try:
        for _ in range(_REQUESTS):
            for lab, connection, seconds in zip(labs, connections, took, strict=True):
                began = time.perf_counter()
                connection.request("GET", "/api/status", headers={"Authorization": f"token {lab.token}"})
                answer = connection.getresponse()
                assert answer.status == http.HTTPStatus.OK
                answer.read()
                seconds.append(time.perf_counter() - began)
    finally:
        for connection in connections:
            connection.close()
    return median(took[0]) * 1000, median(took[1]) * 1000
