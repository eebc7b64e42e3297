"""Machines are lost at random moments of a session with a standby, either or both: what was saved is there each time.

``python -m tests.soak`` tries fifty, the suite one; ``GOLEM_LAUNCHER_STANDBY_KILLS`` and ``GOLEM_LAUNCHER_SEED`` choose
how many and which.
"""

import asyncio
import os
import random
import sys
import time

import pytest

from golem_launcher.events import Stage
from golem_launcher.session import client
from tests.session import providers
from tests.session.conftest import explain, wait_for
from tests.session.machines.newcomers.test_standby import has_all
from tests.session.test_state_kills import end, talk

KILLS = int(os.environ.get("GOLEM_LAUNCHER_STANDBY_KILLS", "1"))
SEED = int(os.environ.get("GOLEM_LAUNCHER_SEED", "1"))
MOST_LOSSES = 2
"""There are four providers, of which two are in use, and one that was lost is let alone for a while."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 120 * KILLS)]

_NEXT = (
    "number = globals().get('number', 0) + 1; "
    "open('new', 'w').write(str(number)); __import__('os').replace('new', 'number'); print(number)"
)
_LOOK = "print(open('number').read(), number)"


def _number(printed):
    """What a cell printed, beside what is said of variables."""
    (number,) = [line for line in printed.splitlines() if line.isdigit()]
    return int(number)


def test_nothing_that_was_saved_is_lost(ready, network, keys, node, capsys):
    chance = random.Random(SEED)
    directory, losses = ready(standby=1, save_seconds=1), 0
    ended = set()
    """The agreements that were."""
    for kill in range(KILLS):
        who = chance.choice(["head", "head", "standby", "both"]) if kill else "head"
        moment = chance.uniform(0.0, 4.0)
        # Until its end is heard of, one that was ended still stands by.
        before = wait_for(directory, lambda state: has_all(state) and state.standby.agreement_id not in ended, 90)
        url = directory.url()

        async def work(run, *, directory=directory, moment=moment):
            safe = _number(await run(_NEXT))
            await asyncio.to_thread(client.save, directory.name)
            until = time.monotonic() + moment
            last = safe
            while time.monotonic() < until:
                last = _number(await run(_NEXT))
            return safe, last

        safe, last = talk(directory, work)
        had = has_all(directory.state())
        began = time.monotonic()
        if who != "head":
            ended.add(before.standby.agreement_id)
            providers.terminate(network, keys, before.standby)
        if who != "standby":
            providers.terminate(network, keys, before.head)
            losses += 1
        count = losses
        wait_for(
            directory,
            lambda state, count=count: (state.stage, state.providers_lost) == (Stage.READY, count),
            120,
        )
        took = time.monotonic() - began
        assert directory.url() == url
        *_, values = talk(directory, lambda run: run(_LOOK)).splitlines()
        back, variable = map(int, values.split())
        with capsys.disabled():
            sys.stdout.write(
                f"\nkill {kill + 1}, {who} at {moment:.2f} s: ready {took:.1f} s later; "
                f"{last} cells, {safe} saved, {back} came back, the standby had {'all' if had else 'less'}"
            )
        assert safe <= back <= last, explain(directory)
        assert safe <= variable <= last, explain(directory)
        if kill + 1 < KILLS and (losses or who != "head") and (kill + 1) % MOST_LOSSES == 0:
            end(directory, node)
            directory, losses = ready(standby=1, save_seconds=1), 0
    end(directory, node)
