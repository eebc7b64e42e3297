"""How sessions end when something goes wrong, and that nothing stays behind."""

import asyncio
import contextlib
import os
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psutil
import pytest

from golem_launcher import paths
from golem_launcher.events import ProviderLost, Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from golem_launcher.session.cleanup import housekeeping
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directory
from tests.patience import slower
from tests.session.conftest import DIES, ONLY, OVERBILLS, REFUSES, SLOW, command, explain, wait_for
from tests.session.ending import BUSY, kill_all_of, kill_supervisor, wait_for_end
from tests.session.jupyter import Jupyter
from tests.session.losing_node import daemon, kill, kill_and_take_port
from tests.session.rest import Node
from tests.session.suspension.test_caretaker import ask, wait

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("early")]


@pytest.fixture
def taken():
    with contextlib.ExitStack() as stack:
        yield stack


def ended(directory, seconds):
    state = wait_for(directory, lambda state: state.stage.final, seconds)
    assert wait_for_end(directory, 10)
    return state


def journal(directory):
    return Journal.read(directory.path).entries


def test_a_budget_too_small(begin, node):
    directory = begin(budget=Decimal("0.000001"))
    state = ended(directory, 30)
    assert state.stage is Stage.FAILED
    assert "budget of 0.000001 tGLM is too small" in state.reason
    assert "Allow at least" in state.reason
    assert not journal(directory).agreements
    node.holds_nothing_of(journal(directory))


def test_no_offer_fits(node):
    code, _, error = command("start", "--name", "too-large", "--mem", "4000", "--wait", check=False)
    try:
        assert code == 1
        assert "No offer fits" in error
        assert "4000 GiB of memory" in error
        assert "the most offered is" in error
        entries = journal(session_directory("too-large"))
        assert not entries.agreements
        node.holds_nothing_of(entries)
    finally:
        client.stop("too-large", force=True)


def test_three_at_once_on_three_providers(begin, network):
    sessions = [begin() for _ in range(3)]
    states = [wait_for(directory, lambda state: state.stage is Stage.READY, 90) for directory in sessions]
    assert len({state.head.provider_id for state in states}) == 3
    assert len({state.address.rsplit(":", 1)[0] for state in states}) == 3
    server = psutil.Process(network.state["server"]["pid"])
    assert server.memory_info().rss < 100 * 1024 * 1024  # hub and providers
    for directory in sessions:
        assert client.stop(directory.name).stage is Stage.ENDED


def test_nobody_signs(begin):
    directory = begin(memory_gib=REFUSES, disk_gib=0.5)
    state = wait_for(directory, lambda state: state.stage in {Stage.READY, Stage.FAILED}, 60)
    # The next larger one is slow but honest: it is taken, or there is a reason that names who refused.
    assert state.stage is Stage.READY or "refuses" in state.reason, explain(directory)


def test_a_provider_that_an_own_session_has_stays_on_offer_and_who_has_it_is_said(ready, begin):
    holder = ready(**ONLY)
    state = ended(begin(**ONLY), 60)
    assert state.stage is Stage.FAILED
    assert f"Your own sessions use all machines that fit: {holder.name}." in state.reason, state.reason


def test_stop_while_a_provider_deploys(begin, node):
    directory = begin(memory_gib=SLOW)
    wait_for(directory, lambda state: state.stage is Stage.DEPLOYING, 30)
    begun = time.monotonic()
    assert client.stop(directory.name).stage is Stage.ENDED
    assert time.monotonic() - begun < 60 * slower()
    node.holds_nothing_of(journal(directory))


