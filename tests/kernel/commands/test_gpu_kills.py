"""A machine is lost at a random moment around a cell that needs a GPU: the notebook goes on, with what was saved.

The suite tries one moment; ``GOLEM_LAUNCHER_MOVING_KILLS`` and ``GOLEM_LAUNCHER_SEED`` choose how many and which.
"""

import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from tests.patience import slower
from tests.session.conftest import explain, passes
from tests.session.ending import BUSY
from tests.session.rest import Node

KILLS = int(os.environ.get("GOLEM_LAUNCHER_MOVING_KILLS", "1"))
SEED = int(os.environ.get("GOLEM_LAUNCHER_SEED", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 120 * KILLS)]

_THERE_AND_BACK_SECONDS = 10.0
_CELL = "%%gpu back_after=1s\nx += 1"


def _looked(notebook):
    """What is there, once it goes on: a loss may not have been noticed yet."""
    until = time.monotonic() + BUSY * 60 * slower()
    while (done := notebook.run("print(x, open('kept.txt').read())", check=False)).failed:
        assert time.monotonic() < until, (done.errors, explain(notebook.directory))
    return done.text.splitlines()[-1]


def test_what_was_saved_is_there_whenever_a_machine_is_lost(open_notebook, lose, capsys):
    chance = random.Random(SEED)
    for count in range(1, KILLS + 1):
        moment = chance.uniform(0.0, _THERE_AND_BACK_SECONDS)
        notebook = open_notebook()
        directory = notebook.connect("local 1 mem>0.3 save_seconds=1")
        notebook.run("x = 1\nopen('kept.txt', 'w').write('kept')")
        client.save(directory.name)

        def kill(directory=directory, moment=moment):
            passes(directory, moment)
            head, move = directory.state().head, directory.state().move
            lose(directory)
            return f"{head.provider_name}" + ("" if move is None else f", {move.number} {move.stage}")

        with ThreadPoolExecutor(1) as thread:
            killing = thread.submit(kill)
            done = notebook.run(_CELL, check=False)
            died = killing.result(BUSY * 60 * slower())
        looked = _looked(notebook)
        with capsys.disabled():
            at = directory.state().head.provider_name
            sys.stdout.write(f"\nkill {count}, at {moment:.2f} s, {died}: {done.errors or 'ran'}, {looked}, at {at}")
        assert looked in {"1 kept", "2 kept"}
        state = client.stop(directory.name)
        assert state.stage is Stage.ENDED, explain(directory)
        assert state.cost <= state.budget
        Node(localnet.up().node).holds_nothing_of(Journal.read(directory.path).entries)
        notebook.close()
