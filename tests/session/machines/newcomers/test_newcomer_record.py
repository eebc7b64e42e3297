"""What is told of a machine that is to take the head's place is told of it, and nothing of it of the head."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from golem_launcher import paths
from golem_launcher.events import Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session.endpoints.machine_slot import HEAD
from golem_launcher.session.machines.newcomers.newcomer_record import NewcomerRecord, NewcomerRecorder
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session_state import StandbyState


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    recorder = Recorder(create_session_directory(LaunchRequest(name="safe", standby=1)))
    yield recorder
    recorder.close()


def test_it_has_a_state_of_its_own(recorder):
    entry = {"provider_id": "0xhead", "provider_name": "head", "agreement_id": "first", "wallet": "0xa"}
    recorder.agreed(SimpleNamespace(**entry, price_per_hour=Decimal(1)), HEAD)
    newcomer = NewcomerRecorder(NewcomerRecord(recorder, "standby", StandbyState(), "The standby"))
    signed = {"provider_id": "0xother", "provider_name": "other", "agreement_id": "second", "wallet": "0xb"}
    newcomer.agreed(SimpleNamespace(**signed, price_per_hour=Decimal(2)), ())
    newcomer.enter(Stage.DEPLOYING)
    newcomer.update(activity_id="activity")
    newcomer.trouble("It does not answer.")
    newcomer.count_loss()
    own, head = newcomer.state, recorder.state.head
    assert signed.items() <= own.model_dump().items()
    assert (head.provider_id, head.trouble, head.lost, recorder.state.providers_lost) == ("0xhead", "", 0, 0)
    assert (recorder.state.standby.provider_id, recorder.state.standby.stage) == ("0xother", "preparing")
    assert recorder.state.price_per_hour == 3
