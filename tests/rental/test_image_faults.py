"""Whose fault it is that a package did not start: a provider's, or the image's, once two of them say so."""

import json
from decimal import Decimal

import pytest

from golem_launcher.agent import exit_report
from golem_launcher.errors import ImageBlamed, ProviderError
from golem_launcher.events import ProviderChosen, Stage
from golem_launcher.market import history
from golem_launcher.rental.activity_spec import ActivitySpec
from golem_launcher.request import parse_request
from golem_launcher.session import client
from golem_launcher.session.supervision import preload
from golem_launcher.workload import shell_launch
from golem_launcher.workload.shipment import Shipment
from tests.networks import own_network
from tests.patience import slower
from tests.session.conftest import explain

LACKS = (
    f"{shell_launch.SHELL_RUNS}\n{exit_report.Report(exit_report.IMAGE, 'There is no Python (python3) in it.').line}"
)
_WORDS = "The image can't run JupyterLab: There is no Python (python3) in it"
_LIES = f"misbehaviour = {{ fail_run = {json.dumps(LACKS)} }}"

_NETWORK = f"""
terminate_seconds = 0

[[provider]]
name = "liar"
price_hour = 0.001
{_LIES}

[[provider]]
name = "second-liar"
price_hour = 0.1
{_LIES}

[[provider]]
name = "honest"
price_hour = 5
"""


@pytest.mark.parametrize("said", [LACKS, ""])
@pytest.mark.parametrize("known", [False, True])
def test_an_image_is_blamed_only_where_what_is_in_it_is_not_known(said, known):
    preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
    from yapapi.rest.activity import CommandExecutionError  # noqa: PLC0415

    from golem_launcher.rental.activity_run import _failure  # noqa: PLC0415

    argv = shell_launch.python("agent")
    package = ActivitySpec("JupyterLab", "JupyterLab as well", Shipment((), argv, ()), 2.0, image_is_known=known)
    error = CommandExecutionError("Run {}", "ExeScript command exited with code 9", said)
    failure = _failure(error, package)
    assert type(failure) is (ProviderError if known else ImageBlamed)
    assert known or failure.remedy.endswith("Python 3.9 or newer, and JupyterLab as well.")


@pytest.fixture(scope="module")
def _network(tmp_path_factory):
    with own_network(tmp_path_factory.mktemp("blame"), _NETWORK) as network:
        yield network


def result(name, **fields):
    """The session as it became ready or ended, and whom it came to."""
    request = {"name": name, "image": "somebody/new:1", "budget": 5, "disk_gib": 0.5, **fields}
    directory = client.start(parse_request(request))
    state = client.wait_for(directory, lambda state: state.stage is Stage.READY or state.stage.final, 120 * slower())
    state = state or directory.state()
    tried = [event.provider_name for event in directory.events()[0] if isinstance(event, ProviderChosen)]
    return state, tried, explain(directory)


@pytest.mark.slow
@pytest.mark.usefixtures("_network")
class TestSessions:
    """Each in an image that nobody knows; the local network boots its own instead."""

    def test_one_providers_word_ends_no_session(self):
        state, tried, why = result("one", deny=["second-liar"])
        assert state.stage is Stage.READY, why
        assert tried == ["liar", "honest"]
        client.stop("one")
        assert history.read()[_id("liar")].failures == 1  # it was wrong, as is known now

    def test_two_are_believed(self):
        state, tried, why = result("two")
        assert state.reason.startswith(f"{_WORDS} (so say "), why
        assert set(tried) == {"liar", "second-liar"}
        assert "Choose another image" in state.reason
        assert state.cost < Decimal("0.01")

    def test_where_nobody_else_is_there_the_image_is_named_with_what_to_do(self):
        state, tried, why = result("alone", allow=["liar"])
        assert state.reason.startswith(f"{_WORDS} (nobody else was found to try it, and so says liar)."), why
        assert tried == ["liar"]
        assert "Choose another image" in state.reason


def _id(name):
    return next(key for key, record in history.read().items() if record.name == name)
