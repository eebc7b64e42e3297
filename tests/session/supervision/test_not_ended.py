"""Whoever ends a session hears first what would be lost, and it goes on until that is saved, forced or out of time."""

import asyncio
import time

import pytest

from golem_launcher.access.lab.open_documents import key
from golem_launcher.errors import SessionNotEnded
from golem_launcher.events import STOPPED, EndsSoon, Stage
from golem_launcher.session import client, timeouts
from golem_launcher.session.on_disk import liveness
from golem_launcher.session_state import Saving
from golem_launcher.workspace.repository.store import open_store
from tests.patience import slower
from tests.session.conftest import command, explain, wait_for
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow

_BIG = """
import os
os.makedirs('.cache', exist_ok=True)  # where nothing is saved
open('.cache/big', 'wb').write(os.urandom(120_000_000))
os.rename('.cache/big', 'big.bin')
open('note.txt', 'w').write('note')
"""
_MEND = """
import subprocess  # a little later, and whether the kernel is there or not: the end comes at once then
subprocess.Popen(["sh", "-c", "sleep 3; echo late > late.txt; rm big.bin"], start_new_session=True)
"""


def run(directory, code):
    async def talk():
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


def saved(directory):
    return {entry.path for entry in open_store().manifest(directory.name).entries}


def test_a_sparse_file_costs_nothing_and_ends_like_any_other(ready):
    directory = ready(save_seconds=1, disk_gib=2)
    run(directory, "open('a.txt', 'w').write('one')")
    assert client.save(directory.name)["left_out"] == []
    run(directory, "open('hole', 'wb').truncate(2_200_000_000); open('a.txt', 'w').write('two'); open('b.txt', 'w')")
    begun = time.monotonic()
    state = client.stop(directory.name)
    assert (state.stage, state.reason) == (Stage.ENDED, STOPPED), explain(directory)
    assert time.monotonic() - begun < 200 * slower()
    entries = {entry.path: entry for entry in open_store().manifest(directory.name).entries}
    assert entries["hole"].holes == ((0, 2_200_000_000),)
    assert entries["a.txt"].size == 3
    assert "b.txt" in entries


def test_what_can_not_be_saved_is_told_before_the_end_and_keeps_the_session(ready):
    directory = ready(save_seconds=1, disk_gib=0.1)
    run(directory, _BIG)
    state = wait_for(directory, lambda state: state.saving.at_stake, 60)
    assert "102.4 MiB were asked for)" in state.saving.problem
    code, out, _ = command("save", directory.name, check=False)
    assert code == 1
    assert "1 file, 1 left out" in out
    assert "big.bin: the workspace has" in out
    assert client.describe(directory)["left_out"][0]["path"] == "big.bin"
    assert any("big.bin" in event.line for event in directory.events()[0] if event.kind == "left_out")
    code, _, error = command("stop", directory.name, check=False)
    assert code == 1
    assert "Not ended: Not saved as they are: big.bin" in error
    assert "--force" in error
    state = liveness.state_of(directory)
    assert (state.stage, state.not_ended[:10]) == (Stage.READY, "Not ended:")
    assert saved(directory) == {"note.txt"}
    code, _, error = command("down", check=False)  # what the session needs goes on as well
    assert code == 1
    assert "Not ended" in error
    assert run(directory, "print(1)").strip() == "1"
    run(directory, _MEND)
    state = wait_for(directory, lambda state: state.stage.final, 60)
    assert (state.stage, state.reason) == (Stage.ENDED, STOPPED), explain(directory)
    assert saved(directory) == {"note.txt", "late.txt"}


def test_force_ends_it_all_the_same(ready):
    directory = ready(save_seconds=1, disk_gib=0.1)
    run(directory, _BIG)
    with pytest.raises(SessionNotEnded, match=r"big\.bin"):
        client.stop(directory.name)
    state = client.stop(directory.name, force=True)
    assert state.stage is Stage.ENDED
    assert "by force" in state.reason
    assert saved(directory) == {"note.txt"}


def test_a_page_that_lies_about_what_is_open_holds_no_end_up(ready):
    """It may be a stranger's script: what it says is told, and paid for no longer than it is asked."""
    directory = ready()
    lie = {"key": key(directory.token()), "unsaved": 7}

    async def page(jupyter, answers):
        async with jupyter.http.ws_connect(jupyter.origin + "/golem-launcher/documents") as said:
            await said.send_json(lie)
            async for message in said:
                if answers and "save" in message.json():
                    await said.send_json({"saved": message.json()["save"], "unsaved": 7})

    async def scene():
        async with Jupyter(directory.url()) as jupyter:
            pages = [asyncio.create_task(page(jupyter, answers)) for answers in (True, False)]
            await asyncio.to_thread(wait_for, directory, lambda state: state.unsaved == 14, 60)
            state = await asyncio.to_thread(client.stop, directory.name)  # it would say that it goes on
            await asyncio.wait_for(asyncio.gather(*pages), 60 * slower())
        return state

    state = asyncio.run(scene())
    assert state.stage is Stage.ENDED, explain(directory)
    assert "A page of the Lab did not answer when it was to save" in state.reason
    assert "14 open documents with unsaved changes could not be saved." in state.reason
    stages = dict(state.stages)
    assert (stages[Stage.STOPPING] - stages[Stage.SAVING]).total_seconds() < timeouts.LAST_SAVE


def test_the_last_minutes_name_what_would_be_lost():
    line = EndsSoon(minutes=2, why="money", at_stake=3).line
    assert line.endswith("extend it to go on. 3 files are not saved, and would be lost")
    assert Saving(workspace="w").at_stake == 0
