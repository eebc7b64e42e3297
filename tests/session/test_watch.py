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
        async with YagnaRest(Node(NOBODY, "key")) as rest, LabClient(NOBODY, "token") as lab:
            nothing = SimpleNamespace()
            await watch.Watch(
                rest=rest, lab=lab, money=nothing, term=Term.of(Decimal(1)), recorder=recorder, agreement_id="a",
                activity_id="b", network_id="net", silent_seconds=3.5, leave_overbilling=True,
                node_is_back=nothing, rejoin=nothing, follow_node=look,
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
