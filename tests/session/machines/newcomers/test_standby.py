"""A machine that stands by: it takes over at once and with everything, is replaced, and nothing late passes it."""

import asyncio
import time

import pytest

from golem_launcher import attach
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from tests.patience import slower
from tests.session import providers
from tests.session.conftest import HONEST, LARGE, command, explain, wait_for
from tests.session.jupyter import Jupyter
from tests.session.machines.newcomers.test_moving import notebook

pytestmark = pytest.mark.slow


def stands_by(directory, seconds=90):
    """The session's state once a machine stands by that has all that is saved."""
    return wait_for(directory, has_all, seconds)


_WRITES = """
import threading, time
def write():
    while True:
        open("late.txt", "a").write("x")
        time.sleep(0.05)
threading.Thread(target=write, daemon=True).start()
"""


def has_all(state):
    standby = state.standby
    return standby is not None and standby.stage == "ready" and (
        state.saving is None or standby.generation == state.saving.generation
    )  # fmt: skip


def test_it_goes_on_with_everything_at_the_same_address(ready, lose, node):
    code, quoted, _ = command("quote", "--mem", str(HONEST), "--standby", "1", "--json")
    assert (code, quoted["machines"]) == (0, 2)
    assert float(quoted["per_hour"]) > float(quoted["standby_per_hour"]) > 0
    directory = ready(standby=1, save_seconds=1)
    url = directory.url()
    before = stands_by(directory)
    assert before.standby.provider_id != before.head.provider_id
    assert before.standby.wallet != before.head.wallet
    assert before.price_per_hour == before.head.price_per_hour + before.standby.price_per_hour
    assert len(before.machines) == 1
    notebook(url, "x = list(range(1000)); same = x; open('typed.txt', 'w').write('everything')")
    saved = attach(directory.name).save()
    before = wait_for(directory, lambda state: has_all(state) and state.standby.generation >= saved, 60)
    client.extend(directory.name, hours="0.1")
    log = directory.path / "workload.standby.log"
    wait_for(directory, lambda _: "the deadline is in" in log.read_text(), 20)
    shown = next(line for line in command("show", directory.name)[1].splitlines() if line.startswith("standby"))
    assert f"{before.standby.provider_name}, " in shown
    assert " s behind; " in shown
    lose(directory)
    began = time.monotonic()
    after = wait_for(directory, lambda state: (state.stage, state.providers_lost) == (Stage.READY, 1), 60)
    took = time.monotonic() - began
    assert after.head.provider_id == before.standby.provider_id, explain(directory)
    assert after.head.agreement_id == before.standby.agreement_id
    assert (before.failovers, after.failovers) == (0, 1)
    assert directory.url() == url
    assert took < 15 * slower(), "another machine is made ready by then"
    (printed,) = notebook(url, "print(open('typed.txt').read(), len(x), same is x)")
    assert "x, same came back" in printed
    assert printed.splitlines()[1:] == ["everything 1000 True"]
    assert f"the session went on at {before.standby.provider_name}" in after.notices[-1]

    entries = Journal.read(directory.path).entries
    assert before.head.provider_id not in node.members(entries.network_id)
    again = stands_by(directory)
    assert again.standby.provider_id not in {before.head.provider_id, after.head.provider_id}
    notebook(url, "later = 1")
    attach(directory.name).save()
    assert len(Journal.read(directory.path).entries.agreements) == 3
    state = client.stop(directory.name)
    assert (state.stage, state.standby) == (Stage.ENDED, None)
    assert state.cost <= state.budget
    node.holds_nothing_of(Journal.read(directory.path).entries)


def test_one_that_is_lost_is_replaced_and_a_first_machine_that_comes_late_writes_nothing(ready, node, network, keys):
    directory = ready(standby=1, save_seconds=1)
    url = directory.url()
    first = stands_by(directory)
    providers.terminate(network, keys, first.standby)
    second = wait_for(
        directory, lambda state: has_all(state) and state.standby.provider_id != first.standby.provider_id, 90
    )
    assert (second.head.agreement_id, second.providers_lost) == (first.head.agreement_id, 0)
    # The first machine lives, and goes on writing; the user's side takes it for lost.
    notebook(url, _WRITES)
    attach(directory.name).save()
    stands_by(directory)
    liveness.control(directory, "give-up", machine=1, reason="It is said to be silent.")
    state = wait_for(directory, lambda state: (state.stage, state.providers_lost) == (Stage.READY, 1), 60)
    assert state.head.provider_id == second.standby.provider_id, explain(directory)
    (size,) = notebook(url, "import os; print(os.path.getsize('late.txt'))")
    attach(directory.name).save()
    (later,) = notebook(url, "print(os.path.getsize('late.txt'))")
    assert size.splitlines()[-1] == later.splitlines()[-1], "only the first machine's notebook writes there"
    assert first.head.provider_id not in node.members(Journal.read(directory.path).entries.network_id)