def test_a_killed_supervisor_is_tidied_up(ready, node):
    directory = ready()
    entries = journal(directory)
    assert len(left_over(directory)) == 3
    assert list(directory.scratch.glob("yapapi-gftp-*"))  # what it sent lies there, the token among it
    kill_all_of(directory)
    (directory.path / "request.json").unlink()  # as a power cut leaves files: the journal is what matters
    (directory.path / "state.json").write_text("")
    code, listed, _ = command("list", "--json")
    assert code == 0
    (value,) = [session for session in listed if session["name"] == directory.name]
    assert value["stage"] == "failed"
    assert "supervisor died" in value["reason"]
    assert journal(directory).closed
    node.holds_nothing_of(entries)
    (agreement,) = entries.agreements
    assert Decimal(value["cost"]) == Decimal(node.invoice(agreement.agreement_id)["amount"]) > 0
    assert housekeeping.tidy() == []
    assert left_over(directory) == []


def test_a_killed_supervisor_is_tidied_up_by_nobodys_command(ready, node):
    directory = ready()
    link = directory.url()
    killed_at = datetime.now(UTC)
    kill_supervisor(directory)
    state, entries = directory.state(), journal(directory)
    assert state.stage is Stage.FAILED
    assert "Its supervisor died; everything it had was closed down." in state.reason
    assert re.search(r"(Nothing|What was there at .*) is saved", state.reason)
    (agreement,) = entries.agreements
    assert agreement.ended_at - killed_at < timedelta(seconds=BUSY * 3 * slower())
    node.holds_nothing_of(entries)
    assert node.invoice(agreement.agreement_id)["status"] in {"ACCEPTED", "SETTLED"}
    assert left_over(directory) == []
    wait(link, answers=True)
    status, page = ask(link)
    assert (status, "Its supervisor died" in page) == (410, True)


def left_over(directory):
    """What only a living supervisor needs."""
    sockets = [paths.socket_path(directory.path, name) for name in ("control.sock", "ports.sock")]
    return [path for path in (directory.scratch, *sockets) if path.exists()]


def test_a_supervisor_killed_while_it_negotiates_is_tidied_up(begin, node):
    directory = begin(memory_gib=SLOW)
    wait_for(directory, lambda state: state.stage is Stage.DEPLOYING, 30)
    kill_all_of(directory)
    housekeeping.tidy()
    assert journal(directory).closed
    node.holds_nothing_of(journal(directory))


def test_what_never_got_its_id_on_disk_is_found_again(ready, node):
    directory = ready()
    kill_all_of(directory)
    whole = journal(directory)
    Journal.read(directory.path).update(allocation_id=None, network_id=None, agreements=())
    housekeeping.tidy()
    found = journal(directory)
    assert found.allocation_id == whole.allocation_id
    assert found.network_id == whole.network_id
    assert {entry.agreement_id for entry in found.agreements} == {entry.agreement_id for entry in whole.agreements}
    node.holds_nothing_of(whole)


def test_sigterm_is_an_orderly_stop(ready, node):
    directory = ready()
    assert client.save(directory.name)["generation"] is None  # there is nothing yet, which is no failure
    os.kill(liveness.supervisor(directory).pid, signal.SIGTERM)
    state = ended(directory, 30)
    assert (state.stage, "did not work" in state.reason) == (Stage.ENDED, False)
    assert wait_for_end(directory, 5)
    assert left_over(directory) == []
    node.holds_nothing_of(journal(directory))


def test_a_provider_whose_bill_is_too_high_is_not_paid_and_left(begin, free, node):
    """It bills too much from its first note on: before JupyterLab runs there, or after."""
    free("overbills")
    directory = begin(memory_gib=OVERBILLS)
    wait_for(directory, lambda state: state.head.provider_name not in {None, "overbills"} or state.stage.final, 90)
    assert [entry.provider_name for entry in journal(directory).agreements].count("overbills") == 1, explain(directory)
    left = journal(directory).agreements[0]
    assert any("more than the" in getattr(event, "text", "") for event in directory.events()[0])
    state = client.stop(directory.name)
    invoice = node.invoice(left.agreement_id)
    assert invoice is None or invoice["status"] not in {"ACCEPTED", "SETTLED"}
    assert invoice is None or Decimal(invoice["amount"]) > state.cost
    node.holds_nothing_of(journal(directory))


