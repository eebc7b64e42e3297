"""The link: a listener for browsers that proxies to the workload whatever :mod:`.origin_policy` allows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h11

from golem_launcher.access.lab.lab_frontend import LabFrontend
from golem_launcher.access.lab.open_documents import key
from golem_launcher.access.link.http_connection import LONGEST_HEAD, HttpConnection, NoAnswer
from golem_launcher.access.link.reverse_proxy import Conversation, Upstream
from golem_launcher.access.origin_policy import OriginPolicy
from golem_launcher.access.sockets.listener import Listener, bind
from golem_launcher.errors import AccessError
from golem_launcher.socket_owner import is_another_person, is_ours, refusal

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.lab.lab_proxy_settings import RemoteLab
    from golem_launcher.access.sockets.in_process_stream import Stream
    from golem_launcher.access.sockets.listener import BoundPort


class Link:
    """Serves browsers: a :class:`Listener` calls :meth:`serve` for each connection."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends. Raises ``OSError`` or ``AccessError`` if it breaks."""
        browser = HttpConnection(h11.Connection(h11.SERVER, LONGEST_HEAD), _Accepted(reader, writer))
        conversation = Conversation(self._upstream, browser)
        try:
            await conversation.run()
        except (h11.ProtocolError, NoAnswer) as error:
            raise AccessError("It did not speak HTTP.") from error
        finally:
            conversation.close()


class _Accepted:
    """A browser's connection as a :class:`Stream`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.read = reader.read
        self.write = writer.write
        self.drain = writer.drain
        self._writer = writer

    def write_eof(self) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


async def listen_for_user(host: str, upstream: Callable[[str], Upstream]) -> Listener:
    """Open a link at a free port of ``host`` that asks for no token, and lets in programs of the same user only.

    ``upstream`` is told its origin. Raises ``AccessError``.
    """
    bound = bind(host, 0)
    return await _serve(bound, Link(upstream(bound.address)), is_ours)


async def listen_for_server(
    host: str, port: int, dial: Callable[[], Awaitable[Stream]], *, secret: str, who: str
) -> Listener:
    """Open a link at a free port of ``host`` to a server at ``port`` of the machine that asks for no password.

    Browsers of the user alone are let in, and only by its own pages or by a link; they are told that ``who`` does not
    answer where it does not. Raises ``AccessError``.
    """

    def upstream(origin: str) -> Upstream:
        policy = OriginPolicy(
            frozenset({origin}),
            f"{secret}:{port}",
            extensions=True,
            remote_host=b"127.0.0.1:%d" % port,
            names_itself=True,
            browsers_only=True,
        )
        return Upstream(policy, dial, who=who)

    return await listen_for_user(host, upstream)


async def listen(
    host: str, port: int, lab: RemoteLab, *, tls: ssl.SSLContext | None = None, shared: bool = False
) -> Listener:
    """Open a link to JupyterLab at ``host:port``, with ``tls`` for browsers elsewhere. Raises ``AccessError``.

    ``shared``: whether the port may be handed over.
    """
    bound = await asyncio.to_thread(bind, host, port, tls, shared=shared)  # the host may be a name to look up
    policy = OriginPolicy(frozenset({bound.address.lower()}), lab.secret, lab.base_url, extensions=lab.extensions)
    front = LabFrontend(
        lab.base_url,
        extensions=lab.extensions,
        compress=tls is not None,
        key=key(lab.secret),
        left_out=lab.left_out,
    )

    def comes_in(writer: asyncio.StreamWriter) -> bool:
        ends = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        return tls is not None or (all(ends) and not is_another_person(*ends))

    upstream = Upstream(policy, lab.dial, front, lab.attend, lab.lead, lab.use, lab.large)
    return await _serve(bound, Link(upstream), comes_in)


async def _serve(bound: BoundPort, link: Link, comes_in: Callable[[asyncio.StreamWriter], bool]) -> Listener:
    """Have the ``link`` at this port; whose connection does not come in is told so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if comes_in(writer):
            await link.serve(reader, writer)
        else:
            writer.write(refusal())
            await writer.drain()

    listener = Listener(bound, serve)
    await listener.start()
    return listener
