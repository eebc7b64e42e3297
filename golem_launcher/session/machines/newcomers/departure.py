"""The last moments at a machine that is left for another one: nobody works there any more, and all of it is saved."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionError
from golem_launcher.events import Stage
from golem_launcher.session import timeouts
from golem_launcher.units import duration
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.session.saving.saves import Saves

_BUSY_SECONDS = 600.0
"""So long a cell may run: the machine that waits for its end is paid."""
_LOOK_SECONDS = 1.0


class Departure:
    """The old head's part in one move.

    ``check`` before another machine is sought, ``begin`` once that lacks only the last save;
    ``undo`` when it fails then.
    """

    def __init__(
        self,
        saves: Saves,
        endpoint: MachineEndpoint,
        recorder: Recorder,
        *,
        busy: Callable[[], Awaitable[int]],
        told: Callable[[str], None],
    ) -> None:
        """``endpoint``: of the machine that is left. ``busy``: how many cells run there; ``told`` how far it is."""
        self._saves = saves
        self._endpoint = endpoint
        self._recorder = recorder
        self._busy = busy
        self._told = told
        self._hurried = asyncio.Event()
        self.has_begun = False
        """Whether nobody can work at the machine any more: all that was done there is saved."""

    async def check(self) -> None:
        """See that what is there can be saved, before another machine is paid for. Raises ``LauncherError`` where not.

        While cells run that is not known yet: what they write now may be whole when they are done.
        """
        if not await self._busy():
            await self._save_all()
            self._see_all_saved()

    async def begin(self) -> int | None:
        """Leave: the generation that has everything, ``None`` where nothing was ever saved.

        Raises ``LauncherError`` when something would be lost; all goes on as before then.
        """
        await self._idle()
        self._told("switching")
        await self._save_all()  # first with users at work, as it may take long; what they do meanwhile is little
        self._endpoint.hold()
        self.has_begun = True
        self._recorder.enter(Stage.RECOVERING, "It goes over to another machine, with all that there is.")
        generation = await self._saves.save_and_stop(timeouts.LAST_SAVE)
        self._see_all_saved()
        return generation

    def hurry(self) -> None:
        """Wait no longer for cells that run: they end."""
        self._hurried.set()

    async def _save_all(self) -> None:
        _, missing = await self._saves.save_all(timeouts.SAVE)
        if missing:
            raise SessionError(f"Not everything that is open is saved. {missing}", "Save it, and move again.")

    def _see_all_saved(self) -> None:
        expected = self._saves.unsteady if self._hurried.is_set() else 0  # of what runs that it ends, whatever it does
        if self._saves.at_stake > expected:
            raise SessionError(f"Something can't be saved, and would be lost: {self._saves.problem}")

    def undo(self) -> None:
        """All goes on at the machine that was to be left."""
        if self.has_begun:
            self.has_begun = False
            self._endpoint.resume()
            self._saves.begin()
            self._recorder.enter(Stage.READY)

    async def _idle(self) -> None:
        """Wait until no cell runs, or somebody hurries. Raises ``SessionError`` when one runs for too long."""
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _BUSY_SECONDS
        while not self._hurried.is_set() and (count := await self._busy()):
            self._told("waiting")
            if loop_time() > end:
                raise SessionError(
                    f"{count} notebooks were busy for {duration(_BUSY_SECONDS)}." if count > 1
                    else f"A notebook was busy for {duration(_BUSY_SECONDS)}.",
                    "Move when its cells are done; or at once, which ends them: --now",
                )  # fmt: skip
            with contextlib.suppress(TimeoutError):
                await wait_for(self._hurried.wait(), _LOOK_SECONDS)
