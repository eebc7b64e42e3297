"""A notebook's connection to a session: begun, watched, ended. The session itself is its supervisor's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from golem_launcher.errors import AccessError, LauncherError, RequestError, SessionError
from golem_launcher.events import Stage
from golem_launcher.kernel import cards
from golem_launcher.kernel.remote_kernel import KernelGone, LabClient, RemoteKernel, free_name, start_kernel_of
from golem_launcher.waiting import begun_in_thread, cancel_all, wait_for
from golem_launcher.workload.lab import LAB

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.kernel.connection_record import KernelRecord
    from golem_launcher.kernel.messages import JupyterMessage
    from golem_launcher.kernel.output import Place
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.client.waking import Requested
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
_WATCH_SECONDS = 1.0
_WATCH_BROKEN_SECONDS = 0.25
_CONNECT_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
_LOST_SECONDS = 2.0
_LEAVE_SECONDS = 5.0
_MOST_NEWS = 50
"""Lines that the next cell says; a stranger decides how often there are new ones."""


class KernelHere(Protocol):
    """The kernel on this side: what a connection tells it."""

    async def heard(self, channel: str, message: JupyterMessage) -> None:
        """The kernel over there sent a message."""

    async def lost(self, words: str) -> None:
        """What ran there is gone: end every request that waits, with these words."""

    async def held_up(self, words: str) -> None:
        """What runs there goes on, but can't be heard for a while: tell those who wait, with these words."""

    async def answers_lost(self) -> None:
        """The kernel over there is idle, so a request that still waits has lost its answer: end it."""

    @property
    def waits(self) -> bool:
        """Whether a request waits."""


