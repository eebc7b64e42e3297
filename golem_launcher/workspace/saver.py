"""Saves the workspace of a running session every few seconds, while something changes.

A round: what changed since the last (:class:`Tree`), the chunks that the store lacks, one new generation. It is whole
or it is not there: a round that breaks leaves the chunks that arrived, which the next need not bring again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, NothingToSave, ProviderError, WorkspaceError
from golem_launcher.events import Saving
from golem_launcher.waiting import wait_for
from golem_launcher.workspace.ahead import Ahead
from golem_launcher.workspace.manifest import Environment, shown
from golem_launcher.workspace.pull import ordered_missing, pull
from golem_launcher.workspace.tree import Tree, digest, shrunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.workspace.generation import Generation
    from golem_launcher.workspace.manifest import Entry
    from golem_launcher.workspace.remote import AgentWorkspace
    from golem_launcher.workspace.store import Store

_LOG = logging.getLogger(__name__)

_SLOWER = 4.0
"""A save may take a fifth of the time: the pause after it is this many times as long as it took."""
_LONGEST_INTERVAL = 120.0
_ATTEMPTS = 4
"""Plans of one round: a file that changes meanwhile makes the one before useless."""
_IN_VAIN = 2
"""Times the disk asked for: what may arrive without one whole save."""
_SHOWN_PATHS = 3
_PRUNE_EVERY = 50
"""Generations."""


@dataclass(frozen=True)
class Limits:
    """What a provider may make us keep."""

    total_bytes: int = 100 * 2**30
    """Of all files of one generation: the disk asked for, say."""


class Saver:
    """Saves one provider's workspace into ``store``, as generations of ``workspace``.

    ``after`` is the generation that this provider's workspace began with, when one was put back there. ``on_change``
    is told how saving stands.
    """

    def __init__(
        self,
        agent: AgentWorkspace,
        store: Store,
        workspace: str,
        *,
        interval: float = 5.0,
        limits: Limits | None = None,
        on_change: Callable[[Saving], None] = lambda _: None,
        after: int | None = None,
    ) -> None:
        self._agent = agent
        self._store = store
        self._interval = interval
        self._limits = limits or Limits()
        self._on_change = on_change
        self._after = after
        self.saving = Saving(workspace=workspace, store=store.shown, interval=interval)
        """How it stands."""
        self._lock = asyncio.Lock()
        self._tree = Tree()
        self._plan: str | None = None
        self._packages = ""
        self._environment: Environment | None = None
        self._committed: list[Entry] | None = None
        self._committed_environment: Environment | None = None
        self._seen: dict[bytes, int] = {}
        """The generations of this session, by what is in them."""
        self._notes: dict[str, str] = {}
        self._whole = False
        """Whether everything seen so far is saved."""
        self._flagged = ""
        """What was odd about the newest generation."""
        self._commits = 0
        self._taken = store.taken
        """What the store had taken at the last generation."""

    async def run(self) -> None:
        """Save until cancelled. What a provider or a store does wrong is told by ``saving.problem``."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._lock:
                began = loop.time()
                whole = await self._guarded()
                took = loop.time() - began if whole else 0.0  # how long a way that broke was waited for says nothing
            pause = min(max(self._interval, _SLOWER * took), _LONGEST_INTERVAL)
            self._tell(interval=round(pause, 1))
            await asyncio.sleep(pause)

    async def save_now(self, deadline_seconds: float = 30.0) -> Generation | None:
        """Save at once: the generation that has everything, or ``None``; ``saving.problem`` then says why.

        Raises ``NothingToSave``.
        """
        try:
            return await wait_for(self._save_now(), deadline_seconds)
        except asyncio.TimeoutError:
            self._tell(problem=f"The workspace could not be saved within {deadline_seconds:.0f} s.")
            return None

    async def _save_now(self) -> Generation | None:
        async with self._lock:
            if not await self._guarded():
                return None
            if self.saving.generation is None and not self.saving.problem:
                raise NothingToSave("There is nothing to save: the workspace is empty.")
        found = await asyncio.to_thread(self._store.generations, self.saving.workspace)
        return next((each for each in found if each.number == self.saving.generation), None)

    async def _guarded(self) -> bool:
        """One round; whether everything is saved now."""
        try:
            await self._round()
        except LauncherError as error:
            if isinstance(error, WorkspaceError):
                self._plan = None  # whatever went wrong, begin anew
            _LOG.info("not saved: %s", error)
            self._tell(problem=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - saving goes on, whatever it was
            _LOG.exception("saving failed")
            self._plan = None
            self._tell(problem=f"Saving failed: {type(error).__name__}.")
            return False
        return True

    async def _round(self) -> None:
        if self._committed is None:
            await self._begin()
        if self._store.taken - self._taken > _IN_VAIN * self._limits.total_bytes:
            raise WorkspaceError(
                "The provider has sent more than its disk holds, and no whole save. Nothing more is taken from it.",
                "What was saved before is safe. Download what you need, and go on with another provider.",
            )
        for attempt in range(_ATTEMPTS):
            if not await self._look() and self._whole:
                self._tell(saved_at=_now(), problem=self._problem())
                return
            self._whole = False
            entries = await asyncio.to_thread(self._tree.sifted)
            total = sum(entry.size for entry in entries)
            if total > self._limits.total_bytes:
                raise WorkspaceError(
                    f"The workspace has {total / 1e9:.1f} GB; {self._limits.total_bytes / 1e9:.1f} GB were asked for.",
                    "Delete files, or leave some out by a file .golemignore.",
                )
            if entries == self._committed and self._environment == self._committed_environment:
                self._whole = True
                self._tell(saved_at=_now(), problem=self._problem())
                return
            ids, size = await asyncio.to_thread(ordered_missing, self._store, entries)
            gone = set(await pull(self._agent, self._store, ids, size, lambda _: None))
            if not gone:
                break
            if attempt == _ATTEMPTS - 1:
                entries = self._without(entries, gone)
        await self._commit(entries, whole=not gone)

    async def _begin(self) -> None:
        """What this session's generations are compared with: the one that was put back, when one was."""
        self._committed = []
        if self._after is not None:
            manifest = await asyncio.to_thread(self._store.manifest, self.saving.workspace, self._after)
            self._committed = list(manifest.entries)
            self._committed_environment = manifest.environment
            self._seen[digest(self._committed)] = manifest.generation
            self._tell(
                generation=manifest.generation, saved_at=manifest.created_at, files=manifest.files, bytes=manifest.size
            )

    async def _look(self) -> bool:
        """Ask what changed; whether anything did, packages included."""
        async with Ahead(self._agent, self._store, self._limits.total_bytes) as ahead:
            plan = await self._agent.plan(self._plan, self._packages if self._plan else "", ahead.saw)
        # Another tree, because who is cancelled here has not seen what changed: the next plan tells it again.
        tree, changed = await asyncio.to_thread(self._tree.after, plan)
        self._notes = plan.notes
        if len(tree.entries) + len(tree.refused) != plan.entries:
            self._plan = None
            raise ProviderError("The provider's list of files does not add up; it is read again.")
        self._tree, self._plan = tree, plan.name
        if plan.environment is not None:
            changed = changed or plan.environment != self._environment
            self._environment, self._packages = plan.environment, plan.state
        return changed

    def _without(self, entries: list[Entry], gone: set[str]) -> list[Entry]:
        """Files that change faster than they can be read stay as they were saved last, or are left out."""
        before = {entry.path: entry for entry in self._committed or ()}
        kept = []
        for entry in entries:
            if gone.isdisjoint(entry.chunks):
                kept.append(entry)
                continue
            self._notes[shown(entry.path)] = "it changes all the time"
            if entry.path in before:
                kept.append(before[entry.path])
        return kept

    async def _commit(self, entries: list[Entry], *, whole: bool) -> None:
        assert self._committed is not None
        environment = self._environment or Environment()
        if not (self._committed or environment.requirements or any(entry.kind == "file" for entry in entries)):
            self._tell(saved_at=_now(), problem=self._problem())  # nothing is there yet
            return
        flags = []
        content = digest(entries)
        if vanished := shrunk(self._committed, entries):
            flags.append(f"{vanished}.")
        last = digest(self._committed)
        if content != last and (again := self._seen.get(content)) is not None:
            flags.append(f"The files are again those of generation {again}.")
        commit = functools.partial(self._store.commit, self.saving.workspace, entries, environment, flags)
        committing = asyncio.ensure_future(asyncio.to_thread(commit))
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:  # it can't be taken back: nobody may go on from an older generation now
            await asyncio.wait({committing})
            if not committing.cancelled() and committing.exception() is None:
                self._made(committing.result(), entries, content, whole=whole)
            raise
        self._made(committing.result(), entries, content, whole=whole)
        self._commits += 1
        if self._commits % _PRUNE_EVERY == 0:
            with contextlib.suppress(WorkspaceError):
                await asyncio.to_thread(self._store.prune)

    def _made(self, generation: Generation, entries: list[Entry], content: bytes, *, whole: bool) -> None:
        """There is a new generation."""
        before = self.saving.generation
        self._committed, self._committed_environment = entries, self._environment
        self._whole = whole
        self._taken = self._store.taken
        self._seen.setdefault(content, generation.number)
        kept = [f"Generation {before} is kept as it was."] if generation.flags and before is not None else []
        self._flagged = " ".join([*generation.flags, *kept])
        self._tell(
            generation=generation.number,
            saved_at=generation.created_at,
            files=generation.files,
            bytes=generation.bytes,
            problem=self._problem(),
        )

    def _problem(self) -> str:
        """What is odd about the newest generation, and what is not in it, in a sentence or two."""
        odd = self._notes | self._tree.odd
        if not odd:
            return self._flagged
        some = "; ".join(f"{path} ({reason})" for path, reason in list(odd.items())[:_SHOWN_PATHS])
        more = f", and {len(odd) - _SHOWN_PATHS} more" if len(odd) > _SHOWN_PATHS else ""
        return f"{self._flagged} Not saved as they are: {some}{more}.".strip()

    def _tell(self, **changes: object) -> None:
        saving = self.saving.model_copy(update=changes)
        if saving != self.saving:
            self.saving = saving
            self._on_change(saving)


def _now() -> datetime:
    return datetime.now(timezone.utc)