def test_a_provider_that_dies_is_noticed_within_twenty_seconds(ready, free, vanish, node):
    free("dies")
    directory = ready(memory_gib=DIES)
    died_at = datetime.now(UTC)
    vanish("dies")
    wait_for(directory, lambda state: state.providers_lost or state.stage.final, 60)
    (lost,) = [event for event in directory.events()[0] if isinstance(event, ProviderLost)]
    assert lost.provider_name == "dies"
    assert "vanished" in lost.reason, explain(directory)
    assert lost.at - died_at < timedelta(seconds=20 * slower())
    wait_for(directory, lambda state: state.stage is Stage.READY, 60)
    assert client.stop(directory.name).stage is Stage.ENDED
    node.holds_nothing_of(journal(directory), provider_is_dead=True)


def test_a_provider_that_starts_nothing_of_an_image_known_whole_is_what_is_at_fault(early, node):
    """Golem's VM says nothing at all of a command that it can't start; this image is known to have a shell."""
    directory = early["shell-less"]
    state = ended(directory, 60)
    assert state.stage is Stage.FAILED
    assert "shell-less: The provider failed: run: ExeScript command exited" in state.reason, explain(directory)
    node.holds_nothing_of(journal(directory))


def test_why_an_agent_gave_up_reaches_the_user(early, node):
    directory = early["broken"]
    state = ended(directory, 80)
    assert state.stage is Stage.FAILED
    assert "JupyterLab could not be started" in state.reason, explain(directory)
    assert "JupyterLab crashed too often: giving up" in state.reason
    assert "RuntimeError: no such luck" in state.reason
    node.holds_nothing_of(journal(directory))


def test_the_deadline_ends_it(early, node):
    directory = early["deadline"]
    state = ended(directory, 80)
    assert state.stage is Stage.ENDED, explain(directory)
    assert "time" in state.reason
    late = (state.ended_at - state.deadline).total_seconds()
    assert 0 < late < 25 * slower()
    node.holds_nothing_of(journal(directory))


def test_a_node_that_pauses_is_waited_for(ready, network):
    directory = ready()
    requestor = daemon(network)
    os.kill(requestor, signal.SIGSTOP)
    try:
        state = wait_for(directory, lambda state: state.stage is Stage.RECOVERING, 40)
        assert "node" in state.reason
    finally:
        os.kill(requestor, signal.SIGCONT)
    wait_for(directory, lambda state: state.stage is Stage.READY, 40)
    assert client.stop(directory.name).stage is Stage.ENDED


def test_a_session_stays_where_it_is_when_the_node_is_killed_and_started_again(ready, network, taken):
    directory = ready()
    before = directory.state()

    async def kernel():
        async with Jupyter(directory.url()) as jupyter:
            return (await jupyter.call("POST", "/api/kernels", {"name": "python3"}))["id"]

    async def run(code):
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.run(kernel_id, code)

    kernel_id = asyncio.run(kernel())
    assert asyncio.run(run("x = 6 * 7; open('work.txt', 'w').write('x'); print(x)")) == "42\n"
    for lose in (kill, kill_and_take_port):  # its second life is no different, wherever
        network_id, stages = journal(directory).network_id, len(directory.state().stages)
        taken.enter_context(lose(network))
        # It may be recovering for a moment that is too short to be seen.
        wait_for(directory, lambda state, stages=stages: len(state.stages) > stages, 40)
        state = wait_for(directory, lambda state: state.stage in {Stage.READY, Stage.FAILED}, 60)
        assert (state.stage, state.address) == (Stage.READY, before.address)
        assert state.head.activity_id == before.head.activity_id
        assert journal(directory).network_id != network_id
        assert asyncio.run(run("print(x)")) == "42\n"
    saved = liveness.control(directory, "save", deadline=60)
    assert saved["generation"] >= 1
    assert client.stop(directory.name).stage is Stage.ENDED
    Node(localnet.up().node).holds_nothing_of(journal(directory))
