"""Sessions that lose their provider and go on with another one, or end with the reason."""

import asyncio
import time
from decimal import Decimal

import pytest

from golem_launcher import attach
from golem_launcher.events import ProviderChosen, ProviderLost, Stage, now
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from tests.patience import slower
from tests.session.conftest import LARGE, ONLY, SLOW, STARTS_FOR_EVER, explain, wait_for
from tests.session.ending import wait_for_end
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow


def journal(directory):
    return Journal.read(directory.path).entries


def kernels(url):
    async def talk():
        async with Jupyter(url) as jupyter:
            return await jupyter.call("GET", "/api/kernels")

    return asyncio.run(talk())


def run(url, code):
    async def talk():
        async with Jupyter(url) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


def test_two_losses_at_one_address_on_one_budget(ready, lose, node):
    directory = ready()
    before, url = directory.state(), directory.url()
    providers, cost = [before.head.provider_id], before.cost
    for losses, code in ((1, "DebitNoteNotPaid"), (2, "RequestorUnreachable")):
        assert kernels(url) == []
        lose(directory, code)
        state = wait_for(
            directory,
            lambda state, losses=losses: (
                (state.stage, state.providers_lost) == (Stage.READY, losses) and state.head.activity_id
            ),
            60,
        )
        assert state.address == before.address
        assert state.head.provider_id not in providers
        providers.append(state.head.provider_id)
        # Those that were left know the session's token: they shall not reach the new one's Lab.
        assert not set(providers[:-1]) & node.members(journal(directory).network_id)
        assert "provider ended the" in state.notices[-1]
        assert f"went on at {state.head.provider_name}" in state.notices[-1]
    assert kernels(url) == []
    lost = [event for event in directory.events()[0] if isinstance(event, ProviderLost)]
    assert len(lost) == len(state.notices) == 2
    assert "not paid in time (see: golem-launcher wallet" in lost[0].reason
    assert "your node could not be reached" in lost[1].reason
    entries = journal(directory)
    assert {entry.provider_id for entry in entries.agreements if entry.activity_id} == set(providers)
    state = client.stop(directory.name)
    assert state.stage is Stage.ENDED
    assert cost < state.cost <= state.budget
    node.holds_nothing_of(journal(directory))


def test_the_only_provider_that_fits_is_taken_again_after_a_pause(ready, lose, node):
    directory = ready(**ONLY)
    run(directory.url(), "open('kept.txt', 'w').write('kept')")
    attach(directory.name).save()
    lost = directory.state().head.agreement_id
    lose(directory)
    state = wait_for(directory, lambda state: (state.stage, state.providers_lost) == (Stage.READY, 1), 90)
    assert state.head.provider_name == "only"
    assert state.head.agreement_id != lost
    assert run(directory.url(), "print(open('kept.txt').read())") == "kept\n"
    events = {
        type(event): event.at for event in directory.events()[0] if isinstance(event, ProviderLost | ProviderChosen)
    }
    assert (events[ProviderChosen] - events[ProviderLost]).total_seconds() >= 10
    assert client.stop(directory.name).stage is Stage.ENDED
    node.holds_nothing_of(journal(directory))


def test_a_provider_without_capacity_is_asked_again_after_its_agreement(ready, begin):
    """It is busy, and for two seconds after the end it says that it has no capacity."""
    first = ready(**ONLY)
    second = begin(**ONLY)
    wait_for(second, lambda state: Stage.NEGOTIATING in dict(state.stages), 60)
    client.stop(first.name, force=True)
    state = wait_for(second, lambda state: Stage.READY in dict(state.stages), 90)
    assert state.head.provider_id == first.state().head.provider_id


def test_an_activity_that_ends_before_the_lab_is_there_has_another_under_the_same_agreement(begin, node):
    directory = begin(memory_gib=SLOW, budget=50)
    wait_for(directory, lambda state: state.stage is Stage.DEPLOYING, 60)
    end = time.monotonic() + 30 * slower()
    while not (activity := journal(directory).agreements[-1].activity_id):
        assert time.monotonic() < end, explain(directory)
        time.sleep(0.05)
    node.ask("destroy_activity", activity)
    state = wait_for(directory, lambda state: state.stage is Stage.READY, 90)
    (entry,) = [entry for entry in journal(directory).agreements if entry.activity_id]
    assert (entry.agreement_id, state.providers_lost) == (state.head.agreement_id, 0)
    assert entry.activity_id not in {activity, None}
    assert entry.before[activity] > 0  # what the first one may be billed
    assert any("tried once more there" in event.line for event in directory.events()[0])
    state = client.stop(directory.name)
    assert (state.cost, state.owed_at_most) == (Decimal(node.invoice(entry.agreement_id)["amount"]), False)
    node.holds_nothing_of(journal(directory))