class SessionConnection:
    """To one session that runs. ``open`` once, then ``leave`` or ``aclose`` once, the latter perhaps after ``part``."""

    def __init__(
        self,
        directory: SessionDirectory,
        record: KernelRecord,
        owner: KernelHere,
        *,
        ends_session: bool,
        notebook: str = "",
    ) -> None:
        self.directory = directory
        self.ends_session = ends_session
        self.over = ""
        """Why there is nothing at the other end any more; empty while there is, or will be again."""
        self.news = ""
        """What the next cell is to say: what was lost and what is back."""
        self.trouble = ""
        """Why it did not come to a kernel over there when that was tried last; empty where it did."""
        self.back = asyncio.Event()
        """Set while the kernel over there can be used, and when it will never be."""
        self.kernel: RemoteKernel | None = None
        self.notebook = notebook
        """What the Jupyter over there calls the notebook, and keeps its variables by."""
        self.variables_wait = False
        """Whether variables come back with the first cell of the kernel that was started last."""
        self._record = record
        self._owner = owner
        self.lab = LabClient(directory)
        """Requests to the Jupyter over there."""
        self._machine: tuple[str | None, int] = (None, 0)
        """The agreement with the provider, and how many were lost before it."""
        self._notices = 0
        """How many of the session's notices are older than the loss of a machine."""
        self._away = False
        """Whether the provider is there and can't be reached at the moment: the node is away."""
        self._doubt = False
        """Whether the connection broke while a request waited: its answer may be lost."""
        self._tasks: list[asyncio.Task[None]] = []
        self._running: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The session's."""
        return self.directory.name

    def tell(self, sentence: str) -> None:
        """Have the next cell say this, too."""
        new = sentence.splitlines()
        lines = [*(one for one in self.news.splitlines() if one not in new), *new]
        self.news = "\n".join(lines[-_MOST_NEWS:])  # who looks at the notebook tomorrow finds no megabytes

    async def state(self) -> SessionState:
        """The session's, as written last."""
        return await asyncio.to_thread(self.directory.state)

    async def until_there(self, place: Place) -> bool:
        """Wait until the kernel is at the session's machine and that is not being left, or the session is over.

        What is waited for is shown at ``place``; whether there was anything. What is sent while machines change would
        be lost.
        """
        waited = False
        while not self.over:
            state = await self.state()
            if self.back.is_set() and _machine(state) == self._machine and not _changes_machines(state):
                break
            waited = True
            await place.show(cards.waiting(state, self.trouble))
            await asyncio.sleep(_LOOK_SECONDS)
        return waited

    async def open(self, kernel_id: str | None = None) -> None:
        """Reach the kernel ``kernel_id``, or a new one where that is gone. Raises ``LauncherError``; closed then."""
        try:
            state = await self.state()
            self._machine, self._notices = _machine(state), len(state.notices)
            if kernel_id is None or not self.notebook:
                self.notebook = await free_name(self.lab, self._record.names_of_notebook(self.notebook))
            await self._reach(kernel_id)
        except BaseException:
            await self.aclose()
            raise
        self._tasks = [asyncio.create_task(self._watch())]

    async def rest(self) -> None:
        """Stop listening and watching. Nothing changes over there; to be left or closed later."""
        await cancel_all(*self._tasks)  # first: who watches would start another kernel for one that is given up
        await self._stop_running()

    async def give_up_kernel(self) -> None:
        """End the kernel over there; the session stays as it is. To be closed then."""
        await self.rest()
        if self.kernel is not None and not self.over:
            await self.kernel.shut_down(_LEAVE_SECONDS)

    async def part(self) -> bool:
        """Stop being one of the session's notebooks; whether the session should end, because no other uses it."""
        await self.rest()
        await asyncio.to_thread(self._record.remove)  # first: of two that leave at once, one sees that nobody is left
        others = await asyncio.to_thread(self._record.others, self.name)
        return self.ends_session and not any(one.alive for one in others)

    async def leave(self) -> bool:
        """:meth:`part`, and give up the kernel over there and the connection."""
        ends = await self.part()
        await self.give_up_kernel()
        await self.aclose()
        return ends

    async def aclose(self) -> None:
        """Close the connection; all over there stays as it is."""
        await self.rest()
        await self.lab.aclose()

    async def _stop_running(self) -> None:
        if self._running is not None:
            await cancel_all(self._running)
            self._running = None

    async def _start(self) -> str:
        """A kernel of the notebook over there; its id."""
        started = await start_kernel_of(self.lab, self.notebook)
        if self.kernel is not None and started.id == self.kernel.id:  # which is known to be of no use
            await self.kernel.shut_down()
            started = await start_kernel_of(self.lab, self.notebook)
        self.variables_wait = started.variables_wait
        return started.id

    async def _reach(self, wanted: str | None, news: str = "") -> None:
        """Have a kernel over there to talk to; ``news``: what the next cell is to say of it.

        What became of variables that wait there, the kernel says itself.
        """
        kernel_id = wanted or await self._start()
        await self._stop_running()
        kernel = self.kernel = RemoteKernel(self.lab, kernel_id, heard=self._owner.heard, broke=self._note_break)
        self._running = asyncio.create_task(self._run(kernel))
        connected = asyncio.ensure_future(kernel.connected.wait())
        try:
            await asyncio.wait(
                {connected, self._running}, timeout=_CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not connected.done() and self._running.done() and wanted:  # the kernel that was there is gone
                await self._reach(None)
                return
            if not connected.done():
                raise AccessError("The kernel over there can't be reached.", "Try again, or see: %logs")
        finally:
            await cancel_all(connected)
        if news:
            self.tell(news if self.variables_wait else f"{news} Variables are gone: run the cells again.")
        self.trouble = ""
        self.back.set()
        await asyncio.to_thread(
            self._record.write, self.name, kernel_id, ends_session=self.ends_session, notebook=self.notebook
        )

    async def _run(self, kernel: RemoteKernel) -> None:
        with contextlib.suppress(KernelGone):
            await kernel.run()

    async def _watch(self) -> None:
        """Notice what becomes of session, provider and kernel, until the session is over."""
        while not self.over:
            broken = self.kernel is None or not self.kernel.connected.is_set()
            await asyncio.sleep(_WATCH_BROKEN_SECONDS if broken else _WATCH_SECONDS)
            try:
                await self._look()
            except LauncherError as error:
                _LOG.info("not now: %s", error)
                self.trouble = str(error)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _look(self) -> None:
        state = await self.state()
        if _machine(state) == self._machine:
            self._notices = len(state.notices)
        if state.stage.final:
            self.over = f"The session '{self.name}' is over. {state.reason}".strip()
            await self._stop_running()
            await self._owner.lost(self.over)
            self.back.set()
        elif _machine(state) != self._machine:
            await self._follow(state)
        elif state.stage is Stage.RECOVERING:
            await self._wait_for_node(state)
        elif self._away and self._running is not None and not self._running.done():
            await self._be_back()
        elif self._running is None or self._running.done():
            self.back.clear()
            await self._owner.lost("The kernel over there is gone: it died, or its Jupyter was started anew.")
            await self._reach(None, "Another kernel was started over there. Files are as they were.")
        elif self._doubt and self.kernel is not None and self.kernel.connected.is_set():
            await self._look_for_lost_answers(self.kernel)

    def _note_break(self) -> None:
        self._doubt = self._doubt or self._owner.waits

    async def _look_for_lost_answers(self, kernel: RemoteKernel) -> None:
        """Whoever waits while the kernel is idle, and for a while, has lost an answer on the way."""
        self._doubt = self._owner.waits
        if not self._doubt or await kernel.state() != "idle":
            return
        await asyncio.sleep(_LOST_SECONDS)
        if self._owner.waits and await kernel.state() == "idle":
            await self._owner.answers_lost()

    async def _wait_for_node(self, state: SessionState) -> None:
        """The node is away, and so is the provider. What runs there runs on, and what it says is kept for us."""
        if not self._away:
            self._away = True
            self.back.clear()
            await self._owner.held_up(f"{state.reason} What runs over there runs on, and what it says comes then.")

    async def _be_back(self) -> None:
        """The node is there again: go on when the kernel is reached."""
        if self.kernel is not None and self.kernel.connected.is_set():
            self._away = False
            self.back.set()

    async def _follow(self, state: SessionState) -> None:
        """The provider was lost, or moved away from: end what waits, wait for another one, and start a kernel there."""
        self.back.clear()
        self._away = False
        await self._stop_running()
        moved = state.head.lost == self._machine[1] and state.move is not None
        await self._owner.lost(
            f"The session '{self.name}' moved to another machine; what ran at the old one ended."
            if moved
            else f"The provider was lost, and what ran there. Another one is looked for; the session '{self.name}' "
            "goes on with the files of the last save."
        )
        while state.stage is not Stage.READY:
            await asyncio.sleep(_LOOK_SECONDS)
            state = await self.state()
            if state.stage.final:
                return
        moves = [state.move.words] if moved and state.move is not None else []
        await self._reach(None, " ".join([*moves, *state.notices[self._notices :]]))
        self._machine = _machine(state)


def _machine(state: SessionState) -> tuple[str | None, int]:
    return state.head.agreement_id, state.head.lost


def _changes_machines(state: SessionState) -> bool:
    """Whether what is run now may end with the machine that is left."""
    return state.stage is Stage.RECOVERING or (state.move is not None and state.move.stage == "switching")


def check_workload(name: str) -> None:
    """Raise ``RequestError`` for a session without a Jupyter: there are no kernels in it."""
    if name != LAB.name:
        raise RequestError(
            f"A kernel needs a session with JupyterLab, and this is one of '{name}'.", "Leave workload out."
        )


async def until_saved_before(request: LaunchRequest, told: Callable[[SessionState], Awaitable[None]]) -> None:
    """Wait for a session that is just ending and saves the files that this request goes on with, if there is one.

    A notebook that was closed a moment ago has one. ``told`` is awaited with each of its states. It ends within a
    time of its own; who waits no longer is refused by :func:`begin`, in words.
    """
    from golem_launcher.session import client, timeouts

    async def wait() -> None:
        while (before := await asyncio.to_thread(client.ending_before, request)) is not None:
            await told(await asyncio.to_thread(before.state))
            await asyncio.sleep(_LOOK_SECONDS)

    with contextlib.suppress(TimeoutError):
        await wait_for(wait(), timeouts.WAIT_FOR_END)


async def begin(
    requested: Requested, told: Callable[[SessionState], Awaitable[None]], seconds: float
) -> SessionDirectory:
    """Start what is asked for and wait until it is ready, ``seconds`` at most.

    ``told`` is awaited with each of its states. Raises ``LauncherError``. Nothing runs then, nor when it is cancelled:
    the session is ended.
    """
    from golem_launcher.session import client

    directory = await begun_in_thread(
        lambda: client.start(requested.request, instead_of=requested.instead_of), _end_at_once
    )
    try:
        state = await wait_for(_until_ready(directory, told), seconds)
    except TimeoutError:
        await asyncio.to_thread(_end_at_once, directory)
        raise SessionError(
            f"No provider was ready within {seconds:.0f} s.", "Allow more with timeout=10m, or ask for less."
        ) from None
    except BaseException:
        await asyncio.shield(asyncio.to_thread(_end_at_once, directory))
        raise
    if state.stage is not Stage.READY:
        raise SessionError(state.reason or f"The session '{requested.request.name}' did not become ready.")
    return directory


async def _until_ready(directory: SessionDirectory, told: Callable[[SessionState], Awaitable[None]]) -> SessionState:
    from golem_launcher.session import client

    while True:
        state = await asyncio.to_thread(client.followed, directory)
        await told(state)
        if state.stage is Stage.READY or state.stage.final:
            return state
        await asyncio.sleep(_LOOK_SECONDS)


def _end_at_once(directory: SessionDirectory) -> None:
    from golem_launcher.session import client

    with contextlib.suppress(LauncherError):
        client.stop(directory.name, force=True)


async def end(directory: SessionDirectory, told: Callable[[SessionState], Awaitable[None]]) -> SessionState:
    """Save and end a session, wait for its end; its last state. Raises ``SessionNotEnded`` and ``SessionError``."""
    from golem_launcher.session import client

    ending = asyncio.ensure_future(asyncio.to_thread(client.stop, directory.name))
    while not ending.done():
        await told(await asyncio.to_thread(directory.state))
        with contextlib.suppress(TimeoutError):
            await wait_for(asyncio.shield(ending), _LOOK_SECONDS)
    return await ending
