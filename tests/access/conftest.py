"""One session on a local network, and a program in it that serves a port as the tests ask."""

import contextlib
import os

import asyncssh
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

[[provider]]
name = "farther-away"
"""


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory):
    """The path of a private key, and its public half."""
    path = tmp_path_factory.mktemp("keys") / "id_ed25519"
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    key.write_private_key(path)
    return path, key.export_public_key().decode().strip()


@pytest.fixture(scope="session")
def far_session(tmp_path_factory, ssh_key):
    """The directory of a session that is ready, and its network."""
    home = tmp_path_factory.mktemp("access")
    description = home / "network.toml"
    description.write_text(_NETWORK)
    before = os.environ.get(paths.HOME_VARIABLE)
    os.environ[paths.HOME_VARIABLE] = str(home)
    try:
        network = localnet.up(description)
        request = LaunchRequest(name="tunnel", budget=5, memory_gib=0.5, disk_gib=0.5, ssh_key=ssh_key[1])
        directory = client.start(request)
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
