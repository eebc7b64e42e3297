"""One local network for all tests of sessions, with an honest crowd and a few that misbehave.

A request picks its provider by memory: offers get dearer as they get larger, and the cheapest that fits is taken. Each
is dearer by more than a seventh: of those that cost nearly the same, any may be taken.
"""

import json
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.market import history
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from tests.networks import fork_supervisors, own_network
from tests.patience import slower
from tests.session import providers
from tests.session.ending import BUSY
from tests.session.rest import Node

HONEST, OVERBILLS, DIES, REFUSES, SLOW, LARGE, BROKEN = 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.3
"""Memory (GiB) to ask for."""

HONEST_PROVIDERS = tuple(f"honest-{number}" for number in range(1, 5))
"""To be allowed alone where a provider is lost: another kind would take the place of one that was left just now."""

ONLY = {"memory_gib": 0.4, "disk_gib": 11}
"""What one provider alone has."""

OLD = {"memory_gib": 0.26, "disk_gib": 13}
"""What the cheapest one has whose runtime makes no disks."""

SHELL_LESS = {"memory_gib": 0.25, "disk_gib": 21}
"""What only the one has on which no shell can be started."""

STARTS_FOR_EVER = {"memory_gib": 0.23, "disk_gib": 31}
"""What the one has whose Lab never comes up, and one that is honest and dearer."""

_NETWORK = '''
runtime = "auto"
debit_note_interval = 3
terminate_seconds = 0

[[provider]]
name = "honest-1"
memory_gib = 0.55
price_hour = 0.02
price_cpu_hour = 0.02

[[provider]]
name = "honest-2"
memory_gib = 0.55
price_hour = 0.02
price_cpu_hour = 0.02

[[provider]]
name = "honest-3"
memory_gib = 0.55
price_hour = 0.02
price_cpu_hour = 0.02

[[provider]]
name = "honest-4"
memory_gib = 0.55
price_hour = 0.02
price_cpu_hour = 0.02

[[provider]]
name = "overbills"
memory_gib = 0.65
price_hour = 0.5
price_cpu_hour = 0.5
misbehaviour = { overbill = 50.0 }

[[provider]]
name = "dies"
memory_gib = 0.75
price_hour = 2.0
misbehaviour = { die_once = "$HOME/dies-now" }

[[provider]]
name = "refuses"
memory_gib = 0.85
price_hour = 3.0
misbehaviour = { refuse_agreements = true }

[[provider]]
name = "slow"
memory_gib = 0.95
price_hour = 4.0
misbehaviour = { slow_deploy = 6.0 }

[[provider]]
name = "large"
memory_gib = 1.05
price_hour = 5.0
price_cpu_hour = 0

[[provider]]
name = "larger"
memory_gib = 1.25
price_hour = 7.0

[[provider]]
name = "broken"
memory_gib = 1.35
price_hour = 8.0
[provider.commands]
"/bin/sh" = """
mkdir -p .cache/broken/jupyterlab
echo "raise RuntimeError('no such luck')" > .cache/broken/jupyterlab/__init__.py
PYTHONPATH=$PWD/.cache/broken exec /bin/sh "$@"
"""

[[provider]]
name = "starts-for-ever"
memory_gib = 0.24
storage_gib = 32
price_hour = 9.0
misbehaviour = { die_once = "$HOME/starts-for-ever-now" }
[provider.commands]
"/bin/sh" = """
mkdir -p .cache/slow/jupyterlab
echo "import time; time.sleep(3600)" > .cache/slow/jupyterlab/__init__.py
PYTHONPATH=$PWD/.cache/slow exec /bin/sh "$@"
"""

[[provider]]
name = "starts"
memory_gib = 0.24
storage_gib = 32
price_hour = 12.0

[[provider]]
name = "gone"
memory_gib = 0.55
price_hour = 9.0
misbehaviour = { die_once = "$HOME/gone-now" }

[[provider]]
name = "shell-less"
memory_gib = 0.3
storage_gib = 22
[provider.commands]
"/bin/sh" = "kill -9 $$"

[[provider]]
name = "old"
memory_gib = 0.28
storage_gib = 14
price_hour = 0.01
price_cpu_hour = 0.01
runtime_version = "0.4.2"

[[provider]]
name = "with-gpu"
memory_gib = 0.55
price_hour = 9.5
gpu = { model = "Pretend GPU (not real)", memory_gib = 24 }

[[provider]]
name = "only"
memory_gib = 0.45
storage_gib = 12
price_hour = 0.02
'''


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    home = tmp_path_factory.mktemp("sessions")
    with own_network(home, _NETWORK.replace("$HOME", str(home))) as network:
        fork_supervisors()
        yield network


