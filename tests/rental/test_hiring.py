"""What becomes of an activity whose deploy stands still. yapapi's engine stands in, without a node."""

import asyncio
from types import SimpleNamespace

import pytest

from golem_launcher.errors import ProviderError
from golem_launcher.session import preload

preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
from golem_launcher.rental.deploy_progress import DeployLimits  # noqa: E402
from golem_launcher.rental.hiring import Hiring  # noqa: E402


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


def hiring(engine):
    nothing = dict.fromkeys(("spec", "image", "told"))
    demand = SimpleNamespace(job=SimpleNamespace(id="job"))
    network = SimpleNamespace(came_up=lambda _: None)
    return Hiring(engine, demand, network, **nothing, limits=DeployLimits(whole=60.0, still=1.0))


def test_a_deploy_that_stands_still_is_not_waited_for_any_longer():
    closed, engine = [], Engine()

    async def stand_still():
        made = hiring(engine)
        asyncio.get_running_loop().call_soon(made._deployed.set_exception, ProviderError("It did not get on."))
        await made._process("agreement", None, batches(closed))

    with pytest.raises(ProviderError, match="did not get on"):
        asyncio.run(stand_still())
    assert engine.ended
    assert closed == [True]


def test_once_the_package_runs_the_batches_go_on():
    closed, engine = [], Engine()

    async def run():
        made = hiring(engine)
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