@pytest.mark.parametrize("gone", ["the agreement", "the provider"])
def test_a_provider_that_is_gone_while_its_lab_starts_is_left_at_once(begin, lose, vanish, node, gone):
    """Long before a Lab that does not answer is given up."""
    directory = begin(**STARTS_FOR_EVER, budget=50)
    first = wait_for(directory, lambda state: state.stage is Stage.STARTING, 60).head
    assert first.provider_name == "starts-for-ever"
    began = time.monotonic()
    if gone == "the agreement":
        lose(directory)
    else:
        vanish("starts-for-ever")
    state = wait_for(directory, lambda state: state.stage is Stage.READY, 90)
    assert time.monotonic() - began < 50 * slower()
    assert (state.head.provider_name, state.providers_lost) == ("starts", 0)
    said = "starts-for-ever: The provider "
    (told,) = [event.line for event in directory.events()[0] if said in event.line]
    assert ("it shuts down" if gone == "the agreement" else "vanished") in told, told
    assert client.stop(directory.name).stage is Stage.ENDED
    node.holds_nothing_of(journal(directory), provider_is_dead=gone == "the provider")


def test_when_nobody_is_left_it_says_so_and_can_be_resumed_later(ready, vanish, node):
    directory = ready(allow=["gone"], budget=50)
    run(directory.url(), "open('kept.txt', 'w').write('kept')")
    attach(directory.name).save()
    vanish("gone")
    state = wait_for(directory, lambda state: state.stage.final, 120)
    assert state.stage is Stage.FAILED
    assert "The provider gone was lost" in state.reason
    assert "There is no other provider that fits" in state.reason, explain(directory)
    assert wait_for_end(directory, 20)
    node.holds_nothing_of(journal(directory), provider_is_dead=True)
    later = ready(resume=directory.name)
    assert run(later.url(), "print(open('kept.txt').read())") == "kept\n"


_KILL_AGENT = """
import os, subprocess
agent = open(f"/proc/{os.getppid()}/stat").read().rsplit(")", 1)[1].split()[1]
subprocess.Popen(["sh", "-c", f"sleep 5; kill -9 {agent}"], start_new_session=True)
"""
"""Said inside of the session, whose processes may have numbers of their own; the agent is the Lab's parent."""


def test_a_lab_that_is_gone_is_shown_at_once_and_replaced_soon(ready):
    """Its agent is killed; the provider goes on to report usage."""
    directory = ready()
    run(directory.url(), "open('kept.txt', 'w').write('kept')")
    attach(directory.name).save()
    killed = now()
    run(directory.url(), _KILL_AGENT)
    wait_for(directory, lambda state: state.trouble.startswith("JupyterLab does not answer. It is asked again"), 30)
    state = wait_for(directory, lambda state: state.providers_lost and state.stage is Stage.READY, 60)
    assert state.trouble == ""
    assert [stage for stage, _ in state.stages].count(Stage.RECOVERING) == 1  # one provider was tried
    (lost,) = [event for event in directory.events()[0] if isinstance(event, ProviderLost)]
    assert "JupyterLab is gone" in lost.reason
    assert (lost.at - killed).total_seconds() < 100  # ten on a quiet machine; a busy Lab is given two minutes
    assert run(directory.url(), "print(open('kept.txt').read())") == "kept\n"


def test_no_money_for_another_provider_is_said(ready, lose, node):
    directory = ready(memory_gib=LARGE, budget=Decimal("0.417"))
    lose(directory)
    state = wait_for(directory, lambda state: state.stage.final, 60)
    assert state.stage is Stage.FAILED
    assert "The provider large was lost" in state.reason
    assert "does not pay for any other provider" in state.reason, explain(directory)
    assert wait_for_end(directory, 20)
    node.holds_nothing_of(journal(directory))


def test_going_on_elsewhere_can_be_turned_off(ready, lose):
    directory = ready(recover=False)
    lose(directory)
    state = wait_for(directory, lambda state: state.stage.final, 60)
    assert state.stage is Stage.FAILED
    assert "turned off" in state.reason
