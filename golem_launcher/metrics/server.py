"""Answers Prometheus at this computer's own address, to the same user's programs that know the token.

Nothing is read until somebody asks.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from golem_launcher import files, paths, socket_owner
from golem_launcher.errors import LauncherError
from golem_launcher.metrics.collector import registry
from golem_launcher.metrics.exposition import Exposition

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HOST = "127.0.0.1"
_SECONDS = 10.0
"""What a scrape may take; Prometheus itself waits no longer."""
_SILENT_SECONDS = 5.0
"""How long a connection may be open without asking anything: less than Prometheus waits between two scrapes."""
_MOST_CONNECTIONS = 64
_TOKEN = "metrics.token"  # noqa: S105 - the name of its file


def token_file() -> Path:
    """The file with the token, for its owner alone; made when it is not there. Raises ``OSError``."""
    path = paths.home() / _TOKEN
    if not path.is_file():
        files.write_atomic(path, secrets.token_urlsafe(32).encode())
    return path


def text() -> str:
    """All figures as they are now. Blocking."""
    return Exposition(registry()).text().decode()


def samples() -> list[dict[str, Any]]:
    """The same as values: ``name``, ``labels`` and ``value`` of each. Blocking."""
    return [
        {"name": sample.name, "labels": sample.labels, "value": sample.value}
        for family in registry().collect()
        for sample in family.samples
    ]


def serve(port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or a signal to end; ``ready`` is told the address. Blocking.

    Raises ``LauncherError`` when another program listens at ``port``. 0 takes a free one.
    """
    application = web.Application(client_max_size=1)
    pages = _Pages(token_file().read_text().strip())
    application.router.add_get("/metrics", pages.metrics)
    application.on_shutdown.append(pages.close)
    try:
        asyncio.run(_serve(application, port, ready))
    except (KeyboardInterrupt, web.GracefulExit):
        return


async def _serve(application: web.Application, port: int, ready: Callable[[str], None]) -> None:
    runner = web.AppRunner(
        application,
        access_log=None,
        handle_signals=True,
        shutdown_timeout=_SECONDS,
        keepalive_timeout=_SILENT_SECONDS,
    )
    await runner.setup()
    try:
        answering = runner.server
        assert answering is not None  # it was set up
        try:
            listener = await asyncio.get_running_loop().create_server(lambda: _Connection(answering), _HOST, port)
        except OSError as error:
            raise LauncherError(
                f"The port {port} can't be listened at: {error.strerror or error}.", "Choose another one by --port."
            ) from None
        try:
            ready(f"http://{_HOST}:{listener.sockets[0].getsockname()[1]}/metrics")
            await asyncio.Event().wait()
        finally:
            listener.close()
    finally:
        await runner.cleanup()


class _Connection(asyncio.Protocol):
    """Lets in the same user's programs, so many at once; others have no business here, whatever token they found."""

    def __init__(self, answering: web.Server) -> None:
        self._answering = answering

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand it on to who answers, or close it."""
        connection = cast("asyncio.Transport", transport)
        if not socket_owner.is_ours(connection):
            connection.write(socket_owner.refusal())
            connection.close()
        elif len(self._answering.connections) >= _MOST_CONNECTIONS:
            connection.abort()
        else:
            handler = self._answering()
            connection.set_protocol(handler)
            handler.connection_made(connection)


def _no_token(request: web.Request, given: bool) -> str:  # noqa: FBT001 - it is what is told
    """What a person at a browser or a terminal is told, and how to do better; programs see the status."""
    how = f'curl --oauth2-bearer "$(cat {token_file()})" http://{request.host}/metrics'
    why = "The token is not the one" if given else "These figures are for who shows the token"
    return f"{why}. With it, in a terminal:\n\n    {how}\n\nWhat Prometheus needs: golem-launcher metrics --help\n"


class _Pages:
    """What is answered."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()
        self._exposition = Exposition(registry())
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
        """One scrape after another: what was read before is kept between them."""

    async def metrics(self, request: web.Request) -> web.Response:
        """``GET /metrics``."""
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._expected):
            return web.Response(
                status=401, headers={"WWW-Authenticate": "Bearer"}, text=_no_token(request, bool(given))
            )
        async with asyncio.timeout(_SECONDS):
            body = await asyncio.get_running_loop().run_in_executor(self._reader, self._exposition.text)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def close(self, _: web.Application) -> None:
        """Read no more."""
        self._reader.shutdown(wait=False, cancel_futures=True)