def test_a_move_goes_with_it_and_it_is_one_like_the_new_machine_then(ready):
    directory = ready(standby=1, save_seconds=1)
    before = stands_by(directory)
    code, _, _ = command("move", directory.name, "--gpus", "2", "--yes", check=False)  # there is none
    assert code == 1
    assert directory.state().standby.agreement_id == before.standby.agreement_id
    command("move", directory.name, "--mem", str(LARGE), "--yes")
    state = wait_for(directory, lambda state: has_all(state) and state.standby.provider_name == "larger", 90)
    assert (state.head.provider_name, state.providers_lost) == ("large", 0), explain(directory)
    entries = Journal.read(directory.path).entries
    (left,) = [one for one in entries.agreements if one.agreement_id == before.standby.agreement_id]
    assert left.lost_at is None


def test_what_can_have_none_says_so(ready):
    for options, words in (
        (["--standby", "2"], "at most 1"),
        (["--standby", "1", "--no-save"], "goes on with what is saved"),
        (["--standby", "1", "--no-recover"], "goes on with what is saved"),
    ):
        code, _, said = command("quote", *options, check=False)
        assert (code, words in said) == (2, True), said
    directory = ready(standby=1, allow=["large"], memory_gib=1.0, budget=50)
    state = wait_for(directory, lambda state: state.standby is not None and state.standby.reason, 90)
    assert state.standby.stage == "searching"
    assert state.stage is Stage.READY


def test_who_serves_what_is_old_takes_nothing_over_and_the_others_of_several_go_on(ready, lose, network):
    directory = ready(machines=2, standby=1, save_seconds=3600)  # a save that comes by itself would see it earlier
    url = directory.url()
    notebook(url, "open('typed.txt', 'w').write('old')")
    attach(directory.name).save()
    notebook(url, "open('typed.txt', 'w').write('new')")
    saved = attach(directory.name).save()
    before = wait_for(
        directory,
        lambda state: has_all(state) and state.standby.generation >= saved and state.machines[1].stage is Stage.READY,
        90,
    )
    entry = Journal.read(directory.path).agreement(before.standby.agreement_id)
    (file,) = [one for one in network.directory.rglob("typed.txt") if entry.activity_id in one.parts]
    file.write_text("old")
    lose(directory)
    after = wait_for(directory, lambda state: (state.stage, state.providers_lost) == (Stage.READY, 1), 90)
    assert after.head.provider_id not in {before.standby.provider_id, before.head.provider_id}, explain(directory)
    assert after.machines[1].agreement_id == before.machines[1].agreement_id
    (printed,) = notebook(url, "print(open('typed.txt').read())")
    assert printed.splitlines()[-1] == "new"
    said = [event.line for event in directory.events()[0]]
    assert any("not those of the save" in line and "does not take over" in line for line in said), "\n".join(said)


def test_it_stands_by_for_the_first_of_several_machines(ready, lose):
    directory = ready(machines=2, standby=1, save_seconds=1)
    url = directory.url()
    notebook(url, "kept = 7; open('typed.txt', 'w').write('everything')")
    saved = attach(directory.name).save()
    before = wait_for(
        directory,
        lambda state: has_all(state) and state.standby.generation >= saved and state.machines[1].stage is Stage.READY,
        90,
    )
    lose(directory)
    after = wait_for(directory, lambda state: (state.stage, state.providers_lost) == (Stage.READY, 1), 60)
    assert after.head.agreement_id == before.standby.agreement_id, explain(directory)
    assert after.machines[1].agreement_id == before.machines[1].agreement_id
    (printed,) = notebook(url, "print(kept, open('typed.txt').read())")
    assert printed.splitlines()[-1] == "7 everything"


def test_the_address_answers_all_the_time_that_a_page_would_wait(ready, lose):
    """What a page asks for meanwhile waits, and comes from whoever took over."""
    directory = ready(standby=1, save_seconds=1)
    stands_by(directory)

    async def ask():
        async with Jupyter(directory.url()) as jupyter:
            await jupyter.call("GET", "/api/status")
            await asyncio.to_thread(lose, directory)
            began = time.monotonic()
            while directory.state().providers_lost == 0 or directory.state().stage is not Stage.READY:
                await jupyter.call("GET", "/api/kernels")
                assert time.monotonic() - began < 60 * slower(), explain(directory)
            return await jupyter.call("GET", "/api/kernels")

    assert asyncio.run(ask()) == []
