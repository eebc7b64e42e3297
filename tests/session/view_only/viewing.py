"""A workspace of this computer that viewers see by a view-only link, without a session around it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher.access.sockets.listener import Listener, bind
from golem_launcher.agent.http_server import Handler, Server
from golem_launcher.agent.workspace import viewer_files
from golem_launcher.session.on_disk import view_only_link
from golem_launcher.session.view_only.renderings import Renderings
from golem_launcher.session.view_only.server import ViewOnlyServer
from golem_launcher.session.view_only.shown_files import ShownFiles
from tests.dialling import to_origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from golem_launcher.session.on_disk.view_only_link import ViewOnlyLink

_TOKEN = "a-token-of-an-agents"
_SECONDS = 60


@dataclass
class Viewing:
    """One workspace that is shown."""

    work: Path
    directory: Path
    """The session's."""
    link: ViewOnlyLink
    words: str = ""
    """What viewers are told of the session."""
    asked: list[str] = field(default_factory=list)
    """What its agent was asked for."""


@contextlib.contextmanager
def viewing(place: Path) -> Iterator[Viewing]:
    """A workspace in the directory ``place``, shown by all that shows a session's but the session."""
    work, directory = place / "work", place / "my-lab"
    work.mkdir()
    directory.mkdir()
    asked: list[str] = []

    class Agent(Handler):
        def do_POST(self) -> None:  # noqa: N802 - the name in the base class
            self.answer({"/shown": self._shown, "/show": self._show})

        def _shown(self) -> object:
            asked.append("/shown")
            return viewer_files.files(str(work))

        def _show(self) -> object:
            body = self.json_object()
            asked.append(f"/show {body['path']}")
            return viewer_files.content(str(work), body["path"], body["stamp"])

    agent = Server(("127.0.0.1", 0), Agent, _TOKEN)
    serving = threading.Thread(target=agent.serve_forever)
    serving.start()
    loop = asyncio.new_event_loop()
    looping = threading.Thread(target=loop.run_forever)
    looping.start()

    async def begin() -> tuple[Viewing, Listener, Renderings, ShownFiles]:
        bound = bind("127.0.0.1", 0)
        found = Viewing(work, directory, view_only_link.made(bound.address), asked=asked)
        view_only_link.write(directory, found.link)
        files = ShownFiles(to_origin(f"http://127.0.0.1:{agent.socket.getsockname()[1]}"), lambda: _TOKEN)
        renderings = Renderings(files, directory / "view-only")
        server = ViewOnlyServer(directory, bound.address, files, renderings, lambda: found.words)
        listener = Listener(bound, server.serve)
        await listener.start()
        return found, listener, renderings, files

    found, *parts = asyncio.run_coroutine_threadsafe(begin(), loop).result(_SECONDS)
    try:
        yield found
    finally:
        for part in parts:
            asyncio.run_coroutine_threadsafe(part.aclose(), loop).result(_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        looping.join()
        loop.close()
        agent.shutdown()
        agent.server_close()
        serving.join()
