"""Who is to take the head's place is told the session's token last of all, and is shut out where it does not lead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest

from golem_launcher import paths
from golem_launcher.errors import ProviderError
from golem_launcher.request import LaunchRequest
from golem_launcher.session.machines.newcomers import newcomer
from golem_launcher.session.machines.newcomers.newcomer import Newcomer
from golem_launcher.session.machines.newcomers.newcomer_record import NewcomerRecord
from golem_launcher.session.machines.renting import Machine
from golem_launcher.session.on_disk.directory import SessionDirectory, create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session_state import StandbyState
from golem_launcher.workload.lab import LAB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "the-token-of-the-session"


class Far:
    """What there is over there, and what it heard. ``answers``: whether its Lab does, one after the other."""

    def __init__(self, *answers: bool, has: bool = True, deadline: bool = True) -> None:
        self.heard: list[str] = []
        self._answers = list(answers)
        self._has = has
        self._deadline = deadline

    async def bring(self) -> list[str]:
        self.heard.append("bring")
        if not self._has:
            raise ProviderError("It does not have what it was brought.")
        return []

    async def lead(self, token: str) -> None:
        self.heard.append(token)

    async def answers(self, seconds: float) -> bool:
        del seconds
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def move_deadline(self, seconds: float) -> bool:
        self.heard.append(f"{seconds:.0f} s")
        return self._deadline

    async def aclose(self) -> None:
        self.heard.append("out")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Session:
    """Of a prepared one what a newcomer needs."""

    directory: SessionDirectory
    request: LaunchRequest
    recorder: Recorder
    endpoint: Any
    deadline: Any
    workload: Any = LAB
    saves: Any = None


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr(newcomer, "_LEAD_SECONDS", 0.05)
    request = LaunchRequest(name="safe", standby=1)
    directory = create_session_directory(request)
    recorder = Recorder(directory)
    endpoint, deadline = SimpleNamespace(base_url="/", token=TOKEN), SimpleNamespace(left=1000.0)
    yield Session(directory, request, recorder, endpoint, deadline)
    recorder.close()


def take_lead(session: Session, far: Far) -> str | None:
    """Have it take the lead; why it does not."""

    async def scene() -> str | None:
        record = NewcomerRecord(session.recorder, "standby", StandbyState(), "The standby")
        one = Newcomer(session, session.request, record, "standby")  # type: ignore[arg-type]
        one.machine = Machine(SimpleNamespace(), far, ())  # type: ignore[arg-type]
        one._files = SimpleNamespace(bring=far.bring, agent=far)  # type: ignore[assignment]
        one.endpoint.client = lambda: far  # type: ignore[assignment,return-value,method-assign]
        try:
            await one.take_lead()
        except ProviderError as error:
            return error.what
        return None

    return asyncio.run(scene())


def test_it_leads_once_it_has_all_that_is_saved_and_knows_when_the_session_ends(session: Session) -> None:
    far = Far(True, False, True)  # the Lab takes the token a moment later
    assert take_lead(session, far) is None
    assert far.heard == ["bring", "1120 s", TOKEN]


@pytest.mark.parametrize(
    ("far", "why"),
    [
        (Far(True, has=False), "does not have"),
        (Far(False), "JupyterLab does not answer there"),
        (Far(True, deadline=False), "did not take the session's deadline"),
    ],
)
def test_who_is_of_no_use_is_never_told_the_token(session: Session, far: Far, why: str) -> None:
    assert why in (take_lead(session, far) or "")
    assert TOKEN not in far.heard


def test_who_was_told_the_token_and_does_not_lead_is_shut_out(session: Session) -> None:
    far = Far(True, False)
    assert take_lead(session, far) == "JupyterLab did not take over there."
    assert far.heard[-2:] == [TOKEN, "out"]
