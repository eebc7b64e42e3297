"""A machine that a session has for a while, for cells that need a GPU: it goes back by itself.

Kept by the supervisor: a notebook's kernel that is killed, interrupted or restarted would forget it, and its user go on
paying for a GPU.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from golem_launcher import clock, files
from golem_launcher.errors import LauncherError, RequestError, SessionError
from golem_launcher.events import Stage
from golem_launcher.request.another_machine import MOVABLE, on_another_machine
from golem_launcher.units import duration
from golem_launcher.untrusted_json import number

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.reporting.recorder import Recorder

_LOG = logging.getLogger(__name__)
_FILE = "borrowed_gpu.json"
"""In the session's directory: which machine it had before, and those that were asked for since."""
_LOOK_SECONDS = 1.0
_AGAIN_SECONDS, _SELDOM_SECONDS = 60.0, 3600.0
"""After a way back that failed: first, and in the end, as each may cost what a provider takes for a start."""
_BUSY_SECONDS = 300.0
"""After so long in which cells run beyond its time the user is told: whether they run is the provider's word."""
_LONGEST_SECONDS = 86400.0
GPU_WAS_BORROWED = "It goes on without the GPU, which was borrowed for cells; one with %%gpu asks for another."
"""Of a machine that takes the place of one with a GPU that was lost."""
_STILL_THERE = "The session is still at the machine with a GPU, and pays for it:"


class Movable(Protocol):
    """The session's head, as far as a borrowed GPU is concerned."""

    @property
    def present(self) -> LaunchRequest | None:
        """What is asked of the machine where it is; ``None`` before there is one."""

    async def move(self, changes: dict[str, Any]) -> int:
        """Begin to move, and which of its moves it is. Raises ``LauncherError``."""

    async def busy(self) -> int:
        """How many cells run there."""


@dataclass(frozen=True)
class _Lent:
    """The fields that say which machine is wanted: of the one before, and of each with a GPU that was asked for."""

    before: dict[str, Any]
    there: tuple[dict[str, Any], ...]

    def given_back(self, request: LaunchRequest) -> LaunchRequest:
        """The ``request`` for a machine as it was before, where it is for one of those. Raises ``RequestError``."""
        return on_another_machine(request, self.before) if _machine_of(request) in self.there else request


