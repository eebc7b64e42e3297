"""The folder that a notebook keeps equal with the one over there, over all connections of the notebook."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.kernel import cards
from golem_launcher.units import counted
from golem_launcher.untrusted_text import clean_line
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.kernel.connection import SessionConnection
    from golem_launcher.kernel.connection_record import KernelRecord
    from golem_launcher.kernel.output import Output, Place, Shown
    from golem_launcher.kernel.sync.rounds import Sync
    from golem_launcher.kernel.sync.steps import Outcome
    from golem_launcher.session.on_disk.directory import SessionDirectory

_HURRY_SECONDS = 3.0
"""Jupyter gives a kernel five seconds to end."""
_MOST_NAMED = 10
_TELL_SECONDS = 0.3


class SyncedFolder:
    """The synced folder of one notebook. Commands call its methods, and so does the kernel's end, one at a time."""

    def __init__(self, record: KernelRecord, connected: Callable[[], SessionConnection]) -> None:
        """``connected`` gives the notebook's connection, or raises ``NotConnected``."""
        self._record = record
        self._connected = connected
        self.path: Path | None = None
        """What is kept equal while the notebook is connected."""
        self._sync: Sync | None = None
        self._left_out: dict[str, str] = {}
        """What was said to be left out."""

    async def begin(self, path: Path, output: Output) -> None:
        """Keep this folder equal from now on. Raises ``LauncherError``; none is then."""
        place = place_over_there(path)
        await self.stop()
        self._left_out = {}
        await self._start(path, place, output)
        self.path = path
        await asyncio.to_thread(self._record.write_synced, str(path))

    async def stop(self) -> None:
        """Keep none equal any more; all files stay as they are."""
        await self.leave()
        self.path = None
        await asyncio.to_thread(self._record.write_synced, "")

    async def go_on(self, output: Output) -> None:
        """The notebook is connected: with the folder of before, if there is one. What does not work is said."""
        if self.path is None:
            return
        try:
            await self.begin(self.path, output)
        except LauncherError as error:
            await output.say(f"{self.path} is not kept in step: {error}", error=True)

    async def go_on_after_restart(self, synced: str) -> None:
        """The same for a kernel that was started anew, of which nobody waits for an answer."""
        if synced:
            with contextlib.suppress(LauncherError):
                await self._start(Path(synced), place_over_there(Path(synced)), None)
                self.path = Path(synced)
                await asyncio.to_thread(self._record.write_synced, synced)

    async def equalize(self, output: Output) -> None:
        """Make both sides equal now, where one is kept so; what does not work is said."""
        if self._sync is None:
            return
        place = output.place()
        try:
            outcome = await self._sync.equalize(_teller(place))
        except LauncherError as error:
            await output.say(f"{self.path} is not in step: {error}", error=True)
        else:
            await self._conclude(self._sync, outcome, place, output)

    async def fetch_last(self, output: Output) -> None:
        """The session is over: bring what it saved last, and part from it."""
        if self._sync is None:
            return
        await self._sync.aclose()
        try:
            outcome = await self._sync.fetch_last()
        except LauncherError as error:
            await output.say(f"{self.path} is not in step: {error}", error=True)
        else:
            if outcome.moved:
                await self._conclude(self._sync, outcome, output.place(), output)
        await self.leave()

    async def leave_at_its_end(self, directory: SessionDirectory) -> None:
        """Part from a session that ends later than this process: what it saves last comes here all the same."""
        sync = self._sync
        await self.leave()
        if sync is not None:
            from golem_launcher.kernel.sync.final_fetch import leave_to_itself

            with contextlib.suppress(OSError):  # it comes with the next %sync of the workspace, then
                await asyncio.to_thread(leave_to_itself, directory, sync.path, sync.place)

    async def leave(self, *, in_a_hurry: bool = False) -> None:
        """Part from the session; the folder stays chosen.

        ``in_a_hurry``: the session goes on; with a last try to make both sides equal.
        """
        sync, self._sync = self._sync, None
        if sync is None:
            return
        if in_a_hurry:
            with contextlib.suppress(LauncherError, TimeoutError):
                await wait_for(sync.equalize(_untold), _HURRY_SECONDS)
        await sync.aclose()

    async def show(self, output: Output) -> None:
        """What is kept equal, after making it so. Raises ``RequestError`` when nothing is."""
        if self._sync is None:
            chosen = f"{self.path} is kept in step when the notebook is connected." if self.path else ""
            await output.say(chosen or "No folder is kept in step with the provider. Like: %sync .")
            return
        self._left_out = {}
        await self.equalize(output)

    async def _start(self, path: Path, place: str, output: Output | None) -> None:
        from golem_launcher.kernel.sync.rounds import Sync

        connection = self._connected()
        sync = Sync(connection, path, place, connection.tell)
        shown = output.place() if output is not None else None
        outcome = await sync.begin(_teller(shown) if shown is not None else _untold)
        self._sync = sync
        if output is not None and shown is not None:
            await self._conclude(sync, outcome, shown, output)

    async def _conclude(self, sync: Sync, outcome: Outcome, place: Place, output: Output) -> None:
        """What a round did, and what it did not, once."""
        await place.show(_card(sync, outcome))
        new = {path: reason for path, reason in outcome.left_out.items() if self._left_out.get(path) != reason}
        self._left_out = outcome.left_out
        left_out = [f"Left out: {clean_line(path or '.')}: {reason}" for path, reason in new.items()]
        for lines in (outcome.notes, left_out):
            more = len(lines) - _MOST_NAMED
            if lines:
                named = [*lines[:_MOST_NAMED], *([f"and {more:,} more"] if more > 0 else [])]
                await output.say("\n".join(named), error=True)


