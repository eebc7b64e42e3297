"""The GPU of a session that nobody uses is handed back: it goes on without, or ends; who uses it keeps it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher.errors import SessionError
from golem_launcher.events import Stage
from golem_launcher.request import parse_request
from golem_launcher.request.another_machine import on_another_machine
from golem_launcher.session.lifetime.gpu_release import GpuRelease, has_one_to_hand_back, without_gpu
from golem_launcher.session_state import MachineState, MoveState, SessionState
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_machine_without_a_gpu_is_wanted_that_costs_less() -> None:
    request = parse_request({"gpus": 1, "gpu_model": "A100", "gpu_memory_gib": 40, "when_idle": "release-gpu"})
    assert has_one_to_hand_back(request)
    moved = on_another_machine(request, without_gpu(Decimal("0.5000009")))
    assert (moved.gpus, moved.gpu_model, moved.gpu_memory_gib) == (0, None, None)
    assert moved.price_per_hour == Decimal("0.499999")
    assert not has_one_to_hand_back(moved)
    for price in (None, Decimal(0), Decimal("0.000001")):
        assert on_another_machine(request, without_gpu(price)).price_per_hour is None
    assert not has_one_to_hand_back(parse_request({"gpus": 1}))
    assert not has_one_to_hand_back(parse_request({"gpus": 1, "machines": 2, "when_idle": "release-gpu"}))


ASKED = parse_request({"gpus": 1, "gpu_model": "RTX 3090", "gpu_memory_gib": 24, "when_idle": "release-gpu"})


class Recorder:
    """A session's state, and what is told of it."""

    def __init__(self) -> None:
        head = MachineState(price_per_hour=Decimal("0.5"), provider_name="dear")
        self.state = SessionState(name="mine", network="local", stage=Stage.READY, machines=(head,))
        self.events: list[Any] = []
        self.messages: list[str] = []

    def update(self, **changes: Any) -> None:
        self.state = self.state.model_copy(update=changes)

    def event(self, event: Any) -> None:
        self.events.append(event)

    def message(self, text: str, level: str) -> None:
        assert level == "warning"
        self.messages.append(text)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)


def carried_out(*, move: Callable[[Recorder], None], meanwhile: Callable[[GpuRelease], None]) -> tuple[Any, ...]:
    """A release, its recorder, and why its move was taken back, if it was."""

    async def scene() -> tuple[Any, ...]:
        release, recorder, given_up = GpuRelease(), Recorder(), []

        async def begin(changes: dict[str, Any]) -> None:
            assert changes["gpus"] == 0
            recorder.update(move=MoveState(stage="preparing"))
            asyncio.get_running_loop().call_later(0.05, move, recorder)

        async def take_back(why: str) -> None:
            given_up.append(why)
            recorder.update(move=MoveState(stage="failed", reason=why))

        working = asyncio.create_task(release.carry_out(begin, take_back, recorder))  # type: ignore[arg-type]
        release.begin(ASKED)
        await asyncio.sleep(0)
        meanwhile(release)
        await until(lambda: not release.under_way)
        working.cancel()
        return release, recorder, given_up

    return asyncio.run(asyncio.wait_for(scene(), 30 * slower()))


def _moved(recorder: Recorder) -> None:
    cheap = MachineState(price_per_hour=Decimal("0.02"), provider_name="cheap")
    recorder.update(move=MoveState(stage="done"), machines=(cheap,))


def _failed(recorder: Recorder) -> None:
    recorder.update(move=MoveState(stage="failed", reason="No other machine fits."))


def test_it_is_told_where_it_goes_on_and_for_what() -> None:
    release, recorder, given_up = carried_out(move=_moved, meanwhile=lambda _: None)
    assert (release.failed, given_up) == (False, [])
    (event,) = recorder.events
    assert event.text == recorder.state.notices[0]
    assert "goes on at cheap, for 0.02 tGLM an hour in place of 0.5" in event.text
    assert event.text.endswith("golem-launcher move mine --gpus 1 --gpu-model 'RTX 3090' --gpu-memory 24 --price 0.5")


def test_who_uses_it_meanwhile_keeps_it() -> None:
    release, recorder, given_up = carried_out(move=lambda _: None, meanwhile=lambda release: release.used())
    assert given_up == ["The session is used again."]
    assert not release.failed
    assert recorder.events == []


def test_where_no_machine_takes_it_it_ends_as_it_would_have() -> None:
    release, recorder, _ = carried_out(move=_failed, meanwhile=lambda _: None)
    assert release.failed
    assert recorder.events == []
    release.used()
    assert not release.failed  # the next time it is tried again


def test_a_session_that_can_not_move_now_is_told_why() -> None:
    async def scene() -> Recorder:
        release, recorder = GpuRelease(), Recorder()

        async def refuse(_: object) -> None:
            raise SessionError("It is moving already.")

        async def never(_: str) -> None:
            pytest.fail("nothing is under way")

        working = asyncio.create_task(release.carry_out(refuse, never, recorder))  # type: ignore[arg-type]
        release.begin(ASKED)
        await until(lambda: not release.under_way)
        assert release.failed
        working.cancel()
        return recorder

    recorder = asyncio.run(asyncio.wait_for(scene(), 30 * slower()))
    assert recorder.messages == ["Its GPU could not be handed back: It is moving already."]
