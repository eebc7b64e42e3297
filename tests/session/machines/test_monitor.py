"""A machine that is watched: a node that is away, payments that ended, a bill that is refused. Without a network."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace

import pytest

from golem_launcher import paths
from golem_launcher.errors import NodeUnreachable, ProviderError
from golem_launcher.events import Stage
from golem_launcher.node.node import Node
from golem_launcher.node.requestor_api import YagnaRest
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.rental.payment.money import Money
from golem_launcher.request import LaunchRequest
from golem_launcher.session.endpoints.machine_slot import HEAD, MachineRecorder, MachineSlot
from golem_launcher.session.lifetime.deadline import Deadline
from golem_launcher.session.lifetime.extending import Extension
from golem_launcher.session.machines import monitor
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.workload.lab import LAB
from tests.patience import slower

NOBODY = "http://127.0.0.1:9"
MACHINE = SimpleNamespace(rented=SimpleNamespace(agreement_id="a", activity_id="b", network_id="net"))


class Lab:
    """One that answers."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def answers(self, seconds):  # noqa: ARG002 - at once
        return True

    async def follow_log(self, _path):
        pass

    async def usage(self):
        return b""


def answers(value):
    async def answer(*_, **__):
        return value

    return answer


REST = SimpleNamespace(activity_state=answers("Ready"), agreement=answers({}), activity_usage=answers((1.0,)))


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A prepared session on the local network, but for what the tests put in its place."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr(monitor, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(monitor, "_TROUBLED_ROUND_SECONDS", 0.01)
    request = LaunchRequest(name="watched")
    directory = create_session_directory(request)
    recorder = Recorder(directory)
    money = Money(request.budget, Journal.create(directory.path), recorder)
    deadline = Deadline.of(Decimal(1))
    yield SimpleNamespace(
        directory=directory,
        request=request,
        workload=LAB,
        cluster=None,
        network=SimpleNamespace(sleeps_along=True, patience=SimpleNamespace(silent=3.5)),
        idle=SimpleNamespace(watch=answers(None), due=False),
        recorder=recorder,
        money=money,
        deadline=deadline,
        extension=Extension(request, LAB, deadline=deadline, money=money, recorder=recorder),
        connection=SimpleNamespace(node=None),
        rest=REST,
        engine=SimpleNamespace(revive=lambda: None),
        find_node=lambda: None,
    )
    recorder.close()


def watched(session, lab=Lab, witness=None):
    endpoint, log = SimpleNamespace(client=lab, refuses=answers(value=False)), session.directory.workload_log
    slot = MachineSlot(LAB, endpoint, MachineRecorder(session.recorder, HEAD), None, log)
    return monitor.Monitor(session, slot, MACHINE, witness)


def watch(session):
    async def until_over():
        return await asyncio.wait_for(watched(session).until_over(), 30 * slower())

    return asyncio.run(until_over())


class SilentLab(Lab):
    """One that does not."""

    async def answers(self, seconds):  # noqa: ARG002 - at once
        return False


def test_silence_is_a_machines_own_where_another_answers(session):
    session.network.patience = SimpleNamespace(silent=60.0, silent_alone=0.05)
    session.rest = SimpleNamespace(**vars(REST), networks=answers([{"id": "net"}]))
    asked = []

    def witness(answer):
        async def ask():
            asked.append(answer)
            return answer

        return ask

    async def until_over(heard):
        async with asyncio.timeout(1.0):
            await watched(session, SilentLab, heard).until_over()

    async def scenario():
        for nobody in (None, witness(answer=False)):
            with pytest.raises(TimeoutError):  # it may be this side's line
                await until_over(nobody)
        assert set(asked) == {False}
        with pytest.raises(ProviderError, match="vanished"):
            await until_over(witness(answer=True))

    asyncio.run(scenario())


def test_a_node_that_stays_away_is_looked_for_and_then_given_up_in_words(session, monkeypatch):
    monkeypatch.setattr(monitor, "_NODE_AWAY_SECONDS", 0.3)
    looked_for = []
    session.find_node = lambda: looked_for.append(1)

    async def until_over():
        async with YagnaRest.open(Node(NOBODY, "key")) as session.rest:
            await asyncio.wait_for(watched(session).until_over(), 30 * slower())

    with pytest.raises(NodeUnreachable, match="stayed away") as caught:
        asyncio.run(until_over())
    assert "--resume" in caught.value.remedy
    assert looked_for
    assert session.recorder.state.stage is Stage.RECOVERING
    assert "node use" in session.recorder.state.reason  # for one that has another address now


def test_payments_that_ended_by_themselves_are_taken_up_again(session, monkeypatch):
    """yapapi tells nobody: in each round they are looked after, though the node was never away."""
    looked_after = []
    session.engine.revive = lambda: looked_after.append(1)
    monkeypatch.setattr(session.money, "used", lambda *_, **__: "over" if len(looked_after) == 3 else None)
    assert watch(session) == "over"


@pytest.mark.parametrize("news", ["a refused bill", "an early invoice"])
def test_a_bill_that_is_not_accepted_is_acted_on_at_once(session, monkeypatch, news):
    """Long before the next round."""
    monkeypatch.setattr(monitor, "ROUND_SECONDS", 3600.0)

    async def until_over():
        watching = asyncio.create_task(watched(session).until_over())
        await asyncio.sleep(0)
        if news == "a refused bill":
            session.money.disputed("a", "It billed too much.")
        else:
            session.money.invoice_came("a")
        await asyncio.wait_for(watching, 10 * slower())

    with pytest.raises(ProviderError, match="billed too much" if news == "a refused bill" else "sent its invoice"):
        asyncio.run(until_over())


def test_a_session_that_stays_where_it_is_pays_no_more_and_goes_on(session, monkeypatch):
    session.request = session.request.model_copy(update={"recover": False})
    session.money.disputed("a", "It billed too much.")
    rounds = []
    monkeypatch.setattr(
        session.money, "used", lambda *_, **__: "over" if rounds.append(1) or len(rounds) == 3 else None
    )
    assert watch(session) == "over"
