"""The way out of a sandbox: an HTTP proxy, on a listening socket of the sandbox's own network, served by this process.

Public addresses only: a program inside must not reach the services of this machine or of the network it stands in. So
names are resolved here, and the connection goes to the very address that was checked. ``CONNECT`` carries https and
whatever else, requests with a whole ``http:`` address are passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[[str], bool]
    """Whether an IP address may be reached."""

_LONGEST_HEAD = 64 * 1024
_HEAD_SECONDS = 30.0
_CONNECT_SECONDS = 15.0
_IDLE_SECONDS = 600.0
_CHUNK = 256 * 1024
_MOST_CONNECTIONS = 128
# Networks of this machine, of its neighbours, and of nobody (RFC 6890 and successors). Python's own ``is_global`` has
# another meaning in each version. The last five have IPv4 addresses in them: those are reached as themselves or not.
_CLOSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
            "::/128", "::1/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "100::/64",
            "::/96", "::ffff:0:0/96", "64:ff9b::/32", "2001::/32", "2002::/16",
        ),
    )
)  # fmt: skip
_DROPPED = (b"proxy-connection:", b"proxy-authorization:", b"connection:", b"keep-alive:")


def is_public(address: str) -> bool:
    """Whether an address is one of the internet: not loopback, private, link-local, nor of this machine itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in _CLOSED):
        return False
    own = {entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries}
    return str(ip) not in own


class _Refused(Exception):  # noqa: N818 - reads as what it says
    """A request that gets an answer of our own: status line and reason."""


class WayOut:
    """The proxy of one sandbox, from :meth:`open` to :meth:`aclose`."""

    def __init__(self, may_reach: Rule, hosts: frozenset[str] | None = None) -> None:
        """``hosts``: the only names that may be reached; ``None`` is all of them."""
        self._may_reach = may_reach
        self._hosts = hosts
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, listener: socket.socket) -> dict[str, str]:
        """Serve on the listening socket; the environment variables that lead programs to it."""
        listener.setblocking(False)
        address, port = listener.getsockname()[:2]
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=_LONGEST_HEAD)
        url = f"http://{address}:{port}"
        proxies = {name: url for kind in ("http", "https") for name in (f"{kind}_proxy", f"{kind}_proxy".upper())}
        return {**proxies, "no_proxy": "localhost,127.0.0.1,::1", "NO_PROXY": "localhost,127.0.0.1,::1"}

    async def aclose(self) -> None:
        """End it and all connections."""
        if self._server is not None:
            self._server.close()
        await cancel_all(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._answer(reader, writer)
        except _Refused as refused:
            with contextlib.suppress(OSError):
                writer.write(f"HTTP/1.1 {refused}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
                await wait_for(writer.drain(), _HEAD_SECONDS)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            pass  # one of the two is gone
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) > _MOST_CONNECTIONS:
            raise _Refused("503 Too many connections")
        try:
            head = await wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
        except asyncio.LimitOverrunError:
            raise _Refused("431 Head too large") from None
        method, host, port, request = _parse(head)
        out_reader, out_writer = await self._connect(host, port)
        try:
            if method == b"CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                out_writer.write(request)
            await _join((reader, out_writer), (out_reader, writer))
        finally:
            out_writer.close()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._hosts is not None and host.lower() not in self._hosts:
            raise _Refused("403 Not an address that was asked for")
        look_up = asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        try:
            found = await wait_for(look_up, _CONNECT_SECONDS)
        except (OSError, UnicodeError, asyncio.TimeoutError):
            raise _Refused("502 No such host") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [address for address in addresses if self._may_reach(address)]
        if not allowed:
            raise _Refused("403 Not an address of the internet")
        for address in allowed:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                return await wait_for(asyncio.open_connection(address, port), _CONNECT_SECONDS)
        raise _Refused("502 No connection to the host")


def _parse(head: bytes) -> tuple[bytes, str, int, bytes]:
    """Method, host, port, and the request as the host is to get it."""
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    try:
        method, target, version = line.split(b" ")
        whole = method != b"CONNECT"
        url = urlsplit(target.decode("ascii") if whole else f"//{target.decode('ascii')}")
        host, port = url.hostname, url.port or (80 if whole else 443)
    except ValueError:
        raise _Refused("400 Bad request") from None
    if not host or (whole and url.scheme != "http"):
        raise _Refused("400 Bad request")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    kept = [field for field in fields if not field.lower().startswith(_DROPPED)]
    request = b"\r\n".join([b" ".join([method, path.encode(), version]), *kept, b"Connection: close", b"", b""])
    return method, host, port, request


async def _join(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass bytes on both ways until both have ended."""
    pumps = [asyncio.create_task(_pump(*way)) for way in ways]
    try:
        await asyncio.gather(*pumps)
    finally:
        await cancel_all(*pumps)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await wait_for(reader.read(_CHUNK), _IDLE_SECONDS):
        writer.write(data)
        await wait_for(writer.drain(), _IDLE_SECONDS)
    if writer.can_write_eof():
        writer.write_eof()
