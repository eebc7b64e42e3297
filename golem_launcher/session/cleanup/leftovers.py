"""Closes down what a dead supervisor left: at its node, in its state."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher import clock, files
from golem_launcher.errors import LauncherError
from golem_launcher.events import STOPPED, Message, Stage, StageChanged, now
from golem_launcher.networks import NETWORKS
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session.lifetime import borrowed_gpu
from golem_launcher.session.on_disk import parked_address
from golem_launcher.session.on_disk.liveness import alive
from golem_launcher.session.on_disk.session_paths import JOURNAL
from golem_launcher.session.saving.saved_work import saved_words
from golem_launcher.session.suspension import suspension
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from golem_launcher.node.node import Node
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_LOG = logging.getLogger(__name__)
_INVOICE_SECONDS = 5.0
_SECONDS = 60.0
_UNWATCHED = timedelta(minutes=15)
"""A provider whose debit notes nobody accepts ends by itself within minutes: what it works long after is not paid."""
_LOCK_SECONDS = 1.0
"""A killed process's other threads may hold the lock for a moment after it."""

_CLOSED = "What it had left at the node is closed down now."
_UNHEARD = "What was agreed with a provider that did not answer is over now, or ends by itself."
_LATE_ONE = "The invoice that was missing is no longer waited for: what the session cost is known as far as it will be."

_DONE = "; everything it had was closed down."
_UNKNOWN = (
    ", and its journal.json is damaged: what it left at the node ends by itself, as nobody pays it. What is reserved "
    "there is given back by: golem-launcher wallet --release"
)
_NOT_YET = ", and the node does not run: what it left is closed down when the node is back."


@dataclass(frozen=True)
class Death:
    """How a supervisor came to die before its session was over."""

    stage: Stage
    """What the session's last one is then."""
    words: str
    """A sentence that goes on with what became of the session."""


DIED = Death(Stage.FAILED, "Its supervisor died")
KILLED = Death(Stage.ENDED, f"{STOPPED} It hung and was ended by force, without a last save")


def owes(directory: SessionDirectory) -> bool:
    """Whether a session may have something left at its node."""
    journal = Journal.read(directory.path)
    return journal is not None and journal.entries.owes


def settled(directory: SessionDirectory) -> bool:
    """Whether a session without a supervisor is over, and nothing is left to be done for it: it can't be woken up."""
    stage = directory.state().stage
    return stage.final and stage is not Stage.SUSPENDED and not owes(directory)


def close(directory: SessionDirectory, *, start_node: bool, death: Death = DIED) -> bool:
    """Close down a session whose supervisor is dead; whether there was something to do. Blocking.

    Without ``start_node``, a node that does not run is left alone and the work stays for another time. ``death`` is
    told of a session that was not over.
    """
    state = directory.state()
    journal = Journal.read(directory.path)
    owes = journal is not None and journal.entries.owes
    if state.stage.final and not owes:
        return False
    closed = False
    try:
        # Who wants the end, whatever it takes, also waits for somebody else who is closing down already.
        with files.locked(directory.lock, deadline=_SECONDS if start_node else _LOCK_SECONDS):
            closed = not owes
            if journal is None and (directory.path / JOURNAL).exists():
                _write_end(directory, death, _UNKNOWN, closed=False)
                return True
            if journal is not None and owes:
                _pay_nothing_unwatched(directory, journal)
                closed = _close_at_node(directory, journal, start_node=start_node)
            entries = journal.entries if journal is not None else None
            lingered = entries is not None and (entries.awaits_until or entries.asks_until) is not None
            refused = [why for why in (entries.refusals if entries else ()) if why not in state.reason]
            became = " ".join((_DONE if closed or lingered else _NOT_YET, *refused))
            _write_end(directory, death, became, closed=closed, last_word=_last_word(journal))
    except TimeoutError:
        return False  # a supervisor that begins, or somebody who closes down already
    return closed or not state.stage.final


def _pay_nothing_unwatched(directory: SessionDirectory, journal: Journal) -> None:
    """Let nothing be paid for time that nobody looked after: this computer may have been off for days."""
    watched_until = datetime.fromtimestamp(directory.last_sign, UTC) + _UNWATCHED
    if watched_until < clock.now():
        journal.give_up(watched_until)


