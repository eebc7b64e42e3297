"""A suspended session: what is parked of it, what the session inherits that takes its place, and its end.

It runs nowhere and owes nothing. Who wakes it up starts a session of its name, which goes on in its workspace and has
its address, its link's token, and no more than what was left of its budget. Everything here blocks for a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionDamaged, SessionNotFound
from golem_launcher.events import STOPPED, Message, Stage, StageChanged, now
from golem_launcher.networks import token_of
from golem_launcher.session.on_disk import parked_address, view_only_link
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.on_disk.liveness import place_of
from golem_launcher.session.on_disk.parked_address import ParkedAddress, Suspended, told_at_end
from golem_launcher.session.saving.saved_work import saves_into
from golem_launcher.units import coins_at_a_glance, with_coin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.on_disk.view_only_link import ViewOnlyLink
    from golem_launcher.session_state import SessionState


REPLACED = "Another session took its name."
"""Why one is no longer suspended that was woken up, or whose name was taken."""


def left_of(state: SessionState) -> Decimal:
    """What is left of a session's budget, in its network's coin."""
    return max(state.budget - state.cost, Decimal(0))


def parked_of(state: SessionState, before: ParkedAddress | None) -> ParkedAddress:
    """What a supervisor parks of its session that is suspended now.

    ``before``: what was parked of it while it was woken up, where that did not work.
    """
    coin = token_of(state.network)
    usual, ends = 0.0, 0.0
    if before is not None and before.suspended is not None:
        usual, ends = before.suspended.usual_seconds, before.suspended.ends
    if state.started_at is not None:
        usual = (state.started_at - state.created_at).total_seconds()
    price, left = state.price_per_hour, left_of(state)
    suspended = Suspended(
        ends=state.deadline.timestamp() if state.deadline is not None else ends,
        left=f"{coins_at_a_glance(left)} of {with_coin(state.budget, coin)}",
        per_hour="" if price is None else with_coin(Decimal(coins_at_a_glance(price)), coin),
        usual_seconds=round(usual, 1),
        lasts_hours=(float(left / price) if price else None) if left > 0 else 0.0,
    )
    address = state.address or (before.address if before is not None else "")
    return ParkedAddress(address, told_at_end(state, suspended=True), suspended=suspended)


def is_suspended(directory: SessionDirectory) -> bool:
    """Whether a session that does not run is suspended, or was when somebody tried in vain to wake it up."""
    what = parked_address.of(directory.path)
    return what is not None and what.suspended is not None


def gone_on_with(asked: Mapping[str, Any]) -> SessionDirectory | None:
    """The suspended session whose place is taken by the one that is ``asked`` for, by untyped values of a request.

    That resumes it, by its name or its workspace's, and has its name, or none yet.
    """
    resume = str(asked.get("resume") or "").partition("@")[0]
    if not resume:
        return None
    try:
        directory = session_directory(str(asked.get("name") or resume))
        store, own_store = asked.get("store"), directory.request().store
    except (SessionNotFound, SessionDamaged):
        return None
    if store is not None and place_of(str(store)) != place_of(own_store):
        return None
    meant = resume in {directory.name, saves_into(directory)}
    return directory if meant and is_suspended(directory) else None


@dataclass(frozen=True)
class Heritage:
    """What the session that takes a suspended one's place has of it."""

    parked: ParkedAddress
    token: str
    view: ViewOnlyLink | None
    """By which others see its notebooks, where it has such a link."""

    def give(self, directory: SessionDirectory) -> None:
        """Put it in the ``directory`` of the new one, before its supervisor begins. Raises ``OSError``."""
        directory.write_token(self.token)
        parked_address.park(directory.path, self.parked)
        if self.view is not None:
            view_only_link.write(directory.path, self.view)
        directory.append_event(Message(text=f"It is woken up at its own address, {self.parked.address}."))


def heritage(directory: SessionDirectory, request: LaunchRequest) -> Heritage | None:
    """What ``request`` inherits of the session in ``directory``, whose name it has and which it is about to replace.

    ``None`` where that one is not suspended, or the new one does not go on in its workspace, if there is one.
    """
    what, token = parked_address.of(directory.path), directory.token()
    if what is None or what.suspended is None or token is None:
        return None
    resumed = request.workspace if request.resume else None
    return Heritage(what, token, view_only_link.of(directory.path)) if resumed == saves_into(directory) else None


def give_up(directory: SessionDirectory, why: str = STOPPED) -> None:
    """End a suspended session for good, ``why`` in a sentence: its address leads nowhere.

    Nothing happens to another one.
    """
    state = directory.state()
    if is_suspended(directory):
        parked_address.leave(directory.path)
    if state.stage is not Stage.SUSPENDED:
        return
    at = now()
    ended = {"stage": Stage.ENDED, "stages": (*state.stages, (Stage.ENDED, at)), "ended_at": at, "address": None}
    directory.write_state(state.model_copy(update={**ended, "reason": why}))
    directory.append_event(StageChanged(at=at, stage=Stage.ENDED, reason=why))
