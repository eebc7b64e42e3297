"""The state of a session whose ``state.json`` is damaged, from what its other files tell: events, request, journal."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.events import CostChanged, ProviderChosen, StageChanged
from golem_launcher.session_state import MachineState, SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from golem_launcher.events import Event, Stage
    from golem_launcher.rental.payment.journal import JournalEntries
    from golem_launcher.request import LaunchRequest

_OWES = " What it left at its node is not closed down yet."


def rebuilt(
    name: str,
    created_at: datetime,
    request: LaunchRequest | None,
    events: Iterable[Event],
    entries: JournalEntries | None,
) -> SessionState:
    """The state of the session ``name`` as far as it is known; its ``trouble`` says that it is rebuilt.

    Called by :meth:`.directory.SessionDirectory.state`. ``created_at``: when its directory was made; ``request`` is
    ``None`` where that is damaged too, and ``entries``, of its journal, where there are none.
    """
    damaged = "state.json is" if request is not None else "state.json and request.json are"
    owes = entries is not None and entries.owes
    cost = Decimal(0)
    values: dict[str, Any] = {
        "name": name,
        "network": "" if entries is None else entries.network,
        "created_at": created_at,
        "trouble": f"Its {damaged} damaged: this is what its other files tell.{_OWES if owes else ''}",
    }
    if request is not None:
        values |= {"network": request.network, "workload": request.workload, "budget": request.budget}
    stages: list[tuple[Stage, datetime]] = []
    machines: dict[int, MachineState] = {}
    for event in events:
        if isinstance(event, StageChanged):
            stages.append((event.stage, event.at))
            values |= {"stage": event.stage, "reason": event.reason}
            values["ended_at"] = event.at if event.stage.final else None
        elif isinstance(event, ProviderChosen):
            chosen = event.model_dump(include={"provider_id", "provider_name", "agreement_id"})
            machines[event.machine] = MachineState(number=event.machine, **chosen)
        elif isinstance(event, CostChanged):
            cost = event.cost
    if stages:
        values["created_at"] = stages[0][1]
    numbers = range(1, max(machines, default=0) + 1)
    known = tuple(machines.get(number, MachineState(number=number)) for number in numbers)
    if entries is not None:  # it may have gone on for long after it told what it cost
        cost = max(cost, entries.owed if request is None else min(entries.owed, request.budget))
    return SessionState(**values, cost=cost, machines=known, stages=tuple(stages))
