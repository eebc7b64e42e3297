"""What a hostile or merely thoughtless provider and its user's programs do to a session, one after the other, for long.

``make soak`` tries it for an hour: ``GOLEM_LAUNCHER_MIX_SECONDS`` says how long, ``GOLEM_LAUNCHER_SEED`` in which
order. The suite tries the first; what the others are about has tests of its own there. After each the session is
there, small, saved, and listens nowhere else.
"""

import asyncio
import os
import random
import sys
import time

import aiohttp
import psutil
import pytest

from golem_launcher import attach
from golem_launcher.events import NotSaved, Stage
from golem_launcher.localnet import daemons
from golem_launcher.node import yagna_process
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.workspace.repository.store import open_store
from tests.access.listeners import listening, told_to_strangers
from tests.patience import slower
from tests.session.conftest import explain, wait_for
from tests.session.jupyter import Jupyter

SECONDS = int(os.environ.get("GOLEM_LAUNCHER_MIX_SECONDS", "0"))
SEED = int(os.environ.get("GOLEM_LAUNCHER_SEED", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 2 * SECONDS)]

MEGABYTE = 1 << 20
LARGEST_SUPERVISOR = 300 * MEGABYTE
# The agent's server is a child of the process manager's, as the Lab is, whose child a kernel is.
_SIGNAL = """
import os, signal
def parent(pid):
    return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
manager = parent(os.getppid())
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if open(f"/proc/{pid}/comm").read().strip() == "golem-server" and parent(pid) == manager:
            os.kill(int(pid), signal.SIGNAL)
            print("done")
    except OSError:
        pass
"""


def run(directory, code):
    async def talk():
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


def silence(directory, _):
    """Its agent's server takes connections and says nothing: that is told, and over when it is over."""
    before = len([event for event in directory.events()[0] if isinstance(event, NotSaved)])
    assert "done" in run(directory, _SIGNAL.replace("signal.SIGNAL", "signal.SIGSTOP"))
    told = wait_for(directory, lambda state: state.stalled, 120)
    assert "Nothing was saved" in told.stalled
    assert len([event for event in directory.events()[0] if isinstance(event, NotSaved)]) == before + 1
    assert "done" in run(directory, _SIGNAL.replace("signal.SIGNAL", "signal.SIGCONT"))
    wait_for(directory, lambda state: not state.stalled, 120)


def crowd(directory, _):
    """Hundreds ask at once."""

    async def scene():
        connector, headers = aiohttp.TCPConnector(limit=0), {"Authorization": f"token {directory.token()}"}
        async with aiohttp.ClientSession(directory.state().address, connector=connector, headers=headers) as browser:

            async def ask():
                async with browser.get("/api/status", headers={"Connection": "close"}) as answer:
                    await answer.read()
                    return answer.status

            return await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(300))), 300 * slower())

    assert asyncio.run(scene()).count(200) > 250


def sparse(directory, number):
    """A file of many gigabytes that takes no disk: what is beside it is saved at once."""
    code = f"open('hole', 'wb').truncate(9_000_000_000); open('beside.txt', 'w').write('{number}')"
    run(directory, code)
    generation = attach(directory.name).save()
    entries = {
        entry.path: entry for entry in open_store().manifest(directory.state().saving.workspace, generation).entries
    }
    assert entries["hole"].size == 9_000_000_000
    assert "beside.txt" in entries
    run(directory, "import os; os.remove('hole')")


def odd_names(directory, number):
    """Markup, escapes and no text at all as names of files."""
    code = f"""
import os
for name in (b"<img src=x onerror=alert(1)>", b"\\x1b]0;owned\\x07", b"not \\xff text", b"back\\\\slash", b"{number}"):
    open(name, "w").write("{number}")
os.utime(b"{number}", (9e9, 9e9))
"""
    run(directory, code)
    assert attach(directory.name).save()
    shown = directory.state().model_dump_json() + directory.supervisor_log.read_text()
    assert "\x1b" not in shown


def flood(directory, _):
    """A hundred thousand lines of output, and as many in the Lab's log as can be had."""
    run(
        directory, "import os\nfor _ in range(100): print('x' * 100_000)\nos.system('yes flood | head -c 20000000 >&2')"
    )


ATTACKS = [silence, crowd, sparse, odd_names, flood]


def test_a_session_outlives_whatever_is_done_to_it(ready, network):
    directory = ready(save_seconds=1, disk_gib=0.5)
    supervisor = liveness.supervisor(directory).pid
    node = yagna_process.find_running(daemons.data_dir(network.directory, daemons.REQUESTOR)).record.pid
    order, end, number = random.Random(SEED), time.monotonic() + SECONDS, 0
    sys.stdout.write(f"GOLEM_LAUNCHER_SEED={SEED}\n")
    while number == 0 or time.monotonic() < end:
        for attack in order.sample(ATTACKS, len(ATTACKS)) if SECONDS else ATTACKS[:1]:
            number += 1
            run(directory, f"open('round.txt', 'w').write('{number}')")
            sys.stdout.write(f"{time.strftime('%X')} {attack.__name__}\n")
            attack(directory, number)
            state = wait_for(directory, lambda state: state.stage is Stage.READY and not state.trouble, 60)
            assert state.providers_lost == 0, explain(directory)
            assert psutil.Process(supervisor).memory_info().rss < LARGEST_SUPERVISOR, attack
            found = listening(network)
            assert len([each for each in found if each[0] == "supervisor"]) == 1, found
            if os.geteuid() == 0:
                told = told_to_strangers(found)
                assert not any(" 200 " in answer for answer in told.values()), told
        sys.stdout.write(f"{number} attacks, node {psutil.Process(node).memory_info().rss // MEGABYTE} MiB\n")
    assert attach(directory.name).save()
    workspace = directory.state().saving.workspace
    assert open_store().verify(workspace).damaged == ()
    state = client.stop(directory.name)
    assert state.stage is Stage.ENDED
    assert state.cost <= state.budget
