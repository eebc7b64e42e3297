"""Who is at the other end of a connection."""

import os
import socket

import pytest

from golem_launcher import socket_owner


def test_the_kernel_is_asked_whose_a_connection_is():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        assert socket_owner.owner(near.getsockname(), near.getpeername()) == os.geteuid()
        with pytest.raises(OSError, match="no such socket"):
            socket_owner.owner(("127.0.0.1", 1), near.getpeername())
