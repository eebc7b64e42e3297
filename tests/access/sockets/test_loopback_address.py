import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.access.sockets.listener import bind
from golem_launcher.access.sockets.loopback_address import loopback_address, reserved
from golem_launcher.errors import AccessError
from tests.access.squatter import squatter


@given(st.text())
def test_an_address_of_its_own_in_the_loopback_network_and_no_other(name):
    address = ipaddress.IPv4Address(loopback_address(name))
    assert address.is_loopback
    assert 128 <= address.packed[1] <= 254  # not 127.0.0.1, and not where activities of the local network live
    assert 1 <= address.packed[3] <= 254


def test_it_is_the_same_each_time_until_somebody_listens_there():
    first = loopback_address("my-session")
    assert loopback_address("my-session") == first
    with socket.create_server((first, 0)):
        other = loopback_address("my-session")
        assert other != first
        assert loopback_address("my-session") == other
    assert loopback_address("my-session") == first


def test_names_get_different_addresses():
    assert len({loopback_address(f"session-{number}") for number in range(200)}) == 200


def test_who_listens_hands_a_port_on_and_nobody_else_has_it_meanwhile():
    first = bind("127.0.0.1", 0, shared=True)
    place = (first.host, first.number)
    with squatter(place) as took:
        with reserved(place):
            first.socket.close()
            with pytest.raises(AccessError, match="already in use"):
                bind(*place)
            second = bind(*place, shared=True)
        assert not took()
    with (
        socket.create_server((first.host, 0)) as other,
        pytest.raises(OSError, match="already in use"),
        reserved(other.getsockname()),
    ):
        pass
    second.socket.close()
    with squatter(place) as took:
        while True:
            try:
                bind(*place).socket.close()
            except AccessError:
                break
        assert took(), "free, it is anybody's: what was tried above could have succeeded"
