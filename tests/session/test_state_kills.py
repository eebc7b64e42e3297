"""Providers die at random moments while a notebook works: its variables are those of one moment, and hardly old.

``make soak`` tries a hundred moments, the suite one; ``GOLEM_LAUNCHER_STATE_KILLS`` and ``GOLEM_LAUNCHER_SEED`` choose
how many and which.
"""

import asyncio
import os
import random
import sys
import time

import pytest

from golem_launcher import attach
from golem_launcher.events import Stage
from golem_launcher.session import client
from tests.session.conftest import explain, wait_for
from tests.session.jupyter import Jupyter

KILLS = int(os.environ.get("GOLEM_LAUNCHER_STATE_KILLS", "1"))
SEED = int(os.environ.get("GOLEM_LAUNCHER_SEED", "1"))
MOST_LOSSES = 3
"""There are four providers, and one that was lost is not taken again."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 90 * KILLS)]

_FIRST = "number, data, shared = 0, bytearray(3_000_000), []\ndef twice(n): return 2 * n\nboth = {'shared': shared}"
_NEXT = "number += 1; data[number] = number % 256; shared.append(twice(number)); print(number)"
_LOOK = "print(number, sum(map(bool, data)), len(shared), both['shared'] is shared, shared[-1] == twice(number))"


def talk(directory, steps):
    """``steps`` get a function that runs a cell in the kernel of a notebook, as the Lab opens it."""

    async def talking():
        async with Jupyter(directory.url()) as jupyter:
            content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
            file = {"type": "notebook", "format": "json", "content": content}
            await jupyter.call("PUT", "/api/contents/my.ipynb", file)
            about = {"path": "my.ipynb", "name": "my.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
            session = await jupyter.call("POST", "/api/sessions", about)
            return await steps(lambda cell: jupyter.run(session["kernel"]["id"], cell))

    return asyncio.run(talking())


def test_variables_are_of_one_moment_and_hardly_old(ready, lose, capsys):
    chance = random.Random(SEED)
    directory, began = ready(save_seconds=1), False
    for kill in range(KILLS):
        moment = chance.uniform(0.0, 4.0)

        async def work(run, *, directory=directory, began=began, moment=moment):
            if not began:
                await run(_FIRST)
            await run(_NEXT)
            safe = int((await run(_NEXT)).split()[-1])
            await asyncio.to_thread(attach(directory.name).save)
            end = time.monotonic() + moment
            last = safe
            while time.monotonic() < end:
                last = int((await run(_NEXT)).split()[-1])
            return safe, last

        safe, last = talk(directory, work)
        losses = directory.state().providers_lost
        lose(directory)
        after = losses + 1
        wait_for(directory, lambda state, after=after: (state.stage, state.providers_lost) == (Stage.READY, after), 120)
        *said, values = talk(directory, lambda run: run(_LOOK)).splitlines()
        number, *others = values.split()
        with capsys.disabled():
            sys.stdout.write(f"\nkill {kill + 1} at {moment:.2f} s: {last} cells, {safe} saved, {number} came back")
        assert "lost" not in "".join(said), (said, explain(directory))
        assert others == [str(int(number) - int(number) // 256), number, "True", "True"]
        assert safe <= int(number) <= last, explain(directory)
        began = True
        if directory.state().providers_lost == MOST_LOSSES and kill + 1 < KILLS:
            client.stop(directory.name)
            directory, began = ready(save_seconds=1), False
    assert client.stop(directory.name).stage is Stage.ENDED
