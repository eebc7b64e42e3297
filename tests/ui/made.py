"""Session directories as a supervisor writes them, without a supervisor: a page cannot tell the difference."""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher import files, paths
from golem_launcher.events import Message, ProviderChosen, Stage, StageChanged, Usage, now
from golem_launcher.processes import ProcessRecord
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import SessionDirectory
from golem_launcher.session.on_disk.session_paths import sessions_locked
from golem_launcher.session_state import MachineState, SessionState

GOOD_START = (Stage.CHECKING, Stage.ALLOCATING, Stage.NEGOTIATING, Stage.DEPLOYING, Stage.STARTING, Stage.READY)
_SECONDS = dict(zip(GOOD_START, (0.2, 0.1, 1.4, 0.6, 2.1), strict=False)) | {
    Stage.READY: 3600.0,
    Stage.SAVING: 3.2,
    Stage.STOPPING: 1.3,
    Stage.RECOVERING: 8.4,
}


if TYPE_CHECKING:
    from collections.abc import Sequence


def make_session(
    name: str,
    stages: Sequence[Stage] = GOOD_START,
    *,
    alive: bool = True,
    age: float = 900.0,
    asked: dict[str, Any] | None = None,
    usage: Usage | None = None,
    **state: Any,
) -> SessionDirectory:
    """A session that went through ``stages`` and began ``age`` seconds ago; ``state`` overrides its state.

    ``asked``: fields of its request. Whoever looks on sees all of it at once: a page would take one that is half made,
    and so of another age, for another session. As in the product, nobody takes it for one that died.
    """
    with sessions_locked():
        request = LaunchRequest(name=name, **(asked or {}))
        return _make(request, stages, alive=alive, age=age, usage=usage, state=state)


def _make(
    request: LaunchRequest,
    stages: Sequence[Stage],
    *,
    alive: bool,
    age: float,
    usage: Usage | None,
    state: dict[str, Any],
) -> SessionDirectory:
    directory = SessionDirectory(paths.sessions_directory() / f".{request.name}")  # no session's name begins so
    directory.path.mkdir(mode=0o700)
    directory.write_request(request)
    at = now() - timedelta(seconds=age)
    values: dict[str, Any] = {"name": request.name, "network": "local", "created_at": at, "budget": Decimal(1)}
    entered = []
    for stage in stages:
        entered.append((stage, at))
        directory.append_event(StageChanged(stage=stage, at=at))
        if stage == Stage.NEGOTIATING:
            chosen = {"provider_id": "0x1", "provider_name": "attic", "agreement_id": "a1"}
            directory.append_event(ProviderChosen(at=at, **chosen))
            values["machines"] = (MachineState(**chosen, price_per_hour=Decimal("0.0306"), usage=usage),)
        if stage == Stage.READY:
            values |= {"started_at": at, "address": "http://127.9.8.7:8888", "cost": Decimal("0.0076")}
            directory.write_token("abcdefgh12345678")
        if stage.final:
            values["ended_at"] = at
        at += timedelta(seconds=_SECONDS.get(stage, 0.0))
    values |= {"stage": stages[-1], "stages": tuple(entered), "deadline": now() + timedelta(seconds=3600 - age)}
    directory.write_state(SessionState(**{**values, **state}))
    if alive:
        files.write_json(directory.path / "supervisor.json", ProcessRecord.of(os.getpid()).to_json())
    return SessionDirectory(directory.path.rename(paths.sessions_directory() / request.name))


def write_lab_log(directory: SessionDirectory, *lines: str) -> None:
    with directory.workload_log.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def say(directory: SessionDirectory, text: str, level: Any = "info") -> None:
    directory.append_event(Message(text=text, level=level))


def change(directory: SessionDirectory, **state: Any) -> None:
    """Write the state anew with some values changed."""
    directory.write_state(directory.state().model_copy(update=state))
