"""An image of this computer's, served to a provider by the session's own node: no registry has it."""

import asyncio
from types import SimpleNamespace

import pytest

from golem_launcher import paths
from golem_launcher.events import Progress
from golem_launcher.image import upload_estimate
from golem_launcher.image.store import ImageStore
from golem_launcher.session import client
from tests.image.conftest import CACHE, VARIANT
from tests.image.test_image import start
from tests.networks import own_network
from tests.patience import slower
from tests.session.jupyter import Jupyter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first time, the image is made

_NETWORK = """
runtime = "sandbox"
terminate_seconds = 0

[[provider]]
name = "stands-still"
price_hour = 0.001
memory_gib = 2
misbehaviour = {{ {misbehaviour} }}

[[provider]]
name = "honest"
price_hour = 5
memory_gib = 2
"""


@pytest.fixture
def served(root, tmp_path):  # noqa: ARG001 - it makes the image
    """A network whose cheapest provider misbehaves as it is told, and the image under a name of the user's."""

    def network(misbehaviour=""):
        return own_network(tmp_path, _NETWORK.format(misbehaviour=misbehaviour))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.HOME_VARIABLE, str(tmp_path))
        made = ImageStore(CACHE / "made").find(VARIANT)
        image = ImageStore().add(made.path, "mine")
        yield SimpleNamespace(network=network, image=image)


def sent(directory):
    """What the session told of the image on its way."""
    return [
        event for event in directory.events()[0] if isinstance(event, Progress) and event.what == "Sending the image"
    ]


def test_a_provider_fetches_it_once_and_a_session_runs_in_it(served):
    with served.network():
        directory = start("first", seconds=300, image="mine")

        async def work():
            async with Jupyter(directory.url()) as lab:
                assert "Debian GNU/Linux 12" in await lab.execute("print(open('/etc/os-release').read())")
                assert await lab.execute("import sys; print(sys.prefix)") == "/usr\n"

        asyncio.run(asyncio.wait_for(work(), 60 * slower()))
        told = sent(directory)
        assert told[-1].done == told[-1].total == served.image.size
        assert directory.state().progress is None
        client.stop("first")
        again = start("again", seconds=120, image="mine")
        assert not sent(again)  # it is there by its hash
        upload = upload_estimate.upload(served.image.size, "local")
        assert upload.measured > 0
        assert any(upload.words in event.line for event in again.events()[0])  # it goes by the first one now
        client.stop("again")


def test_where_it_stands_still_another_activity_is_tried_and_then_another_provider(served):
    with served.network('hang_in = "deploy"'):
        directory = start("patient", seconds=400, image="mine")
        events, _ = directory.events()
        still = [event.line for event in events if event.line.startswith("stands-still: The image did not")]
        assert len(still) == 2
        assert "It is tried once more there" in still[0]
        assert directory.state().head.provider_name == "honest"
        client.stop("patient")
