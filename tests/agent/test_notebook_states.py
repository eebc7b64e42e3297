"""Variables of notebooks in real kernels of a real Jupyter: kept after a cell, back at the next machine, once."""

import asyncio
import contextlib
import json
import shutil
import time
import uuid
from pathlib import Path

import pytest

from golem_launcher.agent.kernel_state import extension
from golem_launcher.agent.notebook_states import NotebookStates
from tests.agent.conftest import TOKEN, Agent, eventually
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow


def _ask(agent, *steps):
    """What was answered: ``steps`` get a client of the Lab."""

    async def talk():
        async with Jupyter(f"http://{agent.address}:{agent.port}/?token={TOKEN}") as jupyter:
            return [await step(jupyter) for step in steps]

    return asyncio.run(talk())


def _open(path):
    """As JupyterLab opens a notebook: its session has its name later than its kernel."""

    async def opened(jupyter):
        about = {"path": str(uuid.uuid4()), "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        session = await jupyter.call("POST", "/api/sessions", about)
        return await jupyter.call("PATCH", f"/api/sessions/{session['id']}", {"path": path})

    return opened


def _run(session, *cells):
    return [lambda jupyter, cell=cell: jupyter.run(session["kernel"]["id"], cell) for cell in cells]


def _crashes(agent):
    return agent.log()[0].count(b"crashed (exit code -9)")


def _ends_the_server(agent, session, cell, *, times):
    """Run a cell by which Jupyter's server ends, which so has crashed so many ``times``."""

    async def ends(jupyter):
        running = asyncio.create_task(jupyter.run(session["kernel"]["id"], cell))
        try:
            await asyncio.to_thread(eventually, lambda: _crashes(agent) == times, 60)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return ends


def _newest(agent):
    """The names of the newest state of each notebook."""
    found = {}
    for place in (agent.work / ".jupyter" / "state").glob("*/notebook"):
        states = sorted(place.parent.glob("state-*.json"), key=lambda path: int(path.stem[6:]))
        for path in states[-1:]:
            manifest = json.loads(path.read_text())
            found[place.read_text()] = {
                *manifest["lost"], *manifest["modules"], *(name for name, _ in manifest["definitions"]),
                *(name for group in manifest["groups"] for name in group["names"]),
            }  # fmt: skip
    return found


def _kept(agent, name):
    """The same, once ``name`` is one of them."""
    eventually(lambda: any(name in names for names in _newest(agent).values()), 60)
    return _newest(agent)


@pytest.fixture
def machines(tmp_path):
    """A function that gives one machine after another, each with the workspace of the one before."""
    used = []

    def machine(**fields):
        directory = tmp_path / f"machine-{len(used)}"
        directory.mkdir()
        agent = Agent(directory)
        if used:
            used[-1].stop()
            shutil.copytree(used[-1].work, agent.work, dirs_exist_ok=True)
        used.append(agent)
        return agent.up(**fields)

    yield machine
    for agent in used:
        agent.stop()


def test_a_notebook_goes_on_with_its_variables_at_another_machine(machines):
    first = machines()
    for name in ("Untitled.ipynb", "other.ipynb", "closed.ipynb"):
        (first.work / name).write_text("{}")
    session, other, closed = _ask(first, _open("Untitled.ipynb"), _open("other.ipynb"), _open("closed.ipynb"))
    (first.work / "Untitled.ipynb").rename(first.work / "mine.ipynb")
    _ask(
        first,
        lambda jupyter: jupyter.call(
            "PATCH", f"/api/sessions/{session['id']}", {"path": "mine.ipynb", "name": "mine.ipynb"}
        ),
        *_run(session, "import os, sys\nK = 10\ndef f(n): return n + K", "shared = [1]\nboth = {'a': shared}"),
        *_run(session, "%%time\nbig = bytes(3_000_000) + b'x'", "opened = open('/etc/hostname'); last = 1"),
        *_run(other, "n = 'of the other'"),
        *_run(closed, "n = 'closed'"),
    )
    assert _kept(first, "last")["mine.ipynb"] == {
        "os", "sys", "K", "f", "shared", "both", "big", "opened", "last",
    }  # fmt: skip
    (table,) = _ask(first, *_run(session, "%state"))
    assert "2.9 MiB" in table
    assert "opened  lost     an open file" in table
    # No program of the notebook finds what is ours.
    (found,) = _ask(first, *_run(session, "print([one for one in (*sys.path, *os.environ) if 'golem' in one.lower()])"))
    assert "agent.pyz" not in found
    assert "GOLEM_LAUNCHER_STATE" not in found
    _ask(first, lambda jupyter: jupyter.call("DELETE", f"/api/sessions/{closed['id']}"))
    _kept(first, "n")

    second = machines()
    again, other, closed = _ask(second, _open("mine.ipynb"), _open("other.ipynb"), _open("closed.ipynb"))
    said, *others = _ask(
        second,
        *_run(again, "K = 100\nprint(f(1), both['a'] is shared, len(big))", "print('opened' in globals())", "%state"),
        *_run(other, "print(n)"),
        *_run(closed, "print('n' in globals())"),
    )
    line, values, *_ = said.splitlines()
    assert "K, shared, both, big, last came back" in line
    assert "lost: opened (an open file)" in line
    assert values == "101 True 3000001"
    assert others[0] == "False\n"
    assert "opened (an open file)" in others[1]
    assert others[2].endswith("of the other\n")
    assert others[3] == "False\n"
    # Who restarts a kernel wants an empty one.
    _ask(second, lambda jupyter: jupyter.call("POST", f"/api/kernels/{again['kernel']['id']}/restart"))
    assert _ask(second, *_run(again, "print('K' in globals())")) == ["False\n"]
    assert second.get("/api/status")[0] == 200


def _open_elsewhere(name):
    """As a kernel of the user's own Jupyter does: the notebook is no file here."""

    async def opened(jupyter):
        about = {"path": name, "name": "Python 3 (Golem)", "type": "console", "kernel": {"name": "python3"}}
        return await jupyter.call("POST", "/api/sessions", about)

    return opened


def test_a_notebook_of_the_users_computer_has_its_variables_again(machines):
    """By the name that is given for it, and no other; as they were when its kernel ended, even at once after a cell."""
    name, other = "golem-kernel-" + 24 * "0", "golem-kernel-" + 24 * "1"
    first = machines()
    here, console = _ask(first, _open_elsewhere(name), _open_elsewhere("x" + name))
    assert "golem_launcher_variables" not in here
    _ask(
        first,
        *_run(console, "x = 'of no notebook'"),
        *_run(here, "x = 1"),
        lambda jupyter: jupyter.call("DELETE", f"/api/kernels/{here['kernel']['id']}"),
    )
    second = machines()
    asked = (_open_elsewhere(other), _open_elsewhere(name), _open_elsewhere(name))
    other, again, same = _ask(second, *asked)
    assert ["golem_launcher_variables" in each for each in (other, again, same)] == [False, True, True]
    assert same["kernel"]["id"] == again["kernel"]["id"]
    found = _ask(second, *_run(again, "print(x)", "print(x)"), *_run(other, "print('x' in globals())"))
    assert "x came back" in found[0]
    assert [each.splitlines()[-1] for each in found] == ["1", "1", "False"]
    assert "golem_launcher_variables" not in _ask(second, _open_elsewhere(name))[0]


def test_what_took_long_is_kept_while_the_next_cell_runs(machines):
    """As where all cells are run one after the other: there is no idle moment between them."""
    agent = machines()
    name = "golem-kernel-" + 24 * "0"
    (session,) = _ask(agent, _open_elsewhere(name))

    async def talk(jupyter):
        kernel = session["kernel"]["id"]
        begun = agent.work / "begun"
        long = "import time; end = time.monotonic() + 5.1; x = 1\nwhile time.monotonic() < end: pass"
        first = asyncio.create_task(jupyter.run(kernel, f"open({str(begun)!r}, 'w').close()\n{long}"))
        await asyncio.to_thread(eventually, begun.exists)
        running = [first, asyncio.create_task(jupyter.run(kernel, "time.sleep(90)"))]
        try:
            await running[0]
            return await asyncio.to_thread(_kept, agent, "x")
        finally:
            for one in running:
                one.cancel()

    assert "x" in _ask(agent, talk)[0][name]


def test_what_the_last_cell_made_is_kept_before_a_save(machines):
    """Also right after a large save, which is followed by a pause; who is busy is not waited for."""
    agent = machines()
    names = ["golem-kernel-" + 24 * digit for digit in "01"]
    session, busy = _ask(agent, *map(_open_elsewhere, names))

    async def talk(jupyter):
        await jupyter.run(session["kernel"]["id"], "big = bytearray(400_000_000); first = 1")
        await asyncio.to_thread(_kept, agent, "first")
        await jupyter.run(busy["kernel"]["id"], "early = 1")
        running = asyncio.create_task(jupyter.run(busy["kernel"]["id"], "import time; time.sleep(90)"))
        await jupyter.run(session["kernel"]["id"], "last = 1")
        try:
            return await asyncio.to_thread(agent.ask, "POST", "/keep-variables", TOKEN, "{}")
        finally:
            running.cancel()

    ((status, answer, _),) = _ask(agent, talk)
    assert (status, json.loads(answer)) == (200, {"late": 0})
    assert "last" in _newest(agent)[names[0]]


def test_what_goes_wrong_breaks_no_cell_and_no_kernel(machines):
    """Values that end the saving process; a state that is damaged, or ends the kernel that takes it up."""
    first = machines()
    for name in ("bad.ipynb", "deadly.ipynb", "damaged.ipynb"):
        (first.work / name).write_text("{}")
    bad, deadly, damaged = _ask(first, _open("bad.ipynb"), _open("deadly.ipynb"), _open("damaged.ipynb"))
    _ask(
        first,
        *_run(
            bad,
            "import os, signal\nclass Bad:\n    def __reduce__(self): os.kill(os.getpid(), 9)\nbad, good = Bad(), 1",
        ),
        *_run(deadly, "import os\nclass Deadly:\n    def __setstate__(self, state): os.kill(os.getpid(), 9)"),
        *_run(deadly, "deadly = Deadly(); deadly.x = 1"),
        *_run(damaged, "here = 1"),
    )
    assert _kept(first, "good")["bad.ipynb"] >= {"bad", "good"}
    assert "bad     lost     there was no memory to save it" in _ask(first, *_run(bad, "%state"))[0]
    assert _ask(first, *_run(bad, "%state leave bad", "print(good)"))[1] == "1\n"
    _kept(first, "deadly")
    _kept(first, "here")
    for place in (first.work / ".jupyter" / "state").glob("*/notebook"):
        if place.read_text() == "damaged.ipynb":
            for path in place.parent.glob("state-*.json"):
                path.write_bytes(b'{"groups": [')

    second = machines()
    deadly, damaged = _ask(second, _open("deadly.ipynb"), _open("damaged.ipynb"))
    assert _ask(second, *_run(damaged, "print('here' in globals())")) == ["False\n"]

    async def dies(jupyter):
        running = asyncio.create_task(jupyter.run(deadly["kernel"]["id"], "1"))
        try:
            while b"was killed" not in second.log()[0]:
                await asyncio.to_thread(time.sleep, 0.1)
        finally:
            running.cancel()
        for _ in range(60):  # while it is started anew, who connects is sent away
            with contextlib.suppress(AssertionError):
                return await jupyter.run(deadly["kernel"]["id"], "print('Deadly' in globals())")
            await asyncio.to_thread(time.sleep, 0.5)
        raise AssertionError("it was not started anew")

    assert _ask(second, dies) == ["False\n"]


def test_a_server_that_ends_just_after_a_state_was_taken_up_costs_nobody_their_variables(machines):
    first = machines()
    (first.work / "mine.ipynb").write_text("{}")
    (session,) = _ask(first, _open("mine.ipynb"))
    _ask(first, *_run(session, "import os; n = 1"))
    _kept(first, "n")
    second = machines()
    (session,) = _ask(second, _open("mine.ipynb"))

    _ask(second, _ends_the_server(second, session, "print(n); os.kill(os.getppid(), 9)", times=1))
    second.answers()
    (session,) = _ask(second, _open("mine.ipynb"))
    (said,) = _ask(second, *_run(session, "print(n)"))
    assert said.splitlines()[-1] == "1"


def test_a_state_that_ends_jupyters_server_does_so_twice(machines):
    first = machines()
    (first.work / "deadly.ipynb").write_text("{}")
    (session,) = _ask(first, _open("deadly.ipynb"))
    _ask(
        first,
        *_run(session, "import os\nclass Deadly:\n    def __setstate__(self, state): os.kill(os.getppid(), 9)"),
        *_run(session, "deadly = Deadly(); deadly.x = 1"),
    )
    _kept(first, "deadly")
    second = machines()
    for times in (1, 2):
        (session,) = _ask(second, _open("deadly.ipynb"))
        _ask(second, _ends_the_server(second, session, "1", times=times))
        second.answers()
    (session,) = _ask(second, _open("deadly.ipynb"))
    assert _ask(second, *_run(session, "print('Deadly' in globals())")) == ["False\n"]
    assert _crashes(second) == 2


def test_a_state_that_was_being_taken_up_when_two_servers_ended_is_not_taken_up_again(tmp_path):
    root, tickets = tmp_path / "work", tmp_path / "tickets"
    root.mkdir()
    (root / "mine.ipynb").write_text("{}")

    def starts():
        return NotebookStates(str(root), str(tickets), "agent.pyz")

    def asks(states):
        return Path(states.environment("mine.ipynb")[extension.TICKET])

    state = Path(starts().environment("mine.ipynb")[extension.DIRECTORY])
    for _ in range(2):  # nobody has taken it up yet, whatever ended the server
        ticket = asks(starts())
        assert ticket.read_text() == str(state)
    Path(f"{ticket}{extension.TAKING}").symlink_to(state)
    ticket = asks(starts())
    assert ticket.read_text() == str(state), "once may be chance"
    Path(f"{ticket}{extension.TAKING}").symlink_to(state)
    assert not asks(starts()).exists()
    assert not state.exists()


def test_a_state_of_a_file_outside_of_the_workspace_is_nobodys(tmp_path):
    (tmp_path / "outside.ipynb").write_text("{}")
    root = tmp_path / "work"
    for number, path in enumerate((str(tmp_path / "outside.ipynb"), "../outside.ipynb")):
        place = root / ".jupyter" / "state" / f"{number:016x}"
        place.mkdir(parents=True)
        (place / "notebook").write_text(path)
        states = NotebookStates(str(root), str(tmp_path / "tickets"), "agent.pyz")
        assert not place.exists()
        assert not Path(states.environment(path)[extension.TICKET]).exists()


def _files(agent):
    place = agent.work / ".jupyter" / "state"
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_who_wants_no_state_has_none_and_what_was_kept_stays(machines):
    first = machines()
    (first.work / "mine.ipynb").write_text("{}")
    (session,) = _ask(first, _open("mine.ipynb"))
    _ask(first, *_run(session, "kept = 1"))
    _kept(first, "kept")
    second = machines(kernel_state=False)
    (session,) = _ask(second, _open("mine.ipynb"))
    found, why = _ask(second, *_run(session, "print('kept' in globals())", "%state"))
    assert found == "False\n"
    assert why.startswith("Variables are not kept in this session: it was started with --no-state")
    (there,) = _ask(second, *_run(session, "import sys; print(*sys.path, *__import__('os').environ)"))
    assert "agent.pyz" not in there
    assert "GOLEM_LAUNCHER_NO_STATE" not in there
    assert _files(second) == _files(first)
    # So it is there for who wants it again.
    third = machines()
    (session,) = _ask(third, _open("mine.ipynb"))
    assert _ask(third, *_run(session, "print(kept)"))[0].splitlines()[1:] == ["1"]
