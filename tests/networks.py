"""A local network of some tests' own, with a launcher's home of its own, and nothing left of either afterwards."""

import contextlib
import os

from golem_launcher import paths
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import session_directories


@contextlib.contextmanager
def own_network(home, description):
    """The network of a ``description`` (TOML), up; sessions that are left in it are ended."""
    file = home / "network.toml"
    file.write_text(description)
    before = os.environ.get(paths.HOME_VARIABLE)
    os.environ[paths.HOME_VARIABLE] = str(home)
    try:
        yield localnet.up(file)
    finally:
        for directory in session_directories():
            with contextlib.suppress(Exception):
                client.stop(directory.name, force=True)
        localnet.down()
        if before is None:
            del os.environ[paths.HOME_VARIABLE]
        else:
            os.environ[paths.HOME_VARIABLE] = before
