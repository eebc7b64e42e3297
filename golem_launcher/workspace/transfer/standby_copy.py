"""What a second machine has of a workspace: brought there generation by generation, and seen to be there.

The machine is a stranger's, which may keep what is old, or nothing at all, and say otherwise. So after each generation
it is asked what there is, all of which must be that generation's, and for one piece of it, which only who kept it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

from golem_launcher.agent.workspace.chunker import chunk_id
from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.transfer.change_list import LARGE
from golem_launcher.workspace.transfer.restore import Difference, mirror
from golem_launcher.workspace.transfer.tree import Tree, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.workspace.repository.entries import Entries
    from golem_launcher.workspace.repository.manifest import Manifest
    from golem_launcher.workspace.repository.store import Store
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
    from golem_launcher.workspace.transfer.progress import ReportProgress

_ATTEMPTS = 3
"""Times that it is brought a generation: what runs there may have written something of its own meanwhile."""
_LOOKS = 8
_SAMPLES = 3
"""Pieces that are asked for where it is about to be relied on."""
_READ_SECONDS = 120.0
"""So long it may say that it has still to read what is large: what it was brought, it need not read."""
_READ_POLL_SECONDS = 0.2
_OTHER = "It does not have what it was brought: its files are not those of the save."


class StandbyCopy:
    """What one machine has of the saved workspace, asked of its ``agent``.

    Raises ``ProviderError`` if it is lost, or lies.
    """

    def __init__(self, agent: AgentWorkspace, store: Store) -> None:
        self._agent = agent
        self._store = store
        self.manifest: Manifest | None = None
        """The newest generation that it was seen to have."""
        self._brought: Manifest | None = None
        """The newest one that it was made to have."""
        self._tree = Tree()
        """What there is, as it said last."""
        self._last_list: str | None = None
        self._packages = ""

    async def bring(self, manifest: Manifest, progress: ReportProgress) -> list[str]:
        """Have it have a generation, and see that it has; what of the packages could not be done, a sentence each.

        Raises ``WorkspaceError`` when the store can't be read.
        """
        notices: list[str] = []
        await self._look()
        for _ in range(_ATTEMPTS):
            before, self._brought = self._brought, manifest
            difference = Difference(self._tree.entries, before, manifest)
            notices += await mirror(self._agent, self._store, difference, progress)
            await self._look()
            if await asyncio.to_thread(_same, self._tree.entries, manifest.entries):
                await self._sample(manifest.entries, 1)
                self.manifest = manifest
                return notices
        raise ProviderError(_OTHER)

    async def confirm(self) -> None:
        """See that it has still what it was seen to have last. Raises ``ProviderError`` when it has something else."""
        assert self.manifest is not None
        await self._look()
        if not await asyncio.to_thread(_same, self._tree.entries, self.manifest.entries):
            raise ProviderError(_OTHER)
        await self._sample(self.manifest.entries, _SAMPLES)

    async def _look(self) -> None:
        """Ask what there is, until all of it was read over there."""
        time = asyncio.get_running_loop().time
        end = time() + _READ_SECONDS
        while True:
            with _its_fault():
                listed = await self._agent.changes_since(self._last_list, self._packages if self._last_list else "")
                self._tree, _ = await asyncio.to_thread(self._tree.after, listed)
            self._last_list, self._packages = listed.name, listed.state
            if LARGE not in listed.notes.values():
                return
            if time() > end:
                raise ProviderError("It does not come to an end with reading its files.")
            await asyncio.sleep(_READ_POLL_SECONDS)

    async def _sample(self, entries: Entries, count: int) -> None:
        """Ask for some pieces of what it says that it has, ``count`` at most."""
        chosen = await asyncio.to_thread(_some_of, entries, count)
        with _its_fault():
            async for identifier, data in self._agent.chunks(chosen):
                if data is None or chunk_id(data).hex() != identifier:
                    raise ProviderError("It can't give back what it says that it has.")


@contextlib.contextmanager
def _its_fault() -> Iterator[None]:
    """Nothing but the machine is asked: who answers what no agent of ours would is of no use."""
    try:
        yield
    except WorkspaceError as error:
        raise ProviderError(error.what) from None


def _same(has: Entries, wanted: Entries) -> bool:
    return digest(has) == digest(wanted)


def _some_of(entries: Entries, count: int) -> list[str]:
    """Some of their chunks, by chance; fewer where the entries that were looked at have none. Blocking."""
    chosen: dict[str, None] = {}
    for _ in range(_LOOKS * count if entries else 0):
        found = list(entry_record.chunk_ids(random.choice(entries.records)))  # noqa: S311 - it need not be kept secret
        if found:
            chosen[random.choice(found).hex()] = None  # noqa: S311 - likewise
        if len(chosen) == count:
            break
    return list(chosen)
