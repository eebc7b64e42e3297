"""A start as a trace: to where OpenTelemetry's variables lead, once it is over, and nowhere where they do not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from golem_launcher import paths
from golem_launcher.errors import RequestError
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import AgreementEntry
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting import start_trace
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session_state import ProvidersSeen
from tests.patience import slower
from tests.session.trace_receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from tests.session.trace_receiver import Receiver

_STRANGERS = "words of a stranger"
_BEFORE_READY = (Stage.CHECKING, Stage.ALLOCATING, Stage.NEGOTIATING, Stage.DEPLOYING, Stage.STARTING)


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    with receiving() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found


def _goes(*stages: Stage) -> SessionDirectory:
    """A session that goes through these stages; no supervisor's."""
    directory = create_session_directory(LaunchRequest(name="mine"))
    recorder = Recorder(directory)
    for stage in stages:
        recorder.enter(stage, _STRANGERS if stage.final else "")
        recorder.update(providers_seen=ProvidersSeen(suitable=2, too_dear=1))
        agreed = AgreementEntry(agreement_id="a", provider_id="0xstranger", provider_name=_STRANGERS, price=None)
        recorder.agreed(agreed, 1)
    recorder.close()
    return directory


def _attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


@pytest.mark.slow
def test_it_has_a_span_for_each_stage_within_one_for_all(receiver: Receiver) -> None:
    directory = _goes(*_BEFORE_READY, Stage.READY, Stage.RECOVERING, Stage.READY, Stage.STOPPING, Stage.ENDED)
    whose, spans = receiver.trace()
    names = {one.key: one.value.string_value for one in whose.resource.attributes}
    assert names["service.name"] == "golem-launcher"
    (whole,) = [one for one in spans if not one.parent_span_id]
    stages = [one for one in spans if one.parent_span_id]
    assert whole.name == "start"
    assert _attributes(whole).items() >= {
        "golem.session": "mine", "golem.network": "local", "golem.workload": "lab", "golem.providers.suitable": 2,
        "golem.providers.too_dear": 1,
    }.items()  # fmt: skip
    assert whole.status.code == Status.STATUS_CODE_OK
    assert tuple(one.name for one in sorted(stages, key=lambda one: one.start_time_unix_nano)) == _BEFORE_READY
    assert {(one.trace_id, one.parent_span_id) for one in stages} == {(whole.trace_id, whole.span_id)}
    state = directory.state()
    assert state.started_at is not None
    ends = [state.created_at, *(at for _, at in state.stages[1:6])]
    assert abs(whole.start_time_unix_nano / 1e9 - state.created_at.timestamp()) < 1e-5
    assert abs(whole.end_time_unix_nano / 1e9 - state.started_at.timestamp()) < 1e-5
    for span, end in zip(sorted(stages, key=lambda one: one.start_time_unix_nano), ends[1:], strict=True):
        assert abs(span.end_time_unix_nano / 1e9 - end.timestamp()) < 1e-5
    assert _STRANGERS not in str(spans)
    assert "stranger" not in str(spans)


def test_a_start_that_came_to_nothing_is_told_as_one(receiver: Receiver) -> None:
    _goes(Stage.CHECKING, Stage.NEGOTIATING, Stage.STOPPING, Stage.FAILED)
    _, spans = receiver.trace()
    (whole,) = [one for one in spans if not one.parent_span_id]
    assert whole.status.code == Status.STATUS_CODE_ERROR
    assert "negotiating" in {one.name for one in spans}
    assert _STRANGERS not in str(spans), "why it failed may be in a stranger's words"


def test_nobody_is_asked_and_nothing_is_loaded_where_no_receiver_is_named(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    directory = _goes(Stage.CHECKING, Stage.READY)
    assert not directory.supervisor_log.exists(), "which a process of its own would write to"
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    asks = (
        "import sys\nfrom golem_launcher.session.reporting import recorder, start_trace\n"
        "from golem_launcher.session.on_disk.directory import session_directory\n"
        "recorder.start_trace.begin(session_directory('mine'))\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert not directory.supervisor_log.exists()
    assert receiver.is_empty


@pytest.mark.slow
def test_a_receiver_that_is_not_there_costs_the_session_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    directory = _goes(Stage.CHECKING, Stage.READY)
    assert directory.state().stage is Stage.READY
    command = [sys.executable, "-m", "golem_launcher.session.reporting.start_trace", "mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * slower())
    assert done.returncode == 0
    assert "Failed to export" in done.stderr, "it is in the log that there is no trace"
    assert receiver.is_empty


def test_what_the_command_is_given_leads_there_whatever_the_environment_says(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://elsewhere/v1/traces")
    told = start_trace.environment("http://127.0.0.1:4318")
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" not in told
    for wrong in ("127.0.0.1:4318", "", "grpc://host:4317", "http://", "http://host:70000"):
        with pytest.raises(RequestError, match="address of a receiver"):
            start_trace.environment(wrong)
    command = [sys.executable, "-m", "golem_launcher.cli", "start", "--name", "other", "--trace-to", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * slower())
    assert (done.returncode, "address of a receiver" in done.stderr) == (2, True)
    assert not (paths.sessions_directory() / "other").exists()
    del receiver
