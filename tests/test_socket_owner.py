"""Who is at the other end of a connection."""

import os
import socket
import struct

import pytest

from golem_launcher import socket_owner


def test_the_kernel_is_asked_whose_a_connection_is():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        assert socket_owner.owner(near.getsockname(), near.getpeername()) == os.geteuid()
        with pytest.raises(OSError, match="no such socket"):
            socket_owner.owner(("192.0.2.1", 1), near.getpeername())  # another machine's
        with pytest.raises(OSError, match="no such socket"):
            socket_owner.owner(("127.0.0.1", 1), ("127.0.0.1", 2))


@pytest.mark.parametrize("lingers", [True, False])
def test_whoever_has_closed_a_connection_by_then_is_not_taken_for_root(monkeypatch, lingers):
    """Another user's program could send a request, close, and have it answered as the user's: the kernel says uid 0."""
    monkeypatch.setattr(socket_owner.os, "geteuid", lambda: 1000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as near:
            near.sendall(b"POST / HTTP/1.1\r\n\r\n")
            far, place = server.accept()
            if not lingers:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        with far:
            assert far.recv(4) == b"POST"
            with pytest.raises(ConnectionAbortedError):
                socket_owner.owner(place, server.getsockname())
            assert socket_owner.is_another_person(place, server.getsockname())
            assert not socket_owner.is_ours(_Peer(place, server.getsockname()))


class _Peer:
    def __init__(self, peer, mine):
        self._names = {"peername": peer, "sockname": mine}

    def get_extra_info(self, name):
        return self._names[name]
