"""The view-only link of a session as its supervisor has it: made, kept while providers come and go, and revoked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.errors import AccessError
from golem_launcher.events import Stage
from golem_launcher.session.on_disk import view_only_link

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.machine.provider_http import Dial
    from golem_launcher.access.sockets.listener import Listener
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.on_disk.view_only_link import ViewOnlyLink
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.session.view_only.renderings import Renderings
    from golem_launcher.session.view_only.shown_files import ShownFiles

_STAGES = {
    Stage.RECOVERING: "The session looks for another machine. What you see was there before.",
    Stage.SAVING: "The session is being ended.",
    Stage.STOPPING: "The session is being ended.",
}


class Sharing:
    """One session's. ``open`` once its own link is, ``aclose`` once."""

    def __init__(self, directory: SessionDirectory, recorder: Recorder, dial: Dial, token: Callable[[], str]) -> None:
        """``dial`` leads to the agent of the head, which wants to see ``token``."""
        self._directory = directory
        self._recorder = recorder
        self._dial = dial
        self._token = token
        self._serving: tuple[Listener, ShownFiles, Renderings] | None = None
        self._changing = asyncio.Lock()

    @property
    def link(self) -> ViewOnlyLink | None:
        """The present link; ``None`` when there is none. Reads the session's directory, so it blocks for a moment."""
        return view_only_link.of(self._directory.path)

    async def open(self) -> None:
        """Let viewers in, where the session has a link from before. Raises ``AccessError``."""
        async with self._changing:
            link = await asyncio.to_thread(lambda: self.link)
            if link is not None:
                await self._serve(link)
            self._recorder.update(shared=link is not None)

    async def share(self) -> str:
        """The address that viewers open; a new one where there is none. Raises ``AccessError``."""
        async with self._changing:
            link = await asyncio.to_thread(lambda: self.link)
            if link is None:
                link = await self._serve(None)
            self._recorder.update(shared=True)
            return link.url

    async def revoke(self) -> None:
        """Have the link open nothing any more; whoever comes by it is told so."""
        async with self._changing:
            await asyncio.to_thread(view_only_link.remove, self._directory.path)
            self._recorder.update(shared=False)

    async def _serve(self, link: ViewOnlyLink | None) -> ViewOnlyLink:
        """Listen where a ``link`` leads; a new one where there is none, or another program has its address."""
        host, port = link.place if link is not None else (loopback_address(f"{self._directory.name}.view"), 0)
        if self._serving is None:
            try:
                await self._listen(host, port)
            except AccessError:
                if not port:
                    raise
                await self._listen(host, 0)
        assert self._serving is not None
        address = self._serving[0].address
        if link is not None and link.address == address:
            return link
        if link is not None:
            words = "Another program has the address of its view-only link by now; it has a new one."
            self._recorder.message(words, "warning")
        link = view_only_link.made(address)
        try:
            await asyncio.to_thread(view_only_link.write, self._directory.path, link)
        except OSError as error:
            raise AccessError(f"The link could not be written down: {error.strerror or error}.") from None
        return link

    async def _listen(self, host: str, port: int) -> None:
        # Of use to few sessions.
        from golem_launcher.access.sockets.listener import Listener, bind  # noqa: PLC0415
        from golem_launcher.session.view_only.renderings import Renderings  # noqa: PLC0415
        from golem_launcher.session.view_only.server import ViewOnlyServer  # noqa: PLC0415
        from golem_launcher.session.view_only.shown_files import ShownFiles  # noqa: PLC0415

        bound = bind(host, port, shared=True)  # with who is there while the session is suspended
        files = ShownFiles(self._dial, self._token)
        renderings = Renderings(files, self._directory.scratch / "view-only")
        server = ViewOnlyServer(self._directory.path, bound.address, files, renderings, self._words)
        listener = Listener(bound, server.serve)
        await listener.start()
        self._serving = listener, files, renderings

    def _words(self) -> str:
        """What viewers are to know of the session at this moment."""
        state = self._recorder.state
        if state.started_at is None:
            return "The session is being started."
        return _STAGES.get(state.stage, "")

    async def aclose(self) -> None:
        """End all connections. Its link stays written down: it is a suspended session's as well."""
        if self._serving is not None:
            listener, files, renderings = self._serving
            await listener.aclose()
            await renderings.aclose()
            await files.aclose()
