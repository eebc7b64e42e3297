"""One machine stands by, whatever befalls it: it is watched, replaced, and leads or is let go of. Without a network."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher import paths
from golem_launcher.errors import MarketError, NodeUnreachable, ProviderError
from golem_launcher.events import now
from golem_launcher.rental.payment.journal import AgreementEntry
from golem_launcher.request import LaunchRequest
from golem_launcher.session.machines.newcomers import standby, standby_search
from golem_launcher.session.machines.newcomers.standby import Standby
from golem_launcher.session.machines.renting import Machine
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

SECONDS = 20
SAVE = SimpleNamespace(generation=3, created_at=now())


async def forever() -> None:
    await asyncio.Event().wait()


class Newcomer:
    """A machine that does as it is told; ``what`` it does by the name of what it is asked."""

    def __init__(
        self, session: Any, wanted: Any, number: int, what: dict[str, Callable[[], Awaitable[Any]]], wallet: str
    ) -> None:
        self.session = session
        self.denied = wanted.deny
        self.machine: Machine | None = None
        self.slot = None
        self.said: list[str] = []
        self._number = number
        self._what = what
        self._wallet = wallet

    async def _ask(self, name: str, usual: Callable[[], Awaitable[Any]] | None = None) -> None:
        self.said.append(name)
        does = self._what.get(name, usual)
        if does is not None:
            await does()

    async def rent(self) -> None:
        await self._ask("rent")
        agreed = {"agreement_id": f"a{self._number}", "provider_id": "0x2", "provider_name": "ben", "price": None}
        entry = AgreementEntry(**agreed, wallet=self._wallet)
        self.machine = Machine(SimpleNamespace(agreement_id=entry.agreement_id), SimpleNamespace(agreement=entry), ())

    async def follow(self, told: Callable[[Any], None]) -> None:
        told(SAVE)
        await self._ask("follow", forever)

    async def take_lead(self) -> None:
        await self._ask("take_lead")

    @contextlib.contextmanager
    def monitored(self, _session: Any) -> Iterator[Any]:
        yield self

    async def until_over(self) -> str:
        await self._ask("until_over", forever)
        return "Its time is over."

    async def lose(self, _error: ProviderError) -> None:
        await self._ask("lose")

    async def release(self) -> list[str]:
        await self._ask("release")
        return [f"a{self._number}"]

    async def aclose(self) -> None:
        await self._ask("aclose")


class Market:
    """The machines that are found, one after the other."""

    found: list[Newcomer]
    coming: list[dict[str, Callable[[], Awaitable[Any]]]]
    wallets: list[str]

    @classmethod
    def find(cls, session: Any, wanted: Any, _record: Any, _place: str) -> Newcomer:
        what = cls.coming.pop(0) if cls.coming else {}
        wallet = cls.wallets.pop(0) if cls.wallets else "0xben"
        newcomer = Newcomer(session, wanted, len(cls.found), what, wallet)
        cls.found.append(newcomer)
        return newcomer


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr(standby_search, "Newcomer", Market.find)
    monkeypatch.setattr(standby, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(standby, "_AGAIN_SECONDS", 0.01)
    Market.found, Market.coming, Market.wallets = [], [], []
    request = LaunchRequest(name="safe", standby=1)
    recorder = Recorder(create_session_directory(request))
    recorder.machine(1, provider_id="0x1", wallet="0xann")
    yield SimpleNamespace(request=request, recorder=recorder, choice=SimpleNamespace(places={}))
    recorder.close()


def fails(*errors: Exception) -> Callable[[], Awaitable[None]]:
    """Fails with each of these once, and then does what it does."""
    left = list(errors)

    async def fail() -> None:
        if left:
            raise left.pop(0)
        await forever()

    return fail


async def until(predicate: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS * slower()):
        while not predicate():  # noqa: ASYNC110 - what is waited for is told to nobody
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def kept(session: Any) -> AsyncIterator[Standby]:
    one = Standby(session)
    await one.begin(session)
    try:
        yield one
    finally:
        await one.release()
        await one.aclose()


def messages(session: Any) -> str:
    return " ".join(event.line for event in session.recorder._directory.events()[0])


def stands_by(session: Any, number: int) -> Callable[[], bool]:
    def stands() -> bool:
        state = session.recorder.state.standby
        return len(Market.found) == number + 1 and state.stage == "ready" and state.generation == SAVE.generation

    return stands


def test_one_that_is_lost_is_let_go_of_and_another_one_stands_by(session: Any) -> None:
    Market.coming = [{"until_over": fails(ProviderError("It vanished."))}]

    async def scene() -> None:
        async with kept(session):
            await until(stands_by(session, 1))
            assert Market.found[0].said == ["rent", "until_over", "follow", "lose", "aclose"]
            await session.recorder.flush()
            assert "It was lost: It vanished. Another one is looked for." in messages(session)

    asyncio.run(scene())
    assert Market.found[1].said[-2:] == ["release", "aclose"]


def test_where_no_other_is_to_be_asked_there_is_none_and_why_is_told(session: Any) -> None:
    refusal = ProviderError("It vanished.", "The budget is used up, so no other provider was asked.")
    Market.coming = [{"until_over": fails(ProviderError("It vanished.")), "lose": fails(refusal)}]

    async def scene() -> None:
        async with kept(session) as one:
            await until(lambda: "used up" in session.recorder.state.standby.reason)
            assert await one.take() is None
        assert len(Market.found) == 1

    asyncio.run(scene())


def test_what_goes_wrong_here_is_not_the_end_of_watching_it(session: Any) -> None:
    Market.coming = [{"until_over": fails(OSError("a fault of ours"), NodeUnreachable("The node is away."))}]

    async def scene() -> None:
        async with kept(session):
            await until(lambda: Market.found != [] and Market.found[0].said.count("until_over") == 3)
            assert stands_by(session, 0)()

    asyncio.run(scene())


def test_one_of_the_first_machines_owner_does_not_stand_by(session: Any) -> None:
    Market.wallets = ["0xANN"]

    async def scene() -> None:
        async with kept(session):
            await until(stands_by(session, 1))
            assert Market.found[0].said == ["rent", "release", "aclose"]

    asyncio.run(scene())


def test_another_country_is_tried_first(session: Any) -> None:
    session.choice.places |= {"0x1": "CH", "0x3": "CH", "0x4": "FR"}
    Market.coming = [{"rent": fails(MarketError("Nobody fits."))}]

    async def scene() -> None:
        async with kept(session):
            await until(stands_by(session, 1))

    asyncio.run(scene())
    assert [one.denied for one in Market.found] == [("0x1", "0xann", "0x1", "0x3"), ("0x1", "0xann")]
    session.choice.places["0x4"] = "CH"
    Market.found.clear()

    async def again() -> None:
        async with kept(session):
            await until(stands_by(session, 0))

    asyncio.run(again())
    assert [one.denied for one in Market.found] == [("0x1", "0xann")]


def test_where_nobody_is_found_it_is_said_and_looked_for_again(session: Any) -> None:
    Market.coming = [{"rent": fails(MarketError("Nobody fits."))}]

    async def scene() -> None:
        async with kept(session):
            await until(stands_by(session, 1))
            await session.recorder.flush()
            assert "Nobody fits. Another one is looked for" in messages(session)
        assert Market.found[0].said == ["rent", "aclose"]

    asyncio.run(scene())


def test_it_leads_when_the_head_is_lost(session: Any) -> None:
    async def scene() -> None:
        async with kept(session) as one:
            await until(stands_by(session, 0))
            assert await one.take() is Market.found[0]
            assert session.recorder.state.standby.stage == "searching"
        assert "release" not in Market.found[0].said

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"take_lead": forever}, "It took too long."),
        ({"take_lead": fails(ProviderError("It does not have what it was brought."))}, "It does not have what"),
        ({"take_lead": fails(OSError("a fault of ours"))}, "Something unexpected happened."),
    ],
)
def test_who_does_not_take_the_lead_is_let_go_of_and_holds_nobody_up(
    session: Any, monkeypatch: pytest.MonkeyPatch, what: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(standby, "_TAKE_SECONDS", 0.05)
    Market.coming = [what]

    async def scene() -> None:
        async with kept(session) as one:
            await until(stands_by(session, 0))
            async with asyncio.timeout(SECONDS * slower()):
                assert await one.take() is None
        assert Market.found[0].said[-2:] == ["release", "aclose"]
        await session.recorder.flush()
        assert f"{said}" in messages(session)
        assert "So it does not take over." in messages(session)

    asyncio.run(scene())


def test_lost_with_the_head_it_is_not_waited_for(session: Any) -> None:
    lost = asyncio.Event()

    async def until_lost() -> None:
        await lost.wait()
        raise ProviderError("It vanished, too.")

    Market.coming = [{"take_lead": forever, "until_over": until_lost}]

    async def scene() -> None:
        async with kept(session) as one:
            await until(stands_by(session, 0))
            taking = asyncio.create_task(one.take())
            await until(lambda: "take_lead" in Market.found[0].said)
            lost.set()
            async with asyncio.timeout(SECONDS * slower()):
                assert await taking is None

    asyncio.run(scene())


def test_one_that_is_only_being_made_ready_is_no_use_and_is_let_go_of(session: Any) -> None:
    let_go = asyncio.Event()

    async def rent() -> None:
        try:
            await forever()
        finally:  # its provider is slow to answer that it is over
            await let_go.wait()

    Market.coming = [{"rent": rent}]

    async def scene() -> None:
        async with kept(session) as one:
            await until(lambda: Market.found != [] and Market.found[0].said == ["rent"])
            async with asyncio.timeout(SECONDS * slower()):
                assert await one.take() is None, "whoever takes over is not held up by it"
            let_go.set()
        assert Market.found[0].said == ["rent", "aclose"]

    asyncio.run(scene())


def test_while_the_heads_place_is_filled_none_is_looked_for(session: Any) -> None:
    Market.coming = [{"rent": forever}]

    async def scene() -> None:
        async with kept(session) as one:
            await until(lambda: Market.found != [])
            await one.hold_off()
            assert Market.found[0].said == ["rent", "aclose"]
            await one.begin(session)
            await until(stands_by(session, 1))
            await one.hold_off()  # the one that stands by goes on
            assert stands_by(session, 1)()

    asyncio.run(scene())
