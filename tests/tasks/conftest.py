"""One local network for all tests of jobs: three honest providers, and some that are not."""

import contextlib
import json
import subprocess
import sys
import uuid

import pytest

from golem_launcher.errors import SessionNotFound
from golem_launcher.market import history
from golem_launcher.session import client
from tests.networks import fork_supervisors, own_network
from tests.patience import slower
from tests.session import providers

HONEST = 0.5
"""Memory (GiB) to ask for."""
ODD = ("hangs", "lies")
"""Providers at which a task's program finds this in ``$ODD``, and does as it says. The cheapest: taken first."""
BY_TIME = ("by-time-1", "by-time-2")
"""Honest as well, and dear: what they cost is known beforehand, as they take nothing for what is computed."""

_HONEST = """
[[provider]]
name = "honest-{number}"
memory_gib = 0.55
price_hour = 0.02
price_cpu_hour = 0.02
"""

_ODD = """
[[provider]]
name = "{name}"
memory_gib = 0.55
price_hour = 0.01
price_cpu_hour = 0.01
[provider.commands]
"/bin/sh" = "ODD={name} exec /bin/sh \\"$@\\""
"""

_BY_TIME = """
[[provider]]
name = "{name}"
memory_gib = 0.55
price_hour = 0.6
price_cpu_hour = 0
"""

_NETWORK = f"""
runtime = "auto"
debit_note_interval = 3
terminate_seconds = 0
{"".join(_HONEST.format(number=number) for number in range(1, 5))}
{"".join(_ODD.format(name=name) for name in ODD)}
{"".join(_BY_TIME.format(name=name) for name in BY_TIME)}
"""


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    with own_network(tmp_path_factory.mktemp("tasks"), _NETWORK) as network:
        fork_supervisors()
        yield network


@pytest.fixture(scope="session")
def keys(network):
    """The key of each provider's identity."""
    return providers.keys(network, _NETWORK.count("[[provider]]"))


@pytest.fixture
def lose(network, keys):
    """Takes the present provider from a machine of a session: the provider terminates the agreement."""

    def lose(name, machine):
        providers.terminate(network, keys, client.find(name).state().machines[machine - 1])

    return lose


@pytest.fixture
def job(network, tmp_path):  # noqa: ARG001 - it must be up
    """Runs ``golem-launcher run`` (or another command) as a user does, and ends what is left of its session."""
    names = []

    def begin(*arguments, command="run", name=None, resume=None, odd=()):
        history.forget()
        name = resume or name or f"j-{uuid.uuid4().hex[:8]}"
        names.append(name)
        which = ["--resume", name] if resume else ["--name", name, "--mem", str(HONEST), "--disk", "0.5"]
        which += [part for one in ODD if one not in odd and not resume for part in ("--deny", one)]
        return subprocess.Popen(
            [sys.executable, "-m", "golem_launcher.cli", command, *which, "--json", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip

    yield begin
    for name in names:
        with contextlib.suppress(SessionNotFound):  # it was refused before
            client.stop(name, force=True)


def outcome(process, code=0, seconds=150):
    """What a job's command printed at its end, which a machine with nothing else to do reaches in so many seconds."""
    out, error = process.communicate(timeout=seconds * slower())
    assert process.returncode == code, error
    return json.loads(out) | {"said": error}
