"""All that can die under a notebook dies at random moments while it works: its variables and files are as was said.

Its provider, the supervisor here, the agent there (its process manager, its server, the JupyterLab that it keeps), the
kernel itself. What was said to be saved is there afterwards, of one moment, and hardly old; where only a part died,
nothing is lost at all. ``python -m tests.soak`` tries a hundred moments, the suite one; ``GOLEM_LAUNCHER_STATE_KILLS``
and ``GOLEM_LAUNCHER_SEED`` choose how many and which.
"""

import asyncio
import contextlib
import os
import random
import sys
import time

import aiohttp
import pytest

from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from tests.session.conftest import HONEST_PROVIDERS, explain, wait_for
from tests.session.ending import kill_supervisor
from tests.session.jupyter import Jupyter

KILLS = int(os.environ.get("GOLEM_LAUNCHER_STATE_KILLS", "1"))
SEED = int(os.environ.get("GOLEM_LAUNCHER_SEED", "1"))
MOST_LOSSES = 3
"""There are four providers, and one that was lost is not taken again."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 90 * KILLS)]

_FIRST = "number, data, shared = 0, bytearray(3_000_000), []\ndef twice(n): return 2 * n\nboth = {'shared': shared}"
_NEXT = (
    "number += 1; data[number] = number % 256; shared.append(twice(number)); "
    "open('new', 'w').write(str(number)); __import__('os').replace('new', 'number.txt'); print(number)"
)
_LOOK = (
    "print(open('number.txt').read(), "
    "number, sum(map(bool, data)), len(shared), both['shared'] is shared, shared[-1] == twice(number))"
)
# The agent's server is a child of the process manager's, as the Lab is, whose child a kernel is.
_KILL = """
import os, signal
def seen(pid):
    try:
        name, _, rest = open(f"/proc/{pid}/stat").read().rpartition(")")
    except OSError:
        return "", 0
    return name.partition("(")[2], int(rest.split()[1])
lab = os.getppid()
manager = seen(lab)[1]
(server,) = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and seen(pid) == ("golem-server", manager)]
os.kill({"manager": manager, "server": server, "lab": lab, "kernel": os.getpid()}["VICTIM"], signal.SIGKILL)
"""
_VICTIMS = ("provider", "supervisor", "manager", "server", "lab", "kernel")


async def in_notebook(jupyter):
    """The kernel of a notebook, as the Lab opens it."""
    content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    file = {"type": "notebook", "format": "json", "content": content}
    await jupyter.call("PUT", "/api/contents/my.ipynb", file)
    about = {"path": "my.ipynb", "name": "my.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    return (await jupyter.call("POST", "/api/sessions", about))["kernel"]["id"]


def talk(directory, steps):
    """``steps`` get a function that runs a cell in the kernel of a notebook."""

    async def talking():
        async with Jupyter(directory.url()) as jupyter:
            kernel = await in_notebook(jupyter)
            return await steps(lambda cell: jupyter.run(kernel, cell))

    return asyncio.run(talking())


def victims(chance):
    """As many of each as can be, in an order by chance; the suite's one is a provider."""
    if KILLS == 1:
        return ["provider"]
    some = [*_VICTIMS] * (KILLS // len(_VICTIMS)) + chance.sample(_VICTIMS, KILLS % len(_VICTIMS))
    chance.shuffle(some)
    return some


def kill_inside(directory, victim):
    """Kill one of the machine's programs, by a cell that may never be answered."""

    async def killing(run):
        with contextlib.suppress(AssertionError, OSError, aiohttp.ClientError, TimeoutError):
            await asyncio.wait_for(run(_KILL.replace("VICTIM", victim)), 2)

    talk(directory, killing)


def work(directory, seconds, *, begin):
    """Cells, a save that is said, and more cells for so long: the number of the last that was saved, and of the last.

    And the generation.
    """

    async def working(run):
        if begin:
            await run(_FIRST)
        await run(_NEXT)
        safe = int((await run(_NEXT)).split()[-1])
        generation = (await asyncio.to_thread(client.save, directory.name))["generation"]
        end, last = time.monotonic() + seconds, safe
        while time.monotonic() < end:
            last = int((await run(_NEXT)).split()[-1])
        return safe, last, generation

    return talk(directory, working)


def after_loss(directory, losses):
    wait_for(directory, lambda state: (state.stage, state.providers_lost) == (Stage.READY, losses), 120)
    return directory


def resumed(directory, ready, generation=None):
    """The session that goes on with what another one saved."""
    workspace = directory.state().saving.workspace
    resume = workspace if generation is None else f"{workspace}@{generation}"
    return ready(save_seconds=1, allow=HONEST_PROVIDERS, resume=resume)


def kill(victim, directory, generation, *, ready, lose, node):
    """Have it die; the session that goes on."""
    losses = directory.state().providers_lost
    if victim == "provider":
        lose(directory)
        return after_loss(directory, losses + 1)
    if victim == "supervisor":
        kill_supervisor(directory)
        node.holds_nothing_of(Journal.read(directory.path).entries)
        return resumed(directory, ready)
    kill_inside(directory, victim)
    if victim == "manager":
        return after_loss(directory, losses + 1)
    if victim == "kernel":  # Jupyter starts an empty one, and the save that was said is what it was
        assert client.stop(directory.name).stage is Stage.ENDED
        return resumed(directory, ready, generation)
    assert client.save(directory.name)["generation"] >= generation
    assert directory.state().providers_lost == losses
    return directory


def judge(victim, directory, safe, last):
    """What is there is of one moment, and none that was said to be saved is missing; how far it had come."""
    *said, values = talk(directory, lambda run: run(_LOOK)).splitlines()
    file, number, *others = values.split()
    assert "lost" not in "".join(said), (said, explain(directory))
    assert others == [str(int(number) - int(number) // 256), number, "True", "True"]
    assert safe <= int(number) <= last, explain(directory)
    assert safe <= int(file) <= last, explain(directory)
    if victim in {"server", "lab"}:
        assert int(file) == last, "its disk is there"
    if victim == "server":
        assert int(number) == last, "its kernel lives"
    if victim == "kernel":
        assert int(number) == int(file) == safe, "the save that was asked for"
    return number


def test_variables_and_files_are_of_one_moment_and_hardly_old(ready, lose, node, capsys):
    chance = random.Random(SEED)
    directory, began = ready(save_seconds=1, allow=HONEST_PROVIDERS), False
    for count, victim in enumerate(victims(chance), 1):
        moment, since = chance.uniform(0.0, 4.0), time.monotonic()
        safe, last, generation = work(directory, moment, begin=not began)
        try:
            url, before = directory.url(), directory.name
            directory = kill(victim, directory, generation, ready=ready, lose=lose, node=node)
            assert (directory.url() == url) == (directory.name == before)
            number = judge(victim, directory, safe, last)
        except BaseException:
            sys.stdout.write(explain(directory))
            raise
        with capsys.disabled():
            took = time.monotonic() - since - moment
            came = f"{last} cells, {safe} saved, {number} came back; {took:.0f} s"
            sys.stdout.write(f"\nkill {count}, {victim} at {moment:.2f} s: {came}")
        began = True
        if directory.state().providers_lost == MOST_LOSSES and count < KILLS:
            end(directory, node)
            directory, began = ready(save_seconds=1, allow=HONEST_PROVIDERS), False
    end(directory, node)


def end(directory, node):
    """It ends in good order: within its money, and with nothing left that costs."""
    state = client.stop(directory.name)
    assert state.stage is Stage.ENDED, explain(directory)
    assert state.cost <= state.budget
    node.holds_nothing_of(Journal.read(directory.path).entries)
