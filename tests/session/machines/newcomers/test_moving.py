"""A session that moves to another machine: with everything, at the same address; or not at all, and nothing is lost."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from golem_launcher import attach
from golem_launcher.errors import LauncherError
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client, timeouts
from golem_launcher.session.on_disk import liveness
from tests.session import providers
from tests.session.conftest import BROKEN, LARGE, command, explain, wait_for
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow


def notebook(url, *cells):
    """What the cells printed, in the kernel of a notebook that is opened as the Lab opens it."""

    async def talk():
        async with Jupyter(url) as jupyter:
            content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
            file = {"type": "notebook", "format": "json", "content": content}
            await jupyter.call("PUT", "/api/contents/my.ipynb", file)
            about = {"path": "my.ipynb", "name": "my.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
            session = await jupyter.call("POST", "/api/sessions", about)
            return [await jupyter.run(session["kernel"]["id"], cell) for cell in cells]

    return asyncio.run(talk())


def test_it_goes_on_at_another_machine_with_everything(ready, lose, node):
    directory = ready()
    before, url = directory.state(), directory.url()
    notebook(
        url,
        "import os; open('stays.txt', 'w').write('old'); open('goes.txt', 'w').write('x'); os.mkdir('folder')",
        "open('folder/inside.txt', 'w').write('x')",
    )
    attach(directory.name).save()  # what the other machine is brought first
    # The last cell ends when the move begins: its variables and files are none that a save has.
    notebook(
        url,
        "import shutil; open('stays.txt', 'w').write('newer'); os.unlink('goes.txt'); shutil.rmtree('folder')",
        "x = list(range(1000)); same = x",
    )
    _, told, said = command("move", directory.name, "--mem", str(LARGE), "--yes", "--json")
    state = directory.state()
    assert told["move"]["stage"] == "done", explain(directory)
    assert told["provider"] == state.head.provider_name == "large"
    assert f"{directory.name}: large is made ready" in said
    assert directory.url() == url
    assert state.providers_lost == 0

    (printed,) = notebook(
        url, "import glob; print(open('stays.txt').read(), sorted(glob.glob('*')), len(x), same is x)"
    )
    assert "x, same came back" in printed
    assert printed.splitlines()[1:] == ["newer ['my.ipynb', 'stays.txt'] 1000 True"]
    assert directory.request().memory_gib == LARGE

    wait_for(directory, lambda _: Journal.read(directory.path).entries.agreements[0].ended_at is not None, 60)
    assert before.head.provider_id not in node.members(Journal.read(directory.path).entries.network_id)
    notebook(url, "later = 1")
    attach(directory.name).save()
    lose(directory)  # whoever takes over has the new size
    state = wait_for(directory, lambda state: (state.stage, state.providers_lost) == (Stage.READY, 1), 90)
    assert state.head.provider_name == "larger"
    assert notebook(url, "print(later, len(x))")[0].splitlines()[1:] == ["1 1000"]
    state = client.stop(directory.name)
    assert state.stage is Stage.ENDED
    assert state.cost <= state.budget
    node.holds_nothing_of(Journal.read(directory.path).entries)


_TWO_SECONDS_THERE = 2 * 5 / 3600
"""GLM; the first machine takes eight minutes for that."""
_UNTIL_TOLD = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('went')"


def test_the_other_machine_is_counted_and_watched_while_it_waits_for_a_cell(ready, network, keys):
    directory = ready()
    head, url = directory.state().head.agreement_id, directory.url()
    with ThreadPoolExecutor(2) as threads:
        cell = threads.submit(notebook, url, _UNTIL_TOLD)
        asyncio.run(_until_busy(url))
        move = threads.submit(command, "move", directory.name, "--mem", str(LARGE), "--yes", check=False)
        wait_for(directory, lambda state: state.move is not None and state.move.stage == "waiting", 60)
        wait_for(directory, lambda state: float(state.cost) > _TWO_SECONDS_THERE, 30)
        providers.terminate(network, keys, _of_newcomer(directory, head))
        code, _, said = move.result(300)
        assert code == 1
        assert "The provider ended" in said, said
        assert directory.state().head.agreement_id == head
        asyncio.run(_put(url, "go"))
        assert cell.result(60) == ["went\n"]


async def _until_busy(url):
    async with Jupyter(url) as jupyter:
        while not any(kernel["execution_state"] == "busy" for kernel in await jupyter.call("GET", "/api/kernels")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # it tells nobody


async def _put(url, path):
    async with Jupyter(url) as jupyter:
        await jupyter.call("PUT", f"/api/contents/{path}", {"type": "file", "format": "text", "content": ""})


def _of_newcomer(directory, head):
    """The agreement of the machine to go on at."""
    (entry,) = (one for one in Journal.read(directory.path).entries.agreements if one.agreement_id != head)
    return entry


def test_where_no_other_machine_does_all_goes_on_at_the_old_one(ready):
    directory = ready()
    url, agreement = directory.url(), directory.state().head.agreement_id
    notebook(url, "x = object()")  # lives in one process alone
    code, _, said = command("move", directory.name, "--gpus", "2", "--yes", check=False)
    assert code == 1
    assert "did not move, and goes on where it is" in said
    code, _, said = command("move", directory.name, "--mem", str(BROKEN), "--yes", check=False)
    assert code == 1, explain(directory)
    assert "no such luck" in said
    state = directory.state()
    assert (state.stage, state.head.agreement_id, state.move.stage) == (Stage.READY, agreement, "failed")
    assert notebook(url, "print(type(x))") == ["<class 'object'>\n"]
    before = attach(directory.name).save()
    notebook(url, "open('after.txt', 'w').write('saved, too')")
    assert attach(directory.name).save() > before

    for options, words in (
        (["--hours", "2"], "No such option"),
        (["--cpus", "0"], "at least 1"),
        ([], "Say it beforehand: --yes"),
    ):
        code, _, said = command("move", directory.name, *options, check=False)
        assert code != 0
        assert words in said, said

    client.move(directory.name, {"memory_gib": LARGE})
    liveness.control(directory, "stay", deadline=timeouts.WAIT_FOR_STAY)
    state = directory.state()
    assert (state.stage, state.head.agreement_id) == (Stage.READY, agreement)
    assert (state.move.stage, state.move.reason) == ("failed", "You had it stay.")
    with pytest.raises(LauncherError, match="no move that could be given up"):
        liveness.control(directory, "stay")


def test_an_unused_gpu_is_handed_back_and_the_session_goes_on_without(ready):
    directory = ready(gpus=1, idle="12s", when_idle="release-gpu", save_seconds=1)
    url = directory.url()
    assert directory.state().head.provider_name == "with-gpu"
    notebook(url, "open('note.txt', 'w').write('kept'); x = 41")
    state = wait_for(directory, lambda state: state.idle_ends_at is not None, 90)
    assert "moved to a cheaper machine without a GPU" in state.idle
    state = wait_for(directory, lambda state: state.move is not None and state.move.over, 120)
    assert state.move.stage == "done", explain(directory)
    state = wait_for(directory, lambda state: state.notices, 30)
    assert "Its GPU was handed back" in state.notices[-1]
    assert state.head.price_per_hour < 9
    assert directory.request().gpus == 0
    assert directory.url() == url
    assert notebook(url, "print(open('note.txt').read(), x + 1)")[0].splitlines()[-1] == "kept 42"
    assert any(event.kind == "gpu" for event in directory.events()[0])
