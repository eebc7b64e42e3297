"""A workload that is waited for at a provider that may be gone. Without a network."""

import asyncio
from types import SimpleNamespace

import pytest

from golem_launcher import paths
from golem_launcher.errors import NodeUnreachable, ProviderError, ProviderGone
from golem_launcher.market.prices import CPU, DURATION
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.rental.payment.money import Money
from golem_launcher.request import LaunchRequest
from golem_launcher.session.endpoints.machine_slot import HEAD, MachineRecorder, MachineSlot
from golem_launcher.session.machines import provider_watch
from golem_launcher.session.machines.workload_start import WorkloadStart
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.workload.lab import LAB
from tests.patience import slower

RENTED = SimpleNamespace(agreement_id="a", activity_id="b", network_id="net", own_disk=True, provider_name="p")


def answers(value):
    async def answer(*_, **__):
        return value

    return answer


class Silent:
    """A client of a workload that never answers."""

    answers = has_ended = staticmethod(answers(value=False))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


@pytest.fixture
def waited_for(tmp_path, monkeypatch):
    """Wait for a workload whose agent runs; what the wait ends in. Options say how things are."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    for name in ("_ROUND_SECONDS", "_REASON_SECONDS", "_REFUSED_SECONDS"):
        monkeypatch.setattr(provider_watch, name, 0.02)
    monkeypatch.setattr(provider_watch, "_REPORT_SECONDS", 0.2)
    request = LaunchRequest(name="started")
    directory = create_session_directory(request)
    recorder = Recorder(directory)

    def wait(*, refuses=False, counters=(DURATION, CPU), deploys=True, sends=False, **rest):
        endpoint = SimpleNamespace(
            client=Silent, refuses=answers(refuses), point_at=lambda *_: None, endpoint_token="token"
        )

        async def attach(_):
            return [] if not sends else await asyncio.Event().wait()

        files = SimpleNamespace(attach=attach)
        slot = MachineSlot(LAB, endpoint, MachineRecorder(recorder, HEAD), files, directory.workload_log)
        calls = {"activity_state": "Ready", "agreement": {}, "activity_usage": (1.0, 1.0), "networks": []}
        session = SimpleNamespace(
            money=Money(request.budget, Journal.create(directory.path), recorder),
            network=SimpleNamespace(sleeps_along=False, patience=SimpleNamespace(silent=0.1, start=3600)),
            connection=SimpleNamespace(node=None),
            choice=SimpleNamespace(request=request),
            rest=SimpleNamespace(**{**{name: answers(value) for name, value in calls.items()}, **rest}),
        )

        async def deployed():
            if not deploys:
                await asyncio.Event().wait()
            return RENTED

        activity = SimpleNamespace(
            agreement_id="a",
            agreement=SimpleNamespace(activity_id="b", price=SimpleNamespace(counters=counters)),
            created=answers(None),
            deploy=lambda: None,
            deployed=deployed,
            bulk_transfer=lambda: None,
            last_words=answers(""),
        )

        async def until_ready():
            await asyncio.wait_for(WorkloadStart(session, slot).until_ready(activity, lambda: None), 0.7 * slower())

        asyncio.run(until_ready())

    yield wait
    recorder.close()


@pytest.mark.parametrize("deploys", [True, False])
def test_one_that_ended_the_agreement_is_left_with_its_reason(waited_for, deploys):
    ended = answers({"state": "Terminated"})
    with pytest.raises(ProviderGone, match="ended the agreement: it shuts down"):
        waited_for(agreement=ended, termination_reason=answers({"golem.provider.code": "Shutdown"}), deploys=deploys)


def test_one_whose_activity_is_over_is_left(waited_for):
    with pytest.raises(ProviderGone, match="ended the session"):
        waited_for(activity_state=answers("Terminated"), termination_reason=answers({}))


@pytest.mark.parametrize("deploys", [True, False])
def test_one_that_is_silent_is_left(waited_for, deploys):
    with pytest.raises(ProviderGone, match="vanished"):
        waited_for(deploys=deploys)


@pytest.mark.parametrize("sends", [True, False])
def test_one_where_nobody_takes_connections_is_left_while_files_are_sent_too(waited_for, sends):
    with pytest.raises(ProviderError, match="could not be started"):
        waited_for(refuses=True, counters=(CPU,), sends=sends)


async def _away(*_, **__):
    raise NodeUnreachable("It does not answer.")


@pytest.mark.parametrize(
    "kind",
    [
        {"counters": (CPU,)},  # its usage need not grow
        {"activity_state": answers("Terminated"), "deploys": False, "counters": ()},  # another one is tried first
        {"activity_state": _away, "refuses": True, "networks": _away},  # so it is not to be heard
    ],
)
def test_one_that_may_be_there_is_waited_for(waited_for, kind):
    with pytest.raises(TimeoutError):
        waited_for(**kind)
