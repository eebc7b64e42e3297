"""One session on a local network, and a program in it that serves a port as the tests ask."""

import contextlib
import os

import pytest

from golem_launcher import paths
from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client

_NETWORK = """
runtime = "process"

[[provider]]
name = "far-away"
"""


@pytest.fixture(scope="session")
def far_session(tmp_path_factory):
    """The directory of a session that is ready, and its network."""
    home = tmp_path_factory.mktemp("access")
    description = home / "network.toml"
    description.write_text(_NETWORK)
    before = os.environ.get(paths.HOME_VARIABLE)
    os.environ[paths.HOME_VARIABLE] = str(home)
    try:
        network = localnet.up(description)
        directory = client.start(LaunchRequest(name="tunnel", budget=5, memory_gib=0.5, disk_gib=0.5))
        state = client.wait_for(directory, lambda state: state.stage is Stage.READY, 60)
        assert state is not None, directory.supervisor_log.read_text()[-4000:]
        yield directory, network
    finally:
        with contextlib.suppress(Exception):
            client.stop("tunnel", force=True)
        localnet.down()
        if before is None:
            del os.environ[paths.HOME_VARIABLE]
        else:
            os.environ[paths.HOME_VARIABLE] = before
