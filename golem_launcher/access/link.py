"""The link: a listener for browsers that lets through to the Lab what :mod:`golem_launcher.access.rules` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

from golem_launcher.access.conversation import Behind, Conversation
from golem_launcher.access.documents import key
from golem_launcher.access.front import Front, nobody
from golem_launcher.access.listener import Listener
from golem_launcher.access.rules import Rules
from golem_launcher.access.sides import LONGEST_HEAD, Gone, Side
from golem_launcher.errors import AccessError
from golem_launcher.peers import is_another_person, is_ours, refusal

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Awaitable, Callable

    from golem_launcher.access.front import Served
    from golem_launcher.access.rules import Headers
    from golem_launcher.access.streams import Stream


class Link:
    """Serves connections of browsers: :meth:`serve` one each."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end. Raises ``OSError`` or ``AccessError`` when it did not end well."""
        browser = Side(h11.Connection(h11.SERVER, LONGEST_HEAD), _Accepted(reader, writer))
        conversation = Conversation(self._behind, browser)
        try:
            await conversation.run()
        except (h11.ProtocolError, Gone) as error:
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


async def listen_for_user(host: str, behind: Callable[[str], Behind]) -> Listener:
    """A link at a free port of ``host`` that asks for no token, and so lets in nobody but programs of the same user.

    ``behind`` is told its origin. Raises ``AccessError``.
    """
    link: Link | None = None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert link is not None
        if not is_ours(writer):
            writer.write(refusal())
            await writer.drain()
            return
        await link.serve(reader, writer)

    listener = Listener(host, 0, serve)
    await listener.start()
    link = Link(behind(listener.address))
    return listener


async def listen(
    host: str,
    port: int,
    dial: Callable[[], Awaitable[Stream]],
    *,
    secret: str,
    base_url: str = "/",
    extensions: bool = False,
    left_out: Callable[[tuple[str, ...]], None] = nobody,
    tls: ssl.SSLContext | None = None,
    attend: Callable[[], Awaitable[Stream]] | None = None,
    lead: Callable[[Rules, str, Headers], Awaitable[Served | None]] | None = None,
) -> Listener:
    """A link at ``host:port``, with ``tls`` for browsers on other machines. Raises ``AccessError``.

    ``extensions``: whether those of the provider are shown; ``left_out`` is told the names of those that are not.
    """
    link: Link | None = None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert link is not None
        ends = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        if tls is None and all(ends) and is_another_person(*ends):
            writer.write(refusal())
            await writer.drain()
            return
        await link.serve(reader, writer)

    listener = Listener(host, port, serve, tls)
    await listener.start()
    rules = Rules(frozenset({listener.address.lower()}), secret, base_url, extensions=extensions)
    front = Front(base_url, extensions=extensions, compress=tls is not None, key=key(secret), left_out=left_out)
    link = Link(Behind(rules, dial, front, attend, lead))
    return listener
