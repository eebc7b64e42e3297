"""Rounds in which both sides are compared and made equal: when something changed here, or was saved over there."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from golem_launcher.agent.workspace.ignore import FILE as IGNORE_FILE
from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.kernel.sync.comparison import Comparer, too_many
from golem_launcher.kernel.sync.local_folder import Folder, TooManyFiles
from golem_launcher.kernel.sync.merge import SyncStep
from golem_launcher.kernel.sync.merge_base import MergeBase
from golem_launcher.kernel.sync.remote_folder import Workspace
from golem_launcher.kernel.sync.steps import Outcome, StepRunner
from golem_launcher.units import data_size
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from golem_launcher.kernel.remote_kernel import LabClient
    from golem_launcher.kernel.sync.local_folder import Stamp
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
_LOOK_SHARE = 0.005
"""Of a core, at most, for looking whether something changed here."""
_LONGEST_PAUSE = 60.0
_MOST_ROUNDS = 3
_OTHERS_SECONDS = 60.0
_GIBIBYTE = 1 << 30
_MOST_TOLD = 10


class SyncedSession(Protocol):
    """What is asked of a notebook's connection, or of a session that ends without one."""

    directory: SessionDirectory
    lab: LabClient
    back: asyncio.Event
    over: str

    async def state(self) -> SessionState:
        """The session's state, as last written."""