@pytest.fixture
def node(network):  # noqa: ARG001 - it must be up
    """The requestor's node, where it is now: a test may have moved it."""
    return Node(localnet.up().node)


@pytest.fixture
def begin(network):  # noqa: ARG001 - it must be up
    """Starts sessions and ends what is left of them after the test."""
    names = []

    def start(**fields):
        fields = {"name": f"t-{uuid.uuid4().hex[:8]}", "memory_gib": HONEST, "budget": 5, "disk_gib": 0.5, **fields}
        history.forget()  # the tests ask for the same few providers, whatever these did before
        directory = client.start(LaunchRequest(**fields))
        names.append(directory.name)
        return directory

    yield start
    for name in names:
        client.stop(name, force=True)


@pytest.fixture
def ready(begin):
    """Starts a session and waits for its Lab."""

    def start(**fields):
        directory = begin(**fields)
        wait_for(directory, lambda state: state.stage is Stage.READY, 60)
        return directory

    return start


@pytest.fixture(scope="session")
def early(network):  # noqa: ARG001 - it must be up
    """Sessions whose end takes a while: they begin before most tests and are looked at after them."""
    history.forget()
    fields = {"budget": 5, "disk_gib": 0.5}
    sessions = {
        "deadline": client.start(LaunchRequest(name="deadline", memory_gib=HONEST, hours="0.01", **fields)),
        "broken": client.start(LaunchRequest(name="broken", memory_gib=BROKEN, **fields)),
        "shell-less": client.start(LaunchRequest(name="shell-less", budget=5, **SHELL_LESS)),
    }
    yield sessions
    for directory in sessions.values():
        client.stop(directory.name, force=True)


@pytest.fixture
def vanish(network):
    """Has a provider that can do so vanish, by its name, for good."""
    return lambda name: (network.directory.parent / f"{name}-now").touch()


@pytest.fixture
def free(network):  # noqa: ARG001 - it must be up
    """Waits until a provider, by its name, is for rent: one that a session has left tidies up for seconds first."""

    def wait_until_free(name):
        end = time.monotonic() + BUSY * 10 * slower()
        while (state := _state_of(name)) != "free":
            assert time.monotonic() < end, f"{name} is {state}"
            time.sleep(0.05)

    return wait_until_free


def _state_of(name):
    return next(one["state"] for one in localnet.status()["providers"] if one["name"] == name)


@pytest.fixture(scope="session")
def keys(network):
    """The key of each provider's identity."""
    return providers.keys(network, _NETWORK.count("[[provider]]"))


@pytest.fixture
def lose(network, keys):
    """Takes the present provider from a machine of a session: the provider terminates the agreement."""

    def lose(directory, code="Shutdown", machine=1):
        providers.terminate(network, keys, directory.state().machines[machine - 1], code)

    return lose


def explain(directory):
    log = directory.supervisor_log.read_text() if directory.supervisor_log.exists() else ""
    return f"{directory.state().model_dump_json(indent=1)}\n{log[-6000:]}"


def wait_for(directory, predicate, seconds):
    """The state of which it is true, within so many seconds of a machine with nothing else to do."""
    state = client.wait_for(directory, predicate, BUSY * seconds * slower())
    assert state is not None, explain(directory)
    return state


def passes(directory, seconds):
    """Let so much of a session's time go by."""
    until = time.monotonic() + seconds
    wait_for(directory, lambda _: time.monotonic() > until, 60)


def command(*arguments, check=True):
    """Run the command line as a user does; its exit code, JSON (or text) and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "golem_launcher.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=300 * slower(),
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stderr
    try:
        return done.returncode, json.loads(done.stdout), done.stderr
    except ValueError:
        return done.returncode, done.stdout, done.stderr


def long_ago():
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def sleeper():
    """A process that lives, for a record of one."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()
