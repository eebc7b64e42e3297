import pytest

from golem_launcher.cli.options.session import number_of
from golem_launcher.errors import RequestError
from golem_launcher.session_state import MachineState, SessionState


def test_a_number_is_a_machines_number_and_no_providers_name():
    names = ("2", "attic", "3")
    machines = tuple(MachineState(number=at, provider_name=name) for at, name in enumerate(names, 1))
    state = SessionState(name="lab", network="local", machines=machines)
    assert [number_of(state, which) for which in (None, "2", "attic", "3")] == [1, 2, 2, 3]
    with pytest.raises(RequestError, match="no machine '4'"):
        number_of(state, "4")
