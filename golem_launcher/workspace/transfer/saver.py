"""Saves a running session's workspace every few seconds, while something changes.

A round: what changed since the last (:class:`Tree`), the chunks that the store lacks, one new generation. A generation
is whole or it is not there; it has whatever could be saved, and names what could not. A round has an end: what did not
arrive by then, or broke off, is brought by the next, and the small never waits for the large.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, NothingToSave, ProviderError, WorkspaceError
from golem_launcher.frozen_copy import changed
from golem_launcher.session_state import Saving
from golem_launcher.waiting import cancel_all, wait_for
from golem_launcher.workspace.repository.entry import LONGEST_PATH, shown
from golem_launcher.workspace.transfer.added_generations import ON_ITS_WAY, AddedGenerations, SaveLimits
from golem_launcher.workspace.transfer.change_list import BUSY, LARGE
from golem_launcher.workspace.transfer.chunk_fetcher import Prefetch, fetch_chunks
from golem_launcher.workspace.transfer.omissions import HARMLESS, Omissions
from golem_launcher.workspace.transfer.progress import Bringing, untold
from golem_launcher.workspace.transfer.space_limits import within
from golem_launcher.workspace.transfer.timeouts import LEAST_RATE
from golem_launcher.workspace.transfer.tree import Tree, differ_by_dates

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.workspace.repository.entries import Entries
    from golem_launcher.workspace.repository.generation import Generation
    from golem_launcher.workspace.repository.manifest import Environment
    from golem_launcher.workspace.repository.store import Store
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
    from golem_launcher.workspace.transfer.fence import Fence
    from golem_launcher.workspace.transfer.progress import ReportProgress

_LOG = logging.getLogger(__name__)

_SLOWER = 4.0
"""A save may take a fifth of the time: the pause after it is this many times as long as it took."""
_LONGEST_INTERVAL = 120.0
_HANGS_SECONDS = 5.0
"""A round that brings next to nothing for so long is not waited for by who wants to save now."""
_ATTEMPTS = 4
"""Lists of changes in one round: a file that changes meanwhile makes the one before useless."""
_SHOWN_PATHS = 3
_ROUND_SECONDS = 15.0
"""After which a round takes what is there."""


class Saver:
    """Saves one provider's workspace into ``store``, as generations of ``workspace``.

    ``after`` is the generation that this provider's workspace began with, when one was put back there. ``on_change``
    is told how saving stands, ``progress`` how far a save is that takes longer than a moment. Nothing is saved once the
    ``fence`` is closed.
    """

    def __init__(
        self,
        agent: AgentWorkspace,
        store: Store,
        workspace: str,
        *,
        interval: float = 5.0,
        limits: SaveLimits | None = None,
        on_change: Callable[[Saving], None] = lambda _: None,
        progress: ReportProgress = untold,
        after: int | None = None,
        fence: Fence | None = None,
    ) -> None:
        self._agent = agent
        self._store = store
        self._interval = interval
        self._limits = limits or SaveLimits()
        self._on_change = on_change
        self._progress = progress
        self._after = after
        self._generations = AddedGenerations(store, workspace, self._limits, self._made, fence)
        self._begun = False
        self.saving = Saving(workspace=workspace, store=store.shown, interval=interval)
        """How it stands."""
        self._lock = asyncio.Lock()
        self._running: asyncio.Future[bool] | None = None
        """The round that :meth:`run` is at."""
        self._tree = Tree()
        self._last_list: str | None = None
        self._packages = ""
        self._environment: Environment | None = None
        self._notes: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        """What is there and not saved, or not as it is now, and why."""
        self._round_began = 0.0
        """By the loop's clock."""
        self._doubt = False
        """Whether the store may not hold any more what was saved there."""
        self._more = False
        """Whether another round would save more."""
        self._whole = False
        """Whether everything seen so far is saved."""
        self._redated = False
        """Whether files have other dates than in the newest generation, and nothing else is new."""

    async def run(self) -> None:
        """Save until cancelled. What a provider or a store does wrong is told by ``saving.problem``."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._lock:
                began = loop.time()
                whole = await self._unless_dropped()
                took = loop.time() - began if whole else 0.0  # how long a way that broke was waited for says nothing
            pause = min(max(self._interval, _SLOWER * took), _LONGEST_INTERVAL)
            self._tell(interval=round(pause, 1))
            await asyncio.sleep(pause)

    async def _unless_dropped(self) -> bool:
        """One round, unless somebody who waits for his own drops it; whether everything is saved now."""
        self._running = asyncio.ensure_future(self._guarded())
        try:
            await asyncio.wait({self._running})
        finally:
            await cancel_all(self._running)
        return not self._running.cancelled() and self._running.result()

    async def _make_way(self) -> None:
        """Drop the round under way when it hangs: what it brought is kept, and the next one asks anew."""
        received = self._agent.received
        while self._lock.locked() and self._running is not None and not self._running.done():
            await asyncio.wait({self._running}, timeout=_HANGS_SECONDS)
            if self._agent.received - received < LEAST_RATE * _HANGS_SECONDS:
                self._agent.drop_bulk()
                self._running.cancel()
                return
            received = self._agent.received

    @property
    def whole(self) -> bool:
        """Whether everything seen so far is saved, and an end would lose nothing of it."""
        return self._whole and not self.saving.at_stake

    @property
    def lasting(self) -> set[str]:
        """The files that an end would lose and that no later save will have."""
        return {path for path, why in self.left_out.items() if why not in HARMLESS | {BUSY, ON_ITS_WAY, LARGE}}

    @property
    def unsteady(self) -> int:
        """How many of the files that an end would lose are saved, but maybe half written: somebody was at it."""
        return sum(why == BUSY for why in self.left_out.values())

    async def save_now(self, deadline_seconds: float = 30.0) -> Generation | None:
        """Save at once: the generation that has everything that can be saved, or ``None``; ``saving.problem`` says why.

        What can't is in ``left_out``. Raises ``NothingToSave``.
        """
        try:
            return await wait_for(self._save_now(), deadline_seconds)
        except TimeoutError:
            self._tell(problem=f"The workspace could not be saved within {deadline_seconds:.0f} s.")
            return None

    async def stop(self) -> None:
        """Save nothing any more, whoever asks: the newest generation stays that. One that is being made counts."""
        async with self._lock:
            await asyncio.to_thread(self._generations.stop)

    async def _save_now(self) -> Generation | None:
        await self._make_way()
        async with self._lock:
            self._doubt = True
            while True:
                if not await self._guarded(asked=True):
                    return None
                if not self._more:
                    break
            if self.saving.generation is None and not self.saving.problem:
                raise NothingToSave("There is nothing to save: the workspace is empty.")
        found = await asyncio.to_thread(self._store.generations, self.saving.workspace)
        return next((each for each in found if each.number == self.saving.generation), None)

    async def _guarded(self, *, asked: bool = False) -> bool:
        """One round, which somebody may have ``asked`` for; whether everything is saved now."""
        try:
            await self._round(asked=asked)
        except LauncherError as error:
            if isinstance(error, WorkspaceError):
                self._last_list = None  # whatever went wrong, begin anew
                self._doubt = True
            _LOG.info("not saved: %s", error)
            self._tell(problem=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - saving goes on, whatever it was
            _LOG.exception("saving failed")
            self._last_list = None
            self._tell(problem=f"Saving failed: {type(error).__name__}.")
            return False
        return True

    async def _round(self, *, asked: bool) -> None:
        self._round_began = asyncio.get_running_loop().time()
        generations = self._generations
        if not self._begun:
            await self._begin()
        if self._doubt:
            await self._look_into_store()
        generations.refuse_noise()
        end = asyncio.get_running_loop().time() + _ROUND_SECONDS
        failure: LauncherError | None = None
        for _ in range(_ATTEMPTS):
            if not await self._look() and self._whole and not (asked and self._redated):
                self._leave_out(self._tree.odd)
                self._more = LARGE in self._notes.values()
                self._tell(saved_at=_now())
                return
            await asyncio.to_thread(self._store.check_place)
            self._whole = False
            entries, too_much = await self._sifted()
            wanted, no_room = await generations.fit(entries)
            hopeless = self._tree.odd | too_much | no_room.why
            self._leave_out(hopeless)
            bringing = Bringing(self._progress, "Saving", wanted.bytes)
            try:
                gone = set(
                    await fetch_chunks(self._agent, self._store, wanted, lambda: _now_is_before(end), bringing.brought)
                )
            except LauncherError as error:
                failure, gone = error, set()
            finally:
                bringing.over()
            if not gone or failure is not None:
                break
        entries, late, on_its_way = await asyncio.to_thread(generations.savable, entries, gone, no_room.at)
        self._leave_out(hopeless | late)
        self._more = failure is None and on_its_way
        same_packages = self._environment == generations.environment
        self._redated = same_packages and await asyncio.to_thread(differ_by_dates, generations.entries, entries)
        # JupyterLab writes its layout again every few seconds, whether anything in it is new or not.
        if (entries != generations.entries or not same_packages) and (asked or not self._redated):
            await generations.commit(entries, self._environment, self.left_out)
        self._whole = failure is None and not (late.count or too_much.count or no_room.why.count)
        if failure is not None:
            raise failure
        self._more = self._more or LARGE in self._notes.values()
        self._tell(saved_at=_now(), problem=self._problem())

    async def _begin(self) -> None:
        """What this session's generations are compared with: the one that was put back, when one was."""
        self._begun = True  # where it can't be read, everything is saved anew
        manifest = await self._generations.begin(self._after)
        if manifest is not None:
            self._tree = Tree(manifest.entries)
            self._tell(
                generation=manifest.generation, saved_at=manifest.created_at, files=manifest.files, bytes=manifest.size
            )

    async def _sifted(self) -> tuple[Entries, Omissions]:
        """What can be saved together and is no more than was asked for; what had to be left out for that."""
        entries = await asyncio.to_thread(self._tree.sifted)
        return await asyncio.to_thread(within, entries, self._generations.entries, self._limits.total_bytes)

    async def _look_into_store(self) -> None:
        """See that what was saved last is there, or save everything again."""
        if not await self._generations.are_there():
            self._whole = False
            self._tell(generation=None, saved_at=None, files=0, bytes=0)
        self._doubt = False

    async def _look(self) -> bool:
        """Ask what changed; whether anything did, packages included."""
        most = min(self._limits.total_bytes, self._generations.room)
        packages = self._packages if self._last_list else ""
        async with Prefetch(self._agent, self._store, most) as prefetch:
            listed = await self._agent.changes_since(self._last_list, packages, prefetch.saw)
        # Another tree, because who is cancelled here has not seen what changed: the next list tells it again.
        tree, changed = await asyncio.to_thread(self._tree.after, listed)
        self._notes = listed.notes
        if len(tree.entries) + len(tree.refused) != listed.entries:
            self._last_list = None
            raise ProviderError("The provider's list of files does not add up; it is read again.")
        self._tree, self._last_list = tree, listed.name
        if listed.environment is not None:
            changed = changed or listed.environment != self._environment
            self._environment, self._packages = listed.environment, listed.state
        return changed

    def _leave_out(self, reasons: Omissions) -> None:
        """These can't be saved, beside what the provider itself could not read."""
        found = Omissions(self._notes.items()) | reasons
        self.left_out = {_text(path): why for path, why in found.named.items()}
        self._tell(left_out=found.count, at_stake=found.at_stake, problem=self._problem())

    def _made(self, generation: Generation, size: int) -> None:
        """There is a new generation, which took ``size`` bytes."""
        self._redated = False
        self._tell(
            generation=generation.number,
            saved_at=generation.created_at,
            files=generation.files,
            bytes=generation.bytes,
            seconds=round(asyncio.get_running_loop().time() - self._round_began, 3),
            new_bytes=size,
            kept_bytes=self._generations.kept,
            problem=self._problem(),
        )

    def _problem(self) -> str:
        """What is odd about the newest generation, and what is not in it, in a sentence or two."""
        flagged, odd = self._generations.flagged, self._notes | self.left_out
        if not odd:
            return f"{flagged} {self._generations.fullness()}".strip()
        worst = sorted(odd.items(), key=lambda item: item[1] in HARMLESS)
        some = "; ".join(f"{shown(path)} ({reason})" for path, reason in worst[:_SHOWN_PATHS])
        count = max(len(odd), self.saving.left_out)
        more = f", and {count - _SHOWN_PATHS} more" if count > _SHOWN_PATHS else ""
        return f"{flagged} Not saved as they are: {some}{more}.".strip()

    def _tell(self, **changes: object) -> None:
        saving = changed(self.saving, changes)
        if saving != self.saving:
            self.saving = saving
            self._on_change(saving)


def _text(path: str) -> str:
    """A provider may say anything for a path; it is to be written down."""
    return path[:LONGEST_PATH].encode(errors="backslashreplace").decode()


def _now_is_before(end: float) -> bool:
    return asyncio.get_running_loop().time() < end


def _now() -> datetime:
    return datetime.now(UTC)
