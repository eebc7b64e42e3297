import pytest

from golem_launcher.access.machine import tcp_carrier_client as module
from golem_launcher.agent import tcp_carrier


@pytest.fixture(scope="module")
def short_farewells():
    """The far sides here do not say goodbye, and are not waited for long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CLOSE_SECONDS", 0.1)
        patch.setattr(tcp_carrier, "_RESET_SECONDS", 0.1)
        yield
