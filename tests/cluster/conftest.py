"""One local network, and one session with a Dask cluster in it, for the tests of clusters."""

import asyncio
import contextlib

import pytest

from golem_launcher.events import Stage
from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from golem_launcher.market import history
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from tests.networks import own_network
from tests.patience import slower
from tests.session import providers
from tests.session.jupyter import Jupyter

_PROVIDER = """
[[provider]]
name = "provider-{number}"
memory_gib = 3
storage_gib = 12
price_hour = 0.1
price_cpu_hour = 0.1
"""
_NETWORK = "debit_note_interval = 3\nterminate_seconds = 0\n" + "".join(
    _PROVIDER.format(number=number) for number in range(1, 7)
)
SESSION = "clustered"
_SECONDS = 90


@pytest.fixture(scope="package")
def network(tmp_path_factory):
    if why := why_no_sandbox():
        pytest.skip(f"machines reach each other in a sandbox alone: {why}")
    with own_network(tmp_path_factory.mktemp("cluster"), _NETWORK) as network:
        yield network


@pytest.fixture(scope="package")
def keys(network):
    return providers.keys(network, 6)


@pytest.fixture(scope="package")
def session(network):  # noqa: ARG001 - it must be up
    """A session that begins with one worker and may have three; a machine stands by for its head."""
    history.forget()
    request = LaunchRequest(name=SESSION, workers=1, max_workers=3, budget=6, memory_gib=2, disk_gib=1, standby=1)
    directory = client.start(request)
    assert wait_for(directory, lambda state: state.stage is Stage.READY) is not None
    yield directory
    client.stop(SESSION, force=True)


def wait_for(directory, predicate, seconds=_SECONDS):
    state = client.wait_for(directory, predicate, seconds * slower())
    log = directory.supervisor_log.read_text() if directory.supervisor_log.exists() else ""
    assert state is not None, f"{directory.state().model_dump_json(indent=1)}\n{log[-6000:]}"
    return state


def ready_workers(state):
    return [one.number for one in state.machines[1:] if one.stage is Stage.READY]


class Notebook:
    """A kernel of the session, in which cells run one after the other."""

    def __init__(self, url):
        self._url = url
        self._kernel = ""

    def run(self, code):
        """Run a cell; what it printed."""
        return asyncio.run(self._run(code))

    async def _run(self, code):
        async with Jupyter(self._url) as jupyter:
            if not self._kernel:
                self._kernel = (await jupyter.call("POST", "/api/kernels", {"name": "python3"}))["id"]
            return await jupyter.run(self._kernel, code)

    def close(self):
        async def end():
            async with Jupyter(self._url) as jupyter:
                await jupyter.call("DELETE", f"/api/kernels/{self._kernel}")

        if self._kernel:
            with contextlib.suppress(Exception):
                asyncio.run(end())


@pytest.fixture(scope="package")
def notebook(session):
    """One with a client of the cluster: ``cluster`` and ``client``."""
    notebook = Notebook(session.url())
    notebook.run(
        "from golem_launcher.cluster import GolemCluster\n"
        "import dask\n"
        "cluster = GolemCluster()\n"
        "client = cluster.client()\n"
        f"client.wait_for_workers(1, timeout={60 * slower():.0f})"
    )
    yield notebook
    notebook.close()


@pytest.fixture
def lose(network, keys):
    """Takes the present provider from a machine of a session: the provider terminates the agreement."""

    def lose(directory, machine):
        providers.terminate(network, keys, directory.state().machines[machine - 1], "Shutdown")

    return lose
