"""Sessions that lose their provider and go on with another one, or end with the reason."""

import asyncio
from decimal import Decimal

import pytest

from golem_launcher.events import Stage
from golem_launcher.session import client
from golem_launcher.session.journal import Journal
from tests.session.conftest import ENDS, explain, wait_for
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow


def journal(directory):
    return Journal.read(directory.path).entries


def kernels(url):
    async def talk():
        async with Jupyter(url) as jupyter:
            return await jupyter.call("GET", "/api/kernels")

    return asyncio.run(talk())


def test_the_same_address_and_token_lead_to_the_new_provider(ready, lose, node):
    directory = ready()
    before, url = directory.state(), directory.url()
    assert kernels(url) == []
    lose(directory)
    state = wait_for(directory, lambda state: state.stage is Stage.READY and state.providers_lost == 1, 60)
    assert state.address == before.address
    assert state.provider_id != before.provider_id
    assert kernels(url) == []
    assert "ended the agreement" in state.notices[0] or "ended the session" in state.notices[0]
    client.stop(directory.name)
    node.holds_nothing_of(journal(directory))


def test_no_money_for_another_provider_is_said(ready, lose, node):
    directory = ready(memory_gib=ENDS, budget=Decimal("0.45"))
    lose(directory)
    state = wait_for(directory, lambda state: state.stage.final, 60)
    assert state.stage is Stage.FAILED
    assert "The provider ends was lost" in state.reason
    assert "does not pay for any other provider" in state.reason, explain(directory)
    assert client.wait_for_end(directory, 20)
    node.holds_nothing_of(journal(directory))


def test_going_on_elsewhere_can_be_turned_off(ready, lose):
    directory = ready(recover=False)
    lose(directory)
    state = wait_for(directory, lambda state: state.stage.final, 60)
    assert state.stage is Stage.FAILED
    assert "turned off" in state.reason
