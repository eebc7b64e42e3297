"""The state of a session whose ``state.json`` is damaged, from what its other files tell: the events, the request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionError
from golem_launcher.events import CostChanged, MachineState, ProviderChosen, SessionState, StageChanged

if TYPE_CHECKING:
    from golem_launcher.events import Stage
    from golem_launcher.session.directory import SessionDirectory


def rebuilt(directory: SessionDirectory) -> SessionState:
    """The state as far as it is known. Its ``trouble`` says what this is. Raises ``OSError`` when nothing is there."""
    values: dict[str, Any] = {
        "name": directory.name,
        "network": "",
        "created_at": datetime.fromtimestamp(directory.path.stat().st_ctime, UTC),
        "trouble": "Its state.json is damaged: this is what its other files tell.",
    }
    try:
        request = directory.request()
    except SessionError:
        values["trouble"] = "Its state.json and request.json are damaged: this is what its other files tell."
    else:
        values |= {"network": request.network, "workload": request.workload, "budget": request.budget}
    stages: list[tuple[Stage, datetime]] = []
    machines: dict[int, MachineState] = {}
    events, _ = directory.events()
    for event in events:
        if isinstance(event, StageChanged):
            stages.append((event.stage, event.at))
            values |= {"stage": event.stage, "reason": event.reason}
            values["ended_at"] = event.at if event.stage.final else None
        elif isinstance(event, ProviderChosen):
            chosen = event.model_dump(include={"provider_id", "provider_name", "agreement_id"})
            machines[event.machine] = MachineState(number=event.machine, **chosen)
        elif isinstance(event, CostChanged):
            values["cost"] = event.cost
    if stages:
        values["created_at"] = stages[0][1]
    numbers = range(1, max(machines, default=0) + 1)
    known = tuple(machines.get(number, MachineState(number=number)) for number in numbers)
    return SessionState(**values, machines=known, stages=tuple(stages))
