"""The node is killed and started anew while a provider makes ready: the session goes on, and blames nobody."""

import pytest

from golem_launcher.events import Stage
from golem_launcher.market import history
from golem_launcher.request import parse_request
from golem_launcher.session import client
from tests.networks import own_network
from tests.patience import slower
from tests.session.conftest import explain
from tests.session.losing_node import kill, kill_and_take_port

pytestmark = pytest.mark.slow

_NETWORK = """
terminate_seconds = 0
[[provider]]
name = "slow"
misbehaviour = { slow_deploy = 8.0 }

[[provider]]
name = "slow-too"
misbehaviour = { slow_deploy = 8.0 }
"""


@pytest.mark.parametrize("lose", [kill, kill_and_take_port])
def test_a_node_that_is_started_anew_while_a_provider_deploys(tmp_path, lose):
    with own_network(tmp_path, _NETWORK) as network:
        directory = client.start(parse_request({"name": "anew", "budget": 5, "disk_gib": 0.5}))
        assert client.wait_for(directory, lambda state: state.stage is Stage.DEPLOYING, 60 * slower()), explain(
            directory
        )
        with lose(network):
            state = client.wait_for(
                directory, lambda state: state.stage is Stage.READY or state.stage.final, 200 * slower()
            )
            assert state is not None, explain(directory)
            assert state.stage is Stage.READY, explain(directory)
            lines = [event.line for event in directory.events()[0]]
            assert any("The node was started anew meanwhile" in line for line in lines)
            assert any("answers at another address" in line for line in lines) is (lose is kill_and_take_port)
            assert sum(record.failures for record in history.read().values()) == 0
            assert client.stop("anew").stage is Stage.ENDED