def place_over_there(path: Path) -> str:
    """Where a folder of this computer is over there: as seen from the notebook, else by its name.

    Raises ``RequestError`` for what nobody means to send to a stranger, or can't be sent.
    """
    from golem_launcher.kernel.sync.local_folder import fault_of_name

    here, full = Path.cwd().resolve(), path.resolve()
    if not full.is_dir():
        raise RequestError(f"There is no folder {path}.", "Like: %sync src")
    home = Path.home().resolve()
    if full == home or full in home.parents:
        raise RequestError(f"{path} is more than a project.", "Sync a folder in it.")
    parts = full.relative_to(here).parts if full.is_relative_to(here) else (full.name,)
    if any(map(fault_of_name, parts)):
        raise RequestError(f"Jupyter over there takes no folder of the name {'/'.join(parts)}.", "Give it another one.")
    return "/".join(parts)


def _teller(place: Place) -> Callable[[str, int, int], Awaitable[None]]:
    told = 0.0

    async def tell(words: str, done: int, total: int) -> None:
        nonlocal told
        now = asyncio.get_running_loop().time()
        if now - told > _TELL_SECONDS:
            told = now
            far = f"{words} ({100 * done / total:.0f} %)"
            await place.show(cards.progress("Making both sides equal", far, done / total))

    return tell


async def _untold(_words: str, _done: int, _total: int) -> None:
    pass


def _card(sync: Sync, outcome: Outcome) -> Shown:
    rows = [
        ("here", str(sync.path)),
        ("over there", f"{sync.place}/" if sync.place else "the folder of the session"),
        ("equal", counted(outcome.equal, "file")),
        ("sent", counted(len(outcome.sent), "file") if outcome.sent else ""),
        ("fetched", counted(len(outcome.fetched), "file") if outcome.fetched else ""),
        ("with the next save", counted(outcome.waiting, "file") if outcome.waiting else ""),
        ("left out", counted(len(outcome.left_out), "file") if outcome.left_out else ""),
    ]
    return cards.table("Both sides are kept equal", rows, [sync.problem] if sync.problem else [])