def awaits(directory: SessionDirectory) -> bool:
    """Whether a session has ended and still waits for a provider's invoice."""
    journal = Journal.read(directory.path)
    return journal is not None and journal.entries.lingers


def may_cost_more(directory: SessionDirectory) -> bool:
    """Whether a session without a supervisor may come to cost more than is known: it is not closed down.

    It can cost its whole budget until then. A provider that is late changes nothing: the most it is owed is known.
    """
    journal = Journal.read(directory.path)
    return journal is not None and journal.entries.owes and not journal.entries.lingers


def cost_is_known(directory: SessionDirectory, state: SessionState) -> bool:
    """Whether a session is over by its ``state``, and what that says of its cost is the last word."""
    return state.stage.final and not alive(directory) and not may_cost_more(directory)


def _last_word(journal: Journal | None) -> str:
    """What is told once nothing is left of a session that was over before."""
    if journal is None:
        return _CLOSED
    if journal.entries.awaits_until is not None:
        return _LATE_ONE
    return _CLOSED if journal.entries.asks_until is None else _UNHEARD


def _close_at_node(directory: SessionDirectory, journal: Journal, *, start_node: bool) -> bool:
    from golem_launcher.session.preparation import network_nodes  # noqa: PLC0415 - much to import for a look at a list

    network = NETWORKS.get(directory.state().network or journal.entries.network)
    if network is None:
        return False
    try:
        node = network_nodes.enter(network).node if start_node else network_nodes.present(network)
        if node is None:
            return False
        journal.strict = False
        with ThreadPoolExecutor(max_workers=1) as thread:  # the caller's thread may have a loop of its own
            thread.submit(asyncio.run, _close_down(node, journal)).result()
    except LauncherError as error:
        _LOG.warning("%s: %s", directory.name, error)
        return False
    except TimeoutError:
        return False
    return journal.entries.closed


async def _close_down(node: Node, journal: Journal) -> None:
    from golem_launcher.node.requestor_api import YagnaRest  # noqa: PLC0415
    from golem_launcher.rental.payment.closing import close_down  # noqa: PLC0415

    async with YagnaRest.open(node) as rest:
        seconds = 0.0 if journal.entries.lingers else _INVOICE_SECONDS
        await wait_for(close_down(rest, journal, invoice_seconds=seconds), _SECONDS)


def _owed(directory: SessionDirectory, budget: Decimal) -> Decimal:
    """The most that a session can have cost by now: providers went on after it told that last. Within its budget."""
    journal = Journal.read(directory.path)
    return Decimal(0) if journal is None else min(journal.entries.owed, budget)


def _write_end(directory: SessionDirectory, death: Death, became: str, *, closed: bool, last_word: str = "") -> None:
    directory.sweep()
    from golem_launcher.rental.payment import bills  # noqa: PLC0415 - likewise

    state = directory.state()
    cost, at_most = bills.cost_of(directory.path, max(state.cost, _owed(directory, state.budget)))
    state = state.model_copy(update={"cost": cost, "owed_at_most": at_most, "trouble": ""})
    if not state.stage.final:
        borrowed_gpu.give_back(directory)
        at, stage, reason = now(), death.stage, death.words + became
        if state.saving is not None:
            reason = f"{reason} {saved_words(state.saving)}"
        before = parked_address.of(directory.path)
        if before is not None and before.suspended is not None and death is DIED:  # while it woke up, and it still can
            stage, address = Stage.SUSPENDED, before.address
            suspended = state.model_copy(update={"address": address, "reason": reason})
            parked_address.park(directory.path, suspension.parked_of(suspended, before))
        else:
            address = None
        ended = {"stages": (*state.stages, (stage, at)), "ended_at": at, "address": address}
        directory.write_state(state.model_copy(update={"stage": stage, "reason": reason, **ended}))
        directory.append_event(StageChanged(at=at, stage=stage, reason=reason))
    elif closed:
        more = became.removeprefix(_DONE)
        directory.write_state(state.model_copy(update={"reason": state.reason.replace(_NOT_YET, _DONE) + more}))
        directory.append_event(Message(text=last_word))