class BorrowedGpu:
    """Hands a session's borrowed GPU back by itself. Run ``watch`` from when the session is ready to its end."""

    def __init__(self, head: Movable, recorder: Recorder, directory: Path) -> None:
        """``directory``: the session's."""
        self._head = head
        self._recorder = recorder
        self._file = directory / _FILE
        self._lent: _Lent | None = None
        self._until = 0.0
        """When it goes back, by :func:`clock.since_boot`; each cell that needs the GPU moves it on."""
        self._coming: float | None = None
        """How many seconds it will stay from when it is there; ``None`` while none is on its way."""
        self._pause = _AGAIN_SECONDS
        """How long it is waited after the next way back that fails."""
        self._told_busy = False
        """Whether its user knows that it stays because cells run."""

    async def borrow(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Have the session at a machine with a GPU, as ``changes`` say, until ``seconds`` after the last such call.

        Which move leads there, and the time begins when it is there; ``None`` where it is there already. Raises
        ``LauncherError``, also while it moves, and all goes on as before.
        """
        seconds, changes = number(arguments.get("seconds")), arguments.get("changes")
        if seconds is None or not 0 < seconds <= _LONGEST_SECONDS or not isinstance(changes, dict):
            raise RequestError("A GPU stays for a day at most after the cell.", "Like: %%gpu back_after=10m")
        present = self._head.present
        if present is None:
            raise SessionError("The session is not ready; it can move while it is.", "Try again then.")
        wanted = on_another_machine(present, {"gpus": 1, **changes})
        if present.gpus and all(getattr(wanted, name) == getattr(present, name) for name in changes):
            if not self._is_steady():
                raise SessionError("The session is on its way to another machine.", "Try again when it is there.")
            self._lasts(seconds)
            return {"number": None}
        here, there, lent = _machine_of(present), _machine_of(wanted), self._lent
        number_of_move = await self._head.move(there)
        goes_on = lent is not None and here in lent.there
        await self._note(_Lent(lent.before, (*lent.there, there)) if lent and goes_on else _Lent(here, (there,)))
        self._coming = seconds
        return {"number": number_of_move}

    async def _note(self, lent: _Lent | None) -> None:
        """What is borrowed now; on disk as well, for :func:`give_back`."""
        self._lent = lent
        try:
            await asyncio.to_thread(files.write_json, self._file, None if lent is None else asdict(lent))
        except OSError:  # a full disk must not keep it from going back
            _LOG.exception("could not write")

    def _lasts(self, seconds: float) -> None:
        """It is asked for now, or is there now: it stays for so long from now on."""
        self._coming = None
        self._until = clock.since_boot() + seconds
        self._pause, self._told_busy = _AGAIN_SECONDS, False

    def without(self, request: LaunchRequest) -> LaunchRequest:
        """What whoever takes the place of a machine that was lost is asked for; ``request``: what that one was.

        A cell that needs a GPU asks for another one; nobody else waits for one, or pays for it.
        """
        return request if self._lent is None else self._lent.given_back(request)

    async def watch(self) -> None:
        """Go back when it is time and no cell runs, as often as it takes; until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            lent, present = self._lent, self._head.present
            if lent is None or present is None or not self._is_steady():
                continue
            if _machine_of(present) not in lent.there:  # it is back, never came there, or its user moved it elsewhere
                await self._note(None)
            elif self._coming is not None:  # there; a start that takes long is not of that time
                self._lasts(self._coming)
            elif (late := clock.since_boot() - self._until) >= 0:
                if await self._head.busy():
                    self._tell_busy(late)
                else:
                    await self._go_back(lent)

    async def _go_back(self, lent: _Lent) -> None:
        """Begin to; whether it came to that is seen by where the session is, when its time comes again."""
        pause, self._pause = self._pause, min(2 * self._pause, _SELDOM_SECONDS)
        self._until = clock.since_boot() + pause
        try:
            await self._head.move(lent.before)
        except LauncherError as error:
            again = f"It is tried again in {duration(pause)}."
            self._recorder.message(f"{_STILL_THERE} {error.what} {again}", "warning")

    def _tell_busy(self, late: float) -> None:
        """Say once that it stays, which is ``late`` by so many seconds, and what its user can do."""
        if late >= _BUSY_SECONDS and not self._told_busy:
            self._told_busy = True
            words = (
                f"{_STILL_THERE} Its machine says that cells run, for {duration(_BUSY_SECONDS)} beyond its time. "
                f"It goes back when they are done; at once, which ends them: "
                f"golem-launcher move {self._recorder.state.name} --gpus 0 --now"
            )
            self._recorder.update(notices=(*self._recorder.state.notices, words))
            self._recorder.message(words, "warning")

    def _is_steady(self) -> bool:
        state = self._recorder.state
        return state.stage is Stage.READY and (state.move is None or state.move.over)


def give_back(directory: SessionDirectory) -> None:
    """Have whoever goes on with a session that is over begin at a machine as it was before a GPU was borrowed.

    Called once nobody moves it any more. Blocking; raises ``OSError``.
    """
    match files.read_json(directory.path / _FILE):
        case {"before": dict(before), "there": list(there)}:
            with contextlib.suppress(LauncherError):  # a damaged request is told elsewhere
                request = directory.request()
                wanted = _Lent(before, tuple(there)).given_back(request)
                if wanted != request:
                    directory.change_request(wanted)


def _machine_of(request: LaunchRequest) -> dict[str, Any]:
    return request.model_dump(mode="json", include=set(MOVABLE))
