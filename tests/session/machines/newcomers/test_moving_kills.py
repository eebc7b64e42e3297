"""Something dies at a random moment of a move, of a GPU that is borrowed, of an end that suspends, of a way back.

What was said to be saved is there each time, one machine answers at the address, and nothing is left that costs. The
suite tries one of each; ``GOLEM_LAUNCHER_MOVING_KILLS`` and ``GOLEM_LAUNCHER_SEED`` choose how many and which.
"""

import contextlib
import os
import random
import sys
import time
import urllib.error

import aiohttp
import pytest

from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from golem_launcher.session.client import waking
from golem_launcher.session.on_disk.liveness import alive
from tests.patience import slower
from tests.session import providers
from tests.session.conftest import HONEST, HONEST_PROVIDERS, explain, passes, wait_for
from tests.session.ending import BUSY, kill_supervisor, wait_for_end
from tests.session.test_state_kills import end, kill_inside, resumed, talk

KILLS = int(os.environ.get("GOLEM_LAUNCHER_MOVING_KILLS", "1"))
SEED = int(os.environ.get("GOLEM_LAUNCHER_SEED", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 120 * KILLS)]

_NEXT = (
    "number = globals().get('number', 0) + 1; "
    "open('new', 'w').write(str(number)); __import__('os').replace('new', 'number'); print(number)"
)
_LOOK = "print(open('number').read(), number)"
_SUSPEND_SECONDS, _WAKE_SECONDS = 2.0, 4.0
"""In which each is done, about."""
_PARTS = {"as it begins": 4.0, "as it goes over": 1.0, "on its way back": 4.0}
"""Of a way to another machine, and in what time something dies in it; the last one of a GPU that is borrowed."""


def _work(directory):
    """Two cells and a save: the number that it says is saved."""

    async def working(run):
        await run(_NEXT)
        return int((await run(_NEXT)).split()[-1])

    safe = talk(directory, working)
    client.save(directory.name)
    return safe


def _judge(directory, safe):
    """What is there is what was saved, once its Lab answers: a loss may not have been noticed yet."""
    until = time.monotonic() + BUSY * 60 * slower()
    while True:
        state = wait_for(
            directory, lambda state: state.stage is Stage.READY and (state.move is None or state.move.over), 120
        )
        try:
            values = talk(directory, lambda run: run(_LOOK)).splitlines()[-1]
        except (AssertionError, OSError, TimeoutError, aiohttp.ClientError):
            if time.monotonic() > until:
                sys.stdout.write(explain(directory))
                raise
        else:
            assert values.split() == [str(safe)] * 2, explain(directory)
            return state


@pytest.fixture
def provider_ends(network, keys):
    """Has the provider of an agreement end it; whether it could: one that is over has no end any more."""

    def ends(agreement):
        try:
            providers.terminate(network, keys, agreement)
        except urllib.error.HTTPError:
            return False
        return True

    return ends


def _newcomer(directory, head):
    """The agreement of the machine to go on at, where there is one."""
    others = [
        one
        for one in Journal.read(directory.path).entries.agreements
        if one.agreement_id != head.agreement_id and one.ended_at is None
    ]
    return others[-1] if others else None


def _comes_to(directory, part):
    """Wait until so much of the way lies behind it."""
    if part == "as it goes over":
        wait_for(directory, lambda state: state.move.over or state.move.stage == "switching", 60)
    elif part == "on its way back":
        wait_for(directory, lambda state: state.move.number > 1 or state.move.stage == "failed", 60)


@pytest.mark.parametrize("way", ["move", "gpu"])
def test_on_the_way_to_another_machine(ready, provider_ends, node, capsys, way):
    chance = random.Random(f"{SEED} {way}")
    allow = (*HONEST_PROVIDERS, "with-gpu") if way == "gpu" else HONEST_PROVIDERS
    for count in range(1, KILLS + 1):
        victim = chance.choice(["old", "new", "supervisor", "server", "lab"])
        part = chance.choice(list(_PARTS)[: 3 if way == "gpu" else 2])
        moment = chance.uniform(0.0, _PARTS[part])
        directory = ready(save_seconds=1, allow=allow)
        url, safe = directory.url(), _work(directory)
        if way == "gpu":
            client.borrow(directory.name, {"gpus": 1}, 1)
        else:
            client.move(directory.name, {"memory_gib": HONEST + 0.02})
        _comes_to(directory, part)
        head = directory.state().head
        passes(directory, moment)
        move = directory.state().move
        if victim == "old":
            died = provider_ends(head)
        elif victim == "new":
            newcomer = _newcomer(directory, head)
            died = newcomer is not None and provider_ends(newcomer)
        elif victim == "supervisor":
            kill_supervisor(directory)
            node.holds_nothing_of(Journal.read(directory.path).entries)
            directory, died = resumed(directory, ready), True
        else:
            kill_inside(directory, victim)
            died = True
        state = _judge(directory, safe)
        with capsys.disabled():
            at = f"{part}, {moment:.2f} s: {move.number} {move.stage}" + ("" if died else ", none was there")
            came = "" if state.move is None else f"{state.move.stage} {state.move.reason}"
            sys.stdout.write(f"\nkill {count}, {victim} at {way} {at}; {came}, at {state.head.provider_name}")
        assert victim == "supervisor" or directory.url() == url
        end(directory, node)


def test_on_the_way_to_sleep_and_back(ready, node, capsys):
    chance = random.Random(f"{SEED} sleep")
    for count in range(1, KILLS + 1):
        victim = chance.choice(["as it is suspended", "as it wakes up"])
        moment = chance.uniform(0.0, _SUSPEND_SECONDS if victim == "as it is suspended" else _WAKE_SECONDS)
        directory = ready(save_seconds=1, hours=1, idle="10s", when_idle="suspend", allow=HONEST_PROVIDERS)
        name, url, safe = directory.name, directory.url(), _work(directory)
        if victim == "as it is suspended":
            wait_for(directory, lambda state: state.stage in {Stage.SAVING, Stage.STOPPING} or state.stage.final, 120)
            passes(directory, moment)
            _kill_if_alive(directory)
        else:
            assert wait_for(directory, lambda state: state.stage.final, 120).stage is Stage.SUSPENDED
            assert wait_for_end(directory, 30)
            directory = waking.wake(name, {})
            passes(directory, moment)
            _kill_if_alive(directory)
        came = wait_for(directory, lambda state: state.stage.final, 60).stage
        node.holds_nothing_of(Journal.read(directory.path).entries)
        if came is Stage.SUSPENDED:
            directory = waking.wake(name, {})
            wait_for(directory, lambda state: state.stage is Stage.READY, 120)
            assert directory.url() == url
        else:
            directory = resumed(directory, ready)
        _judge(directory, safe)
        with capsys.disabled():
            sys.stdout.write(f"\nkill {count}, supervisor at {moment:.2f} s, {victim}: {came}")
        end(directory, node)


def _kill_if_alive(directory):
    with contextlib.suppress(ProcessLookupError):
        if alive(directory):
            kill_supervisor(directory)
