"""Cells that need a GPU, ``%%gpu``: the session is at a machine with one while they run; its supervisor has it go back.

Each way is a move as ``golem-launcher move`` makes it: with files, packages and variables, within the session's budget,
and only once the other machine is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.kernel import cards
from golem_launcher.networks import token_of
from golem_launcher.units import duration, with_coin

if TYPE_CHECKING:
    from golem_launcher.kernel.connection import SessionConnection
    from golem_launcher.kernel.output import Output
    from golem_launcher.session_state import SessionState

_LOOK_SECONDS = 0.3
_FIRST_SECONDS = 120.0
"""So long it stays for a cell that is about to begin, whatever its own time is: a kernel is started there first."""


class GpuBorrower:
    """Borrows a GPU for one notebook. Call ``borrow`` before each cell that needs one, ``renew`` after it."""

    def __init__(self) -> None:
        self._last: tuple[SessionConnection, dict[str, Any], float] | None = None
        """What was borrowed last."""

    @property
    def may_return(self) -> bool:
        """Whether the session may be on its way back: what is sent while it changes machines would be lost."""
        return self._last is not None

    async def borrow(
        self, connection: SessionConnection, fields: dict[str, Any], seconds: float, output: Output
    ) -> None:
        """Have the session at a machine with a GPU, as ``fields`` of a request say; told in the cell.

        It goes back ``seconds`` after the last such cell. Raises ``LauncherError``; it stays where it was then.
        """
        moved = None
        while (number := await self._ask(connection, fields, seconds, output)) is not None:
            moved = await _until_moved(connection, number, output)
        if moved is not None:
            price = moved.head.price_per_hour
            costs = f", {with_coin(price, token_of(moved.network))} an hour at full load" if price is not None else ""
            await output.say(
                f"At {moved.head.provider_name}{costs}. "
                f"It goes back {duration(seconds)} after the last cell with %%gpu."
            )

    async def _ask(
        self, connection: SessionConnection, fields: dict[str, Any], seconds: float, output: Output
    ) -> int | None:
        """Ask for the machine, between two moves: which move leads there; ``None`` where the session is there."""
        from golem_launcher.session import client

        while True:
            await _until_move_is_over(connection, output)
            self._last = connection, fields, seconds
            try:
                return await asyncio.to_thread(client.borrow, connection.name, fields, max(seconds, _FIRST_SECONDS))
            except SessionError:
                if not _moves(await connection.state()):  # else it began to go back just now
                    raise

    async def renew(self) -> None:
        """A cell that needed a GPU is over: the time until the way back begins now."""
        from golem_launcher.session import client

        if self._last is not None:
            connection, fields, seconds = self._last
            with contextlib.suppress(LauncherError):  # it is over, or moves: it goes back all the same
                await asyncio.to_thread(client.borrow, connection.name, fields, seconds)


def _moves(state: SessionState) -> bool:
    return state.move is not None and not state.move.over


async def _until_move_is_over(connection: SessionConnection, output: Output) -> None:
    """Wait for the end of a move that is under way, back or by the user's own wish: where it leads is not known yet."""
    move = (await connection.state()).move
    if move is not None and not move.over:
        with contextlib.suppress(SessionError):
            await _until_moved(connection, move.number, output)


async def _until_moved(connection: SessionConnection, number: int, output: Output) -> SessionState:
    """Follow a move until the notebook's kernel is where it led; told in the cell.

    Raises ``SessionError`` when it failed; the session goes on where it was then.
    """
    from golem_launcher.session import client

    place = output.place()
    while not client.has_moved(state := await connection.state(), number):
        if connection.over:
            raise SessionError(connection.over)
        if state.move is not None and state.move.number >= number:
            await place.show(cards.progress(state.move.words))
        await asyncio.sleep(_LOOK_SECONDS)
    await connection.until_there(place)
    if state.move is not None:
        await place.show(cards.progress(state.move.words))
    return state
