"""Cells that need a GPU, ``%%gpu``: the session is at a machine with one while they run; its supervisor has it go back.

Each way is a move as ``golem-launcher move`` makes it: with files, packages and variables, within the session's budget,
and only once the other machine is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.events import Stage
from golem_launcher.kernel import cards
from golem_launcher.networks import token_of
from golem_launcher.units import duration, with_coin

if TYPE_CHECKING:
    from golem_launcher.kernel.connection import SessionConnection
    from golem_launcher.kernel.output import Output
    from golem_launcher.session_state import SessionState

_LOOK_SECONDS = 0.3


class GpuBorrower:
    """Borrows a GPU for one notebook. Call ``borrow`` before each cell that needs one, ``renew`` after it."""

    def __init__(self) -> None:
        self._last: tuple[SessionConnection, dict[str, Any], float] | None = None
        """What was borrowed last."""

    @property
    def may_return(self) -> bool:
        """Whether the session may be on its way back: what is sent while it changes machines would be lost."""
        return self._last is not None

    async def wait_for_machine(self) -> None:
        """Wait while the session changes machines. Called before a cell is sent, where it :attr:`may_return`."""
        if self._last is None:
            return
        connection = self._last[0]
        while _changes_machines(await connection.state()):  # noqa: ASYNC110 - a file tells of it
            await asyncio.sleep(_LOOK_SECONDS)
        await connection.caught_up()

    async def borrow(
        self, connection: SessionConnection, fields: dict[str, Any], seconds: float, output: Output
    ) -> None:
        """Have the session at a machine with a GPU, as ``fields`` of a request say; told in the cell.

        It goes back ``seconds`` after the last such cell. Raises ``LauncherError``; it stays where it was then.
        """
        from golem_launcher.session import client

        await _until_move_is_over(connection, output)
        self._last = connection, fields, seconds
        number = await asyncio.to_thread(client.borrow, connection.name, fields, seconds)
        if number is None:
            return
        state = await _until_moved(connection, number, output)
        await connection.caught_up()
        price = state.head.price_per_hour
        costs = f", {with_coin(price, token_of(state.network))} an hour at full load" if price is not None else ""
        await output.say(
            f"At {state.head.provider_name}{costs}. It goes back {duration(seconds)} after the last cell with %%gpu."
        )

    async def renew(self) -> None:
        """A cell that needed a GPU is over: the time until the way back begins now."""
        from golem_launcher.session import client

        if self._last is not None:
            connection, fields, seconds = self._last
            with contextlib.suppress(LauncherError):  # it is over, or moves: it goes back all the same
                await asyncio.to_thread(client.borrow, connection.name, fields, seconds)


def _changes_machines(state: SessionState) -> bool:
    """Whether what is run now may end with the machine that is left."""
    return state.stage is Stage.RECOVERING or (state.move is not None and state.move.stage == "switching")


async def _until_move_is_over(connection: SessionConnection, output: Output) -> None:
    """Wait for the end of a move that is under way, back or by the user's own wish: where it leads is not known yet."""
    move = (await connection.state()).move
    if move is not None and not move.over:
        with contextlib.suppress(SessionError):
            await _until_moved(connection, move.number, output)
        await connection.caught_up()


async def _until_moved(connection: SessionConnection, number: int, output: Output | None) -> SessionState:
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