class Sync:
    """A folder that is kept equal while a notebook is connected. ``begin`` once, then ``aclose``.

    Where no notebook is there any more: ``open`` once, and ``fetch_last`` when the session is over.

    ``tell``: called with sentences that the next cell is to say.
    """

    def __init__(self, connection: SyncedSession, path: Path, place: str, tell: Callable[[str], None]) -> None:
        self.path = path
        self.place = place
        self.last = Outcome()
        self.problem = ""
        """Why the last round in the background did not work."""
        self._connection = connection
        self._tell = tell
        self._lock = asyncio.Lock()
        self.common: MergeBase
        self._folder: Folder
        self._workspace: Workspace
        self._looking: Comparer
        self._disk = 0
        """Bytes of the session's."""
        self._before: tuple[object, int | None] = (None, None)
        """What was here and saved there at the last round."""
        self._task: asyncio.Task[None] | None = None

    async def begin(self, told: Callable[[str, int, int], Awaitable[None]]) -> Outcome:
        """Make both sides equal for the first time, then whenever something changes. Raises ``LauncherError``."""
        await self.open()
        outcome = await self.equalize(told)
        outcome.notes[:0] = await asyncio.to_thread(self.common.take_untold)
        self._task = asyncio.create_task(self._watch())
        return outcome

    async def open(self) -> None:
        """Open folder and store, when nobody else is at work in the folder. Raises ``LauncherError``."""
        state = await self._connection.state()
        if state.saving is None:
            raise SessionError("Nothing of this session is saved, so nothing comes back.", "%connect with save=yes.")
        await asyncio.to_thread(self._open, state.saving.workspace)

    def _open(self, workspace: str) -> None:
        from golem_launcher.workspace.repository.store import open_store

        request = self._connection.directory.request()
        self._disk = int(request.disk_gib * _GIBIBYTE)
        try:
            self._folder = Folder(self.path)
            common = self.common = MergeBase(self.path, request.store, workspace, self.place)
            with common.held(_OTHERS_SECONDS):
                pass  # nobody brings what its last session saved any more
            store = open_store(request.store, encrypt=request.encrypt)
            self._workspace = Workspace(self._connection.lab, store, workspace, self.place, self._disk)
            self._looking = Comparer(self._folder, self._workspace, common)
        except TimeoutError:
            raise SessionError(f"{self.path} gets what its last session saved.", "Try again in a minute.") from None
        except OSError as error:
            raise SessionError(f"{self.path} can't be used: {error.strerror or error}.", "Name a folder.") from None

    async def equalize(self, told: Callable[[str, int, int], Awaitable[None]]) -> Outcome:
        """Save over there, make both sides equal, and see that they are. Raises ``LauncherError``."""
        await self._save()
        outcome = await self._round(told)
        for _ in range(_MOST_ROUNDS):
            if not outcome.moved and not outcome.waiting:
                break
            await self._save()
            following = await self._round(told)
            moved, outcome = following.moved or following.waiting, following.after(outcome)
            if not moved:
                break
        self.last, self.problem = outcome, ""
        return outcome

    async def fetch_last(self) -> Outcome:
        """Bring what the session saved at its end; nothing can be sent any more. Raises ``LauncherError``."""
        outcome = await self._round(_untold, sends=False)
        self.last = (await self._round(_untold, sends=False)).after(outcome)  # which sees what is equal now
        return self.last

    async def aclose(self) -> None:
        """Watch no more; all files stay as they are. What was saved last may be fetched still."""
        if self._task is not None:
            await cancel_all(self._task)
            self._task = None

    async def _watch(self) -> None:
        pause = _LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            loop = asyncio.get_running_loop()
            began = loop.time()
            try:
                if not self._connection.back.is_set() or self._connection.over:
                    continue
                seen = await self._seen()
                looked = loop.time() - began
                unfinished = False
                if seen != self._before:
                    outcome = await self._round(_untold)
                    self._tell_all(outcome)
                    self.last, unfinished = outcome, outcome.unfinished
                self.problem = ""
                pause = min(max(2 * pause if unfinished else _LOOK_SECONDS, looked / _LOOK_SHARE), _LONGEST_PAUSE)
            except (LauncherError, OSError) as error:
                _LOG.info("not in step: %s", error)
                self.problem = str(error)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end it without a word
                _LOG.exception("not in step")
                self.problem = f"{type(error).__name__}: {error}"
                pause = _LONGEST_PAUSE

    def _tell_all(self, outcome: Outcome) -> None:
        more = len(outcome.notes) - _MOST_TOLD
        for note in outcome.notes[:_MOST_TOLD]:
            self._tell(note)
        if more > 0:
            self._tell(f"The same of {more:,} more.")

    def _check_size(self, size: int) -> None:
        """Raise ``SessionError`` for more than the disk over there can have, before all of it is read."""
        if size > self._disk:
            raise SessionError(
                f"{self.path} has {data_size(size)}, and the session a disk of {data_size(self._disk)}.",
                f"Name what is to stay here in {self.path / IGNORE_FILE}, or ask for more: %connect disk>GIB",
            )

    async def _seen(self) -> tuple[frozenset[tuple[str, Stamp]], int | None]:
        number = _saved(await self._connection.state())
        try:
            here = await asyncio.to_thread(self._folder.stamps)
        except TooManyFiles:
            raise too_many(self.path) from None
        return here, number

    def _newest(self) -> int | None:
        return _saved(self._connection.directory.state())

    async def _save(self) -> None:
        from golem_launcher.session import client

        await asyncio.to_thread(client.save, self._connection.directory.name)

    async def _round(self, told: Callable[[str, int, int], Awaitable[None]], *, sends: bool = True) -> Outcome:
        async with self._lock:
            agreement = (await self._connection.state()).head.agreement_id
            seen = await self._seen()
            if sends:
                self._check_size(sum(size for _, (_, size, _) in seen[0]))
            both = await asyncio.to_thread(self._looking.look, agreement, self._newest)
            steps = [one for one in both.steps if sends or one[0] in {SyncStep.FETCH, SyncStep.KEEP_BOTH}]
            doing = StepRunner(self._folder, self._workspace, both, self.common.sent)
            outcome = doing.outcome
            try:
                for number, (step, path) in enumerate(steps):
                    await told(f"{path}: {step.value}", number, len(steps))
                    await doing.do(step, path, sends=sends)
            except LauncherError:
                self._tell_all(outcome)  # what was done is done
                raise
            finally:
                if doing.sent:
                    await asyncio.to_thread(self._looking.note_sent, agreement, doing.sent)
            self._before = seen if not outcome.unfinished else (None, None)
            outcome.equal = len(both.equal)
            outcome.waiting = len(self.common.sent)
            outcome.left_out = both.left_out | outcome.left_out
            return outcome


def _saved(state: SessionState) -> int | None:
    return state.saving.generation if state.saving is not None else None


async def _untold(_words: str, _done: int, _total: int) -> None:
    pass
