"""A machine that is lost or not watched any more is given up, whatever the disk or our own faults say."""

import asyncio
import shutil
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from golem_launcher import clock, paths
from golem_launcher.errors import ProviderError
from golem_launcher.events import Stage
from golem_launcher.market.prices import CPU, DURATION, Price
from golem_launcher.rental.choice import Choice
from golem_launcher.rental.payment.journal import AgreementEntry
from golem_launcher.rental.payment.terminations import Terminations
from golem_launcher.request import LaunchRequest
from golem_launcher.session.context import Context
from golem_launcher.session.machines.pool import Pool
from golem_launcher.session.machines.renting import Machine, Renting
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from tests.patience import slower

PRICE = Price(Decimal(0), Decimal("0.001"), Decimal(0), 1, (DURATION, CPU))


class Session:
    """One of two machines, at a node that ends what it is told to."""

    def __init__(self, **fields):
        request = LaunchRequest(name="a", machines=2, **fields)
        self.directory = create_session_directory(request)
        self.recorder = Recorder(self.directory)
        context = Context.of(self.directory, self.recorder)
        self.ended = asyncio.Event()
        self.let_go = []
        rest = SimpleNamespace(terminate_agreement=self._end, destroy_activity=self._end, agreement=self._agreement)
        self.journal = context.journal
        way = SimpleNamespace(point_nowhere=lambda: None)
        self.slot = replace(context.slots[1], endpoint=way)
        self.prepared = SimpleNamespace(
            **{**vars(context), "choice": Choice(request, known={})}, rest=rest, terminations=Terminations()
        )
        self.machine = Machine(
            SimpleNamespace(agreement_id="lost", provider_id="0x1", provider_name="p"),
            SimpleNamespace(aclose=self._close, release=self._close),
            (),
        )
        began = clock.now() - timedelta(hours=1)
        entry = AgreementEntry(
            agreement_id="lost", provider_id="0x1", provider_name="p", price=PRICE, started_at=began, activity_id="one"
        )
        self.journal.add_agreement(entry)

    async def _end(self, *_):
        self.ended.set()

    async def _agreement(self, _id):
        return {"state": "Terminated"}

    async def _close(self):
        self.let_go.append(True)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Run a story with a session."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))

    def tell(story, **fields):
        async def telling():
            session = Session(**fields)
            try:
                await story(session)
            finally:
                await asyncio.to_thread(session.recorder.close)

        asyncio.run(telling())

    return tell


def test_one_that_is_lost_while_the_disk_is_full_is_ended_and_paid_no_longer(told):
    async def story(session):
        shutil.rmtree(session.directory.path)  # nothing can be written there
        await Renting(session.prepared, session.slot).lose(session.machine, ProviderError("It is silent."))
        entry = session.journal.agreement("lost")
        assert entry.lost_at is not None
        await asyncio.wait_for(session.ended.wait(), 60 * slower())
        assert session.let_go

    told(story)


def test_one_that_is_lost_is_ended_where_no_other_is_asked(told):
    async def story(session):
        with pytest.raises(ProviderError):
            await Renting(session.prepared, session.slot).lose(session.machine, ProviderError("It is silent."))
        await asyncio.wait_for(session.ended.wait(), 60 * slower())
        assert session.let_go

    told(story, recover=False)


def test_a_fault_of_ours_leaves_no_machine_unwatched_and_is_told(told):
    async def story(session):
        pool = Pool(session.prepared, (session.slot,), lambda: False)

        async def broken():
            raise ZeroDivisionError

        (member,) = pool._members
        member.machine = session.machine
        await pool._keep(member, asyncio.create_task(broken()))
        assert session.let_go
        assert member.machine is None
        assert session.recorder.state.machines[1].stage is Stage.FAILED
        await session.recorder.flush()
        (told,) = [one for one in session.directory.events()[0] if one.kind == "message"]
        assert told.text.startswith("Machine 2: Something unexpected happened (ZeroDivisionError)")

    told(story)
