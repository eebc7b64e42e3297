"""Provider, supervisor and node die at random moments of a busy session: what is saved is whole, and hardly old.

``GOLEM_LAUNCHER_KILLS=20`` tries that many moments, the node's among them; the suite tries two.
"""

import asyncio
import hashlib
import json
import os
import random
import signal
import time

import pytest

from golem_launcher.events import Stage
from golem_launcher.localnet import daemons
from golem_launcher.localnet import network as localnet
from golem_launcher.node import yagna
from golem_launcher.session import client
from golem_launcher.session.api import Session
from golem_launcher.workspace.extract import extract
from golem_launcher.workspace.store import open_store
from tests.session.conftest import wait_for
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("GOLEM_LAUNCHER_KILLS", "2"))
VICTIMS = ["provider", "supervisor"] if KILLS <= 2 else ["provider", "supervisor", "node"]
OLD_SECONDS = 10.0
"""One interval (1 s), the save itself, and what a loaded machine adds."""

_BUSY = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", '''
import hashlib, json, os, time
number = 0
while True:
    number += 1
    cells = os.urandom(100_000).hex()
    digest = hashlib.sha256(cells.encode()).hexdigest()
    with open("new.ipynb", "w") as file:
        json.dump({"number": number, "at": time.time(), "digest": digest, "cells": cells}, file)
    os.replace("new.ipynb", "work.ipynb")
    with open("data.bin", "ab") as file:
        file.write(os.urandom(10_000))
    time.sleep(0.1)
'''], start_new_session=True)
"""


def run(directory, code):
    async def talk():
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


def whole(path):
    """When a notebook was written that is as it was written."""
    found = json.loads(path.read_text())
    assert hashlib.sha256(found["cells"].encode()).hexdigest() == found["digest"]
    return found["at"]


@pytest.mark.parametrize("number", range(KILLS))
def test_what_is_saved_is_whole_and_hardly_old(ready, lose, network, tmp_path, number):
    moment = random.Random(number).uniform(0.0, 3.0)
    victim = VICTIMS[number % len(VICTIMS)]
    directory = ready(save_seconds=1)
    run(directory, _BUSY)
    first = Session(directory).save()
    busy_until = time.monotonic() + moment
    wait_for(directory, lambda state: state.saving.generation > first and time.monotonic() > busy_until, 60)
    killed_at = time.time()
    if victim == "provider":
        lose(directory)
        wait_for(directory, lambda state: state.stage is Stage.READY and state.providers_lost == 1, 90)
        before = directory.state().saving.generation
        wrote = float(run(directory, "import json; print(json.load(open('work.ipynb'))['at'])"))
        assert wrote > killed_at - OLD_SECONDS
        assert before is not None
        client.stop(directory.name)
    elif victim == "supervisor":
        os.kill(client._supervisor(directory).pid, signal.SIGKILL)
        assert client.wait_for_end(directory, 10)
        client.tidy()
    else:
        os.kill(yagna.find_running(daemons.data_dir(network.directory, daemons.REQUESTOR)).record.pid, signal.SIGKILL)
        localnet.up()
        wait_for(directory, lambda state: state.stage.final, 90)
    store = open_store()
    assert store.verify(directory.name).damaged == ()
    for generation in store.generations(directory.name):
        target = tmp_path / str(generation.number)
        extract(store, store.manifest(directory.name, generation.number), target)
        newest = whole(target / "work.ipynb")
    assert newest > killed_at - OLD_SECONDS
