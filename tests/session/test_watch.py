"""A node that is away: how long it is waited for, and what is said. Without a network."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace

import pytest

from golem_launcher import paths
from golem_launcher.errors import NodeUnreachable
from golem_launcher.events import Stage
from golem_launcher.node.node import Node
from golem_launcher.request import LaunchRequest
from golem_launcher.session import watch
from golem_launcher.session.directory import create_session_directory
from golem_launcher.session.lab import LabClient
from golem_launcher.session.pay.yagna import YagnaRest
from golem_launcher.session.recorder import Recorder
from golem_launcher.session.term import Term
from tests.dialling import to_origin


async def still():
    """The clock was not set."""


NOBODY = "http://127.0.0.1:9"


def test_a_node_that_stays_away_is_looked_for_and_then_given_up_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr(watch, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(watch, "_TROUBLED_ROUND_SECONDS", 0.01)
    monkeypatch.setattr(watch, "_NODE_AWAY_SECONDS", 0.3)
    recorder = Recorder(create_session_directory(LaunchRequest(name="away")))
    looked_for = []

    async def look(network_id):
        looked_for.append(network_id)
        return False

    async def until_over():
        async with YagnaRest(Node(NOBODY, "key")) as rest, LabClient(to_origin(NOBODY), "token") as lab:
            nothing = SimpleNamespace(has_invoice=lambda _: False)
            await watch.Watch(
                rest=rest, lab=lab, money=nothing, term=Term.of(Decimal(1)), recorder=recorder, agreement_id="a",
                activity_id="b", network_id="net", silent_seconds=3.5, leave_overbilling=True,
                keep_paying=nothing, rejoin=nothing, refuses=nothing, mind_clock=still, follow_node=look,
            ).until_over()  # fmt: skip

    try:
        with pytest.raises(NodeUnreachable, match="stayed away") as caught:
            asyncio.run(asyncio.wait_for(until_over(), 30))
    finally:
        recorder.close()
    assert "--resume" in caught.value.remedy
    assert set(looked_for) == {"net"}
    assert recorder.state.stage is Stage.RECOVERING
    assert "node use" in recorder.state.reason  # for one that has another address now


def test_payments_that_ended_by_themselves_are_taken_up_again(monkeypatch):
    """yapapi tells nobody: in each round they are looked after, though the node was never away."""
    monkeypatch.setattr(watch, "ROUND_SECONDS", 0.01)
    looked_after = []

    def answers(value):
        async def answer(*_, **__):
            return value

        return answer

    rest = SimpleNamespace(activity_state=answers("Ready"), agreement=answers({}), activity_usage=answers((1.0,)))
    money = SimpleNamespace(
        has_invoice=lambda _: False,
        dispute=lambda _: None,
        used=lambda *_, **__: "over" if len(looked_after) == 3 else None,
    )

    async def until_over():
        return await watch.Watch(
            rest=rest, lab=SimpleNamespace(answers=answers(True)), money=money, term=Term.of(Decimal(1)),
            recorder=SimpleNamespace(state=SimpleNamespace(money_ends_at=None, saving=None, trouble="")),
            agreement_id="a", activity_id="b", network_id="net", silent_seconds=3.5, leave_overbilling=True,
            keep_paying=lambda: looked_after.append(1), rejoin=None, refuses=None, mind_clock=still, follow_node=None,
        ).until_over()  # fmt: skip

    assert asyncio.run(asyncio.wait_for(until_over(), 30)) == "over"
