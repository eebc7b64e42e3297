"""A machine with a GPU for the cells that need one: the session moves there for ``%%gpu``, and back afterwards.

It stays for a while after the last such cell, since cells that need a GPU seldom come alone, and goes back by itself.
Each way is a move as ``golem-launcher move`` makes it: with files, packages and variables, within the session's budget,
and only once the other machine is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.events import Stage
from golem_launcher.kernel import cards
from golem_launcher.networks import token_of
from golem_launcher.request.another_machine import MOVABLE, on_another_machine
from golem_launcher.units import duration, with_coin
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from golem_launcher.events import SessionState
    from golem_launcher.kernel.connection import Connection
    from golem_launcher.kernel.output import Output
    from golem_launcher.request import LaunchRequest

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.3
_MOST_TRIES = 3


@dataclass(frozen=True)
class _Borrowed:
    """What a session was before it moved to a GPU, and what it is there: the fields that say which machine."""

    connection: Connection
    before: dict[str, Any]
    there: dict[str, Any]


class BorrowedGpu:
    """Of one notebook. ``borrow`` before each cell that needs a GPU and ``keep`` after it; ``aclose`` once."""

    def __init__(self) -> None:
        self._borrowed: _Borrowed | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._seconds = 0.0
        self.returns = False
        """Whether the session is on its way back: a cell that is sent while it changes machines would be lost."""

    async def settled(self) -> None:
        """Wait while the session changes machines on its way back. Called before a cell is sent then."""
        if self.returns and self._borrowed is not None:
            connection = self._borrowed.connection
            while _changes_machines(await connection.state()):  # noqa: ASYNC110 - a file tells of it
                await asyncio.sleep(_LOOK_SECONDS)
            await connection.caught_up()

    async def borrow(self, connection: Connection, fields: dict[str, Any], seconds: float, output: Output) -> None:
        """Have the session at a machine with a GPU, as ``fields`` of a request say; told in the cell.

        It stays ``seconds`` after the cell. Raises ``LauncherError`` when there is none; all is as before then.
        """
        await self._stay()
        self._seconds = seconds
        await _until_settled(connection, output)
        request = await asyncio.to_thread(connection.directory.request)
        wanted = on_another_machine(request, {"gpus": 1, **fields})
        if request.gpus and all(getattr(wanted, name) == getattr(request, name) for name in fields):
            return
        earlier = self._borrowed if self._borrowed is not None and self._borrowed.connection is connection else None
        before = _machine_of(request) if earlier is None else earlier.before
        self._borrowed = _Borrowed(connection, before, _machine_of(wanted))
        try:
            state = await _until_moved(connection, await _begin(connection, self._borrowed.there), output)
        except LauncherError:
            self._borrowed = earlier
            raise
        except asyncio.CancelledError:  # the cell was interrupted, and the session may get there all the same
            self.keep()
            raise
        await connection.caught_up()
        price = state.head.price_per_hour
        costs = f", {with_coin(price, token_of(state.network))} an hour at full load" if price is not None else ""
        await output.say(
            f"At {state.head.provider_name}{costs}. It goes back {duration(seconds)} after the last cell with %%gpu."
        )

    def keep(self) -> None:
        """A cell that needed a GPU is over: go back in a while, unless another one comes."""
        if self._borrowed is not None and (self._leaving is None or self._leaving.done()):
            self._leaving = asyncio.create_task(self._leave(self._borrowed))

    async def aclose(self, *, goes_on: bool) -> None:
        """The notebook ends: have the session go back now, where it ``goes_on`` without it."""
        await self._stay()
        if goes_on and self._borrowed is not None:
            with contextlib.suppress(LauncherError):
                await _begin(self._borrowed.connection, self._borrowed.before)

    async def _stay(self) -> None:
        if self._leaving is not None:
            await cancel_all(self._leaving)
            self._leaving = None

    async def _leave(self, borrowed: _Borrowed) -> None:
        connection = borrowed.connection
        for _ in range(_MOST_TRIES):
            await asyncio.sleep(self._seconds)
            try:
                request = await asyncio.to_thread(connection.directory.request)
                if (await connection.state()).stage.final or _machine_of(request) != borrowed.there:
                    break  # it is over, or its user moved it elsewhere
                await self._return(borrowed)
                break
            except LauncherError as error:
                _LOG.info("not back yet: %s", error)
                connection.tell(f"The session is still at the machine with a GPU. {error}")
        self._borrowed = None

    async def _return(self, borrowed: _Borrowed) -> None:
        connection = borrowed.connection
        self.returns = True
        try:
            await _until_moved(connection, await _begin(connection, borrowed.before), None)
            await connection.caught_up()
        finally:
            self.returns = False


def _changes_machines(state: SessionState) -> bool:
    """Whether what is run now may end with the machine that is left."""
    return state.stage is Stage.RECOVERING or (state.move is not None and state.move.stage == "switching")


async def _begin(connection: Connection, changes: dict[str, Any]) -> int:
    """Begin a move; which of the session's it is."""
    from golem_launcher.session import client

    return await asyncio.to_thread(client.move, connection.name, changes)


async def _until_settled(connection: Connection, output: Output) -> None:
    """Wait for the end of a move that is under way, back or by the user's own wish: where it leads is not known yet."""
    move = (await connection.state()).move
    if move is not None and not move.over:
        with contextlib.suppress(SessionError):
            await _until_moved(connection, move.number, output)
        await connection.caught_up()


async def _until_moved(connection: Connection, number: int, output: Output | None) -> SessionState:
    """Follow a move to its end. Raises ``SessionError`` when it failed; the session goes on where it was then."""
    place = output.place() if output is not None else None
    while True:
        state = await connection.state()
        if state.stage.final:
            raise SessionError(f"'{connection.name}' ended before it could move. {state.reason}")
        move = state.move
        if move is not None and move.number == number:
            if move.stage == "failed":
                raise SessionError(f"The session did not move, and goes on where it is. {move.reason}")
            if place is not None:
                await place.show(cards.progress(move.words))
            if move.stage == "done" and state.stage is Stage.READY:
                return state
        await asyncio.sleep(_LOOK_SECONDS)


def _machine_of(request: LaunchRequest) -> dict[str, Any]:
    return request.model_dump(mode="json", include=set(MOVABLE))
