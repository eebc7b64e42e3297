"""One local network whose providers misbehave in the market and with money."""

import contextlib
import os

import pytest

from golem_launcher import paths
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client

_NETWORK = """
runtime = "process"
debit_note_interval = 1

[[provider]]
name = "overbills"
misbehaviour = { overbill = 10.0 }

[[provider]]
name = "floods"
misbehaviour = { notes_every = 0.1 }

[[provider]]
name = "raises"
misbehaviour = { raise_price = 20.0 }

[[provider]]
name = "never-ready"
misbehaviour = { never_ready = true }

[[provider]]
name = "instant-end"
misbehaviour = { terminate_agreement_after = 0.0 }

[[provider]]
name = "no-terms"
misbehaviour = { refuse_terms = true }

[[provider]]
name = "never-signs"
misbehaviour = { ignore_agreements = true }

[[provider]]
name = "signs"
price_hour = 0.5

[[provider]]
name = "gpu"
price_hour = 2.0
price_start = 0.001
gpu = { model = "Pretend RTX 3090", memory_gib = 24 }
"""


@pytest.fixture(scope="module")
def crooks(tmp_path_factory):
    home = tmp_path_factory.mktemp("crooks")
    description = home / "network.toml"
    description.write_text(_NETWORK)
    before = os.environ.get(paths.HOME_VARIABLE)
    os.environ[paths.HOME_VARIABLE] = str(home)
    try:
        yield localnet.up(description)
    finally:
        for directory in client.session_directories():
            with contextlib.suppress(Exception):
                client.stop(directory.name, force=True)
        localnet.down()
        if before is None:
            del os.environ[paths.HOME_VARIABLE]
        else:
            os.environ[paths.HOME_VARIABLE] = before
