"""A deploy that stands still, and an end that the node lets nobody see. yapapi's engine stands in, without a node."""

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest

from golem_launcher.errors import ProviderError
from golem_launcher.session.supervision import preload

preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
from golem_launcher.rental.agreement import SignedAgreement  # noqa: E402
from golem_launcher.rental.deploy_progress import DeployLimits  # noqa: E402
from golem_launcher.rental.payment.journal import AgreementEntry, Journal  # noqa: E402
from golem_launcher.rental.provider_activity import ProviderActivity  # noqa: E402


class Engine:
    """Sends a first batch, and never hears of it again."""

    def __init__(self):
        self.ended = False

    async def process_batches(self, _job, _agreement, _activity, batches):
        await batches.__anext__()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def batches(closed):
    try:
        yield "deploy"
    finally:
        closed.append(True)


def activity(engine):
    nothing = dict.fromkeys(("spec", "image", "on_progress"))
    demand = SimpleNamespace(job=SimpleNamespace(id="job"))
    network = SimpleNamespace(came_up=lambda _: None)
    return ProviderActivity(engine, demand, network, **nothing, limits=DeployLimits(whole=60.0, still=1.0))


def test_a_deploy_that_stands_still_is_not_waited_for_any_longer():
    closed, engine = [], Engine()

    async def stand_still():
        made = activity(engine)
        asyncio.get_running_loop().call_soon(made._deployed.set_exception, ProviderError("It did not get on."))
        await made._process("agreement", None, batches(closed))

    with pytest.raises(ProviderError, match="did not get on"):
        asyncio.run(stand_still())
    assert engine.ended
    assert closed == [True]


def test_once_the_package_runs_the_batches_go_on():
    closed, engine = [], Engine()

    async def run():
        made = activity(engine)
        made._deployed.set_result(SimpleNamespace(provider_id="0x1"))
        work = asyncio.create_task(made._process("agreement", None, batches(closed)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not work.done()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(run())
    assert engine.ended
    assert closed == [True]


@pytest.mark.parametrize("fails", [aiohttp.ServerDisconnectedError(), RuntimeError("a fault of ours"), None])
def test_what_is_let_go_of_is_given_up_then_whatever_the_node_says(tmp_path, fails):
    """Else the time until somebody closes it down is judged as worked for us."""
    journal = Journal.create(tmp_path)
    journal.add_agreement(AgreementEntry(agreement_id="a1", provider_id="0x1", provider_name="p", price=None))

    async def end(_agreement_id, _reason):
        if fails is not None:
            raise fails
        return True

    async def let_go():
        made = activity(Engine())
        made._demand.job.end = end
        choice = SimpleNamespace(backoff=SimpleNamespace(busy=set()))
        made._signed = SignedAgreement("a1", journal, choice, asyncio.Event())
        await made.release()

    if isinstance(fails, RuntimeError):
        with pytest.raises(RuntimeError):
            asyncio.run(let_go())
    else:
        asyncio.run(let_go())
    entry = Journal.read(tmp_path).agreement("a1")
    assert entry.ended_at is not None
    assert entry.unheard is (fails is not None)


class Begins:
    """An engine that makes an activity, and notes which agreements' bills are accepted."""

    def __init__(self):
        self.starting = asyncio.get_running_loop().create_future()
        self.starting.set_result(None)
        self.accepted = []

    async def start_worker(self, _job, work, *, existing_agreement_id):
        return asyncio.create_task(work(SimpleNamespace(_agreement=SimpleNamespace(id=existing_agreement_id))))

    async def accept_payments_for_agreement(self, _job, agreement_id):
        self.accepted.append(agreement_id)


def test_nothing_runs_in_an_activity_before_it_is_told_to_and_one_that_never_was_is_paid(tmp_path, monkeypatch):
    monkeypatch.setattr("golem_launcher.rental.provider_activity.agreement_of", lambda context: context._agreement)
    journal = Journal.create(tmp_path)
    journal.add_agreement(AgreementEntry(agreement_id="a1", provider_id="0x1", provider_name="p", price=None))

    async def end(_agreement_id, _reason):
        return True

    async def story():
        engine, deployed, deploys = Begins(), [], asyncio.Event()
        made = activity(engine)
        made._demand.job.end = end

        async def deploy(context):
            deployed.append(context)
            deploys.set()

        made._deploy = deploy
        choice = SimpleNamespace(backoff=SimpleNamespace(busy=set()))
        made._signed = SignedAgreement("a1", journal, choice, asyncio.Event())
        await made.begin()
        await made.created()
        assert made.works
        await made.release()
        assert (deployed, engine.accepted) == ([], ["a1"])
        await made.begin()  # with another provider
        await made.created()
        assert deployed == []
        made.deploy()
        async with asyncio.timeout(10):
            await deploys.wait()
        await made.aclose()

    asyncio.run(story())


def test_one_whose_activity_can_not_be_created_is_not_waited_for():
    async def fails(*_, **__):
        return asyncio.create_task(asyncio.sleep(0))

    async def story():
        engine = Begins()
        engine.start_worker = fails
        made = activity(engine)
        await made.begin()
        async with asyncio.timeout(10):
            await made.created()
        with pytest.raises(ProviderError, match="could not create"):
            await made.deployed()

    asyncio.run(story())
