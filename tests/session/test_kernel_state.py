"""Variables of a session's notebooks: when it is resumed, and when its provider is lost."""

import asyncio
import time

import pytest

from golem_launcher import attach
from golem_launcher.events import Stage
from golem_launcher.session import client
from golem_launcher.workspace.export.extract import extract
from golem_launcher.workspace.repository.store import open_store
from tests.patience import slower
from tests.session.conftest import explain, wait_for
from tests.session.ending import BUSY
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow

_CELLS = (
    "import json\nx = {'a': [1, 2]}\nsame = x['a']",
    "def f(n): return n + len(same)",
    "big = bytes(range(256)) * 20_000",
    "opened = open('mine.txt', 'w')\nopened.write('as it was')\nopened.flush()\nlast = 1",
)


def _talk(url, *cells):
    """What the cells printed, in the kernel of a notebook that is opened as the Lab opens it."""

    async def talk():
        async with Jupyter(url) as jupyter:
            notebook = {"type": "notebook", "format": "json"}
            content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
            await jupyter.call("PUT", "/api/contents/my.ipynb", {**notebook, "content": content})
            about = {"path": "my.ipynb", "name": "my.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
            session = await jupyter.call("POST", "/api/sessions", about)
            return [await jupyter.run(session["kernel"]["id"], cell) for cell in cells]

    return asyncio.run(talk())


def saved_with(directory, name):
    """Save until a generation has a state with that variable."""
    store = open_store()

    def has():
        manifest = store.manifest(directory.request().workspace)
        states = [each for each in manifest.entries if "/state/" in each.path and each.path.endswith(".json")]
        return any(f'"{name}"'.encode() in b"".join(map(store.get_chunk, each.chunks)) for each in states)

    end = time.monotonic() + BUSY * 60 * slower()
    attach(directory.name).save()
    while not has():
        assert time.monotonic() < end, explain(directory)
        attach(directory.name).save()


def _came_back(printed):
    said, *values = printed.splitlines()
    assert "x, same, big, last came back" in said
    assert "json, f rebuilt" in said
    assert "lost: opened (an open file)" in said
    assert values == ["4 True 5120000", "as it was"]


_LOOK = "same.append(3); print(f(1), x['a'] is same, len(big)); print(open('mine.txt').read())"


def test_variables_come_back_when_it_is_resumed_and_when_its_provider_is_lost(ready, lose, tmp_path):
    first = ready()
    _talk(first.url(), *_CELLS)
    saved_with(first, "last")
    assert client.stop(first.name).stage is Stage.ENDED
    # What comes onto this computer is without pickles.
    extract(open_store(), open_store().manifest(first.name), tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "as it was"
    assert not (tmp_path / "out" / ".jupyter" / "state").exists()

    second = ready(resume=first.name)
    (printed,) = _talk(second.url(), _LOOK)
    _came_back(printed)
    _talk(second.url(), "newer = 'after'")
    saved_with(second, "newer")
    lose(second)
    wait_for(second, lambda state: (state.stage, state.providers_lost) == (Stage.READY, 1), 90)
    (printed,) = _talk(second.url(), "print(newer, f(1), x['a'] is same)")
    assert "lost" not in printed.splitlines()[0]
    assert printed.splitlines()[1] == "after 4 True"
    assert client.stop(second.name).stage is Stage.ENDED

    third = ready(resume=first.name, kernel_state=False)
    assert _talk(third.url(), "print('x' in globals())") == ["False\n"]
