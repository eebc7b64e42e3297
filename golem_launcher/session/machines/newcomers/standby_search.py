"""Where a machine that stands by is looked for: at another owner's than the head's, and in another country first."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from golem_launcher.errors import BudgetError, MarketError
from golem_launcher.session.machines.newcomers.newcomer import Newcomer

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.session.context import Prepared
    from golem_launcher.session.machines.newcomers.newcomer_record import NewcomerRecord


async def found(session: Prepared, record: NewcomerRecord, fits: Callable[[Newcomer], bool]) -> Newcomer:
    """A machine that ``fits`` beside the session's head, ready. Raises ``LauncherError``; nothing is left then."""
    if near := _near(session):
        with contextlib.suppress(MarketError, BudgetError):
            return await _rented(session, record, fits, near)
    return await _rented(session, record, fits)


def _near(session: Prepared) -> tuple[str, ...]:
    """The providers that say that they are where the head's is; none where nobody says to be elsewhere."""
    places = session.choice.places
    here = places.get(session.recorder.state.head.provider_id or "")
    if here is None or set(places.values()) == {here}:
        return ()
    return tuple(provider_id for provider_id, place in places.items() if place == here)


async def _rented(
    session: Prepared, record: NewcomerRecord, fits: Callable[[Newcomer], bool], near: tuple[str, ...] = ()
) -> Newcomer:
    request, head = session.request, session.recorder.state.head
    owner = tuple(filter(None, (head.provider_id, head.wallet)))
    wanted = request.model_copy(update={"deny": (*request.deny, *owner, *near)})
    newcomer = Newcomer(session, wanted, record, "standby")
    try:
        await newcomer.rent()
    except BaseException:
        await newcomer.aclose()
        raise
    if fits(newcomer):
        return newcomer
    try:  # the market was seen anew meanwhile, for another machine of the session
        await newcomer.release()
    finally:
        await newcomer.aclose()
    raise MarketError("The machine that was found is of the first one's owner.")
