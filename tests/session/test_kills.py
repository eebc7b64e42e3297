"""Provider, supervisor and node die at random moments of a busy session: what is saved is whole, and hardly old.

``make soak`` tries twenty moments; ``GOLEM_LAUNCHER_KILLS`` and ``GOLEM_LAUNCHER_SEED`` choose how many and which. The
suite tries two.
"""

import asyncio
import hashlib
import json
import os
import random
import re
import signal
import sys
import time

import pytest

from golem_launcher import attach
from golem_launcher.events import Stage
from golem_launcher.localnet import daemons
from golem_launcher.localnet import network as localnet
from golem_launcher.node import yagna_process
from golem_launcher.session import client
from golem_launcher.workspace.export.extract import extract
from golem_launcher.workspace.repository.store import open_store
from tests.patience import slower
from tests.session.conftest import HONEST_PROVIDERS, explain, wait_for
from tests.session.ending import kill_supervisor
from tests.session.jupyter import Jupyter

KILLS = int(os.environ.get("GOLEM_LAUNCHER_KILLS", "2"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 60 * KILLS)]

SEED = int(os.environ.get("GOLEM_LAUNCHER_SEED", "1"))
SAVE_SECONDS = 1
LATE_SECONDS = 8.0
"""Beyond the interval: the save itself, and what a loaded machine adds."""
MOST_LOSSES = 3
"""There are four providers, and one that was lost is not taken again."""
RECORD = 10_000
FILES = ("work.ipynb", "data.bin", "new.ipynb")

_BUSY = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", '''
import hashlib, json, os, time
try:
    number = json.load(open("work.ipynb"))["number"]
except FileNotFoundError:
    number = 0
with open("data.bin", "ab") as data:
    data.truncate(number * {RECORD})
    while True:
        data.write(hashlib.shake_128(b"%d" % number).digest({RECORD}))
        data.flush()
        number += 1
        cells = os.urandom(100_000).hex()
        digest = hashlib.sha256(cells.encode()).hexdigest()
        with open("new.ipynb", "w") as file:
            json.dump({{"number": number, "at": time.time(), "digest": digest, "cells": cells}}, file)
        os.replace("new.ipynb", "work.ipynb")
        time.sleep(0.1)
'''], start_new_session=True)
"""
_HASHES = f"""
import hashlib, json, os
there = [name for name in {FILES} if os.path.exists(name)]
print(json.dumps({{name: hashlib.sha256(open(name, "rb").read()).hexdigest() for name in there}}))
"""


def run(directory, code):
    async def talk():
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


def be_busy(directory, seconds, *, begin):
    """Write for so long, with saves between; the state then."""
    if begin:
        run(directory, _BUSY)
    wait_for(directory, lambda state: state.saving is not None and state.saving.generation is not None, 60)
    first, end = attach(directory.name).save(), time.monotonic() + seconds
    return wait_for(directory, lambda state: state.saving.generation > first and time.monotonic() > end, 60)


def workspace(directory):
    """The name of what is saved: that of the first session, when others went on with it."""
    return directory.state().saving.workspace


def saved(name, target, generation=None):
    """What the newest generation has in it, all of it as it was written: hashes, and the time."""
    store = open_store()
    assert store.verify(name).damaged == ()
    extract(store, store.manifest(name, generation), target)
    notebook = json.loads((target / "work.ipynb").read_text())
    assert hashlib.sha256(notebook["cells"].encode()).hexdigest() == notebook["digest"]
    data = (target / "data.bin").read_bytes()
    records = (hashlib.shake_128(b"%d" % index).digest(RECORD) for index in range(len(data) // RECORD + 1))
    assert b"".join(records).startswith(data)
    assert abs(len(data) / RECORD - notebook["number"]) < 20  # files of one moment, or nearly
    hashes = {
        name: hashlib.sha256((target / name).read_bytes()).hexdigest() for name in FILES if (target / name).exists()
    }
    return hashes, notebook["at"]


def kill_provider(directory, lose, target):
    losses = directory.state().providers_lost
    killed_at = time.time()
    lose(directory)
    state = wait_for(directory, lambda state: state.stage is Stage.READY and state.providers_lost == losses + 1, 120)
    found = json.loads(run(directory, _HASHES))
    generation = int(re.search(r"\(save (\d+)\)", state.notices[-1])[1])
    hashes, at = saved(workspace(directory), target, generation)
    assert found == hashes
    return killed_at - at


def kill_node(directory, network, target):
    pid = yagna_process.find_running(daemons.data_dir(network.directory, daemons.REQUESTOR)).record.pid
    before = directory.state()
    killed_at = time.time()
    os.kill(pid, signal.SIGKILL)
    _, at = saved(workspace(directory), target)
    localnet.up()
    # It may be recovering for a moment that is too short to be seen.
    wait_for(directory, lambda state: state.stage is Stage.READY and len(state.stages) > len(before.stages), 120)
    return killed_at - at


def lose_supervisor(directory, ready, target):
    """The session is over then; another one begins with what was saved."""
    killed_at = time.time()
    kill_supervisor(directory)
    hashes, at = saved(workspace(directory), target)
    resumed = ready(save_seconds=SAVE_SECONDS, allow=HONEST_PROVIDERS, resume=workspace(directory))
    assert json.loads(run(resumed, _HASHES)) == hashes
    return killed_at - at, resumed


def victims(chance):
    if KILLS == 2:
        return ["provider", "supervisor"]
    some = ["provider", "node", "supervisor"] * (KILLS // 3 + 1)
    chance.shuffle(some)
    return some[:KILLS]


def kill(victim, directory, target, *, ready, lose, network):
    """The age of what was saved, in seconds, and the session that goes on."""
    if victim == "provider":
        return kill_provider(directory, lose, target), directory
    if victim == "node":
        return kill_node(directory, network, target), directory
    return lose_supervisor(directory, ready, target)


def test_what_is_saved_is_whole_and_hardly_old(ready, lose, network, tmp_path, capsys):
    chance = random.Random(SEED)
    directory = ready(save_seconds=SAVE_SECONDS, allow=HONEST_PROVIDERS)
    victim = None
    for number, following in enumerate(victims(chance)):
        moment = chance.uniform(0.0, 3.0)
        writes = victim == "node"  # nothing of the session was lost
        interval = be_busy(directory, moment, begin=not writes).saving.interval
        victim = following
        began = time.monotonic()
        try:
            age, after = kill(victim, directory, tmp_path / str(number), ready=ready, lose=lose, network=network)
        except BaseException:
            sys.stdout.write(explain(directory))
            raise
        with capsys.disabled():
            took = time.monotonic() - began
            sys.stdout.write(f"\nkill {number + 1}: {victim} at {moment:.2f} s, {age:.1f} s lost, back in {took:.1f} s")
        assert age < interval + LATE_SECONDS * slower()
        directory = after
        if directory.state().providers_lost == MOST_LOSSES and number + 1 < KILLS:
            client.stop(directory.name)
            directory, victim = ready(save_seconds=SAVE_SECONDS, allow=HONEST_PROVIDERS), None
    assert client.stop(directory.name).stage is Stage.ENDED
