from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher.localnet import network
from golem_launcher.localnet.runtime import base_layer as base_module
from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from golem_launcher.paths import HOME_VARIABLE
from tests.networks import at_home, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every kind of provider that market and payment tests need, in one network: one daemon serves them all. Only the
# honest one is a plain "vm", which is what yapapi's programs ask for.
TROUPE = """
terminate_seconds = 0
debit_note_interval = 2
min_agreement_expiration = 1
idle_agreement_timeout = 20

[[provider]]
name = "honest"
price_start = 0.001
price_hour = 3.6
price_cpu_hour = 0

[[provider]]
name = "counting"
runtime_name = "test-counters"
counters = [{ name = "golem.usage.custom.counter", price = 0.01, per_second = 2.0 }]
commands = { sleep = 'exec sleep "$(awk "BEGIN { print $1 / 1000 }")"' }

[[provider]]
name = "refuser"
runtime_name = "refuser"
misbehaviour = { refuse_agreements = true }

[[provider]]
name = "quitter"
runtime_name = "quitter"
misbehaviour = { terminate_agreement_after = 1.0 }

[[provider]]
name = "greedy"
runtime_name = "greedy"
price_hour = 3.6
price_cpu_hour = 0
misbehaviour = { overbill = 3.0 }

[[provider]]
name = "mortal"
runtime_name = "mortal"
misbehaviour = { die_once = "$HOME/mortal-now" }

[[provider]]
name = "brief"
runtime_name = "brief"
misbehaviour = { die_after = 1.0 }

[[provider]]
name = "hostile"
runtime_name = "hostile"
misbehaviour = { hostile_name = true, hostile_output = true }

[[provider]]
name = "slow"
runtime_name = "slow"
misbehaviour = { slow_deploy = 1.5 }

[[provider]]
name = "strange"
runtime_name = "strange"

[provider.properties]
"golem.com.usage.vector" = ["golem.usage.duration_sec"]
"golem.com.pricing.model.linear.coeffs" = [0.001, 0.5]

[[provider]]
name = "never"
runtime_name = "never"
misbehaviour = { never_ready = true }

[[provider]]
name = "hanging"
runtime_name = "hanging"
misbehaviour = { hang_in = "run" }

[[provider]]
name = "lossy"
runtime_name = "lossy"
misbehaviour = { drop_frames = 0.03, duplicate_frames = 0.03, delay_frames = 0.002, jitter_frames = 0.01 }
"""
TROUPE_SIZE = TROUPE.count("[[provider]]")
# Without a sandbox: an honest provider, and one with a counter of its own.
PLAIN = """
runtime = "process"
terminate_seconds = 0

[[provider]]
name = "honest"

[[provider]]
name = "counting"
runtime_name = "test-counters"
counters = [{ name = "golem.usage.custom.counter", price = 0.01, per_second = 2.0 }]
commands = { sleep = 'exec sleep "$(awk "BEGIN { print $1 / 1000 }")"' }
"""


# golem-core takes an activity's end for failed when it takes the 5 s that its node waits for it.
THREE = "terminate_seconds = 1\n" + "".join(f'[[provider]]\nname = "{name}"\n' for name in ("alice", "bob", "carol"))


@pytest.fixture(scope="session")
def troupe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.LocalNetwork]:
    """A network of honest and misbehaving providers, up for the whole session, in the sandbox where there is one."""
    home = tmp_path_factory.mktemp("troupe")
    with network_of(home, TROUPE.replace("$HOME", str(home))) as up:
        yield up


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.LocalNetwork]:
    """A network in the process runtime, in a directory that a shell takes for several words."""
    directory = tmp_path_factory.mktemp("plain") / "it's a network"
    directory.mkdir()
    with first_start_of(directory, PLAIN) as up:
        yield up


@contextlib.contextmanager
def network_of(home: Path, text: str) -> Iterator[network.LocalNetwork]:
    """A network of that description in that home; nothing of it runs afterwards."""
    prepare(home)
    with first_start_of(home, text) as up:
        yield up


@contextlib.contextmanager
def first_start_of(home: Path, text: str) -> Iterator[network.LocalNetwork]:
    """Likewise, where nothing is prepared."""
    description = home / "network.toml"
    description.write_text(text)
    with at_home(home):
        up = network.up(description)
    try:
        yield up
    finally:
        with at_home(home):
            network.down()
    assert not processes_below(home)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.LocalNetwork]:
    """A network of three honest providers; the launcher's home is its own."""
    home = tmp_path_factory.mktemp("three")
    with network_of(home, THREE) as up, at_home(home):
        yield up


@pytest.fixture
def in_troupe(troupe: network.LocalNetwork) -> Iterator[network.LocalNetwork]:
    """The launcher's home is the troupe's."""
    with at_home(troupe.directory.parent):
        yield troupe


@pytest.fixture(params=["sandbox", "process"])
def in_runtime(request: pytest.FixtureRequest) -> Iterator[network.LocalNetwork]:
    """The launcher's home is a network's with that runtime."""
    if request.param == "sandbox" and (reason := why_no_sandbox()):
        pytest.skip(reason)
    up: network.LocalNetwork = request.getfixturevalue({"sandbox": "troupe", "process": "plain"}[request.param])
    with at_home(up.directory.parent):
        yield up


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home for a network of the test's own, which is ended whatever happens."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    try:
        yield tmp_path
    finally:
        network.down()
        assert not processes_below(tmp_path)


def processes_below(directory: Path) -> list[str]:
    """The processes that name the directory in their command or environment, or work in it."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid not in ours:
            with contextlib.suppress(psutil.Error, OSError):
                words = [process.cwd(), *process.cmdline(), *process.environ().values()]
                if any(str(directory) in word for word in words):
                    found.append(f"{process.pid} {process.name()}")
    return found


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> base_module.BaseEnvironment:
    """What is shared by all activities of a runtime."""
    return base_module.build(tmp_path_factory.mktemp("base"))


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory with a short name."""
    # not tmp_path: a shebang and a socket's path are short
    with tempfile.TemporaryDirectory(prefix="eu-", ignore_cleanup_errors=True) as name:
        yield Path(name)
