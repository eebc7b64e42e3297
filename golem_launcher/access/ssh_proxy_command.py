"""``python -m golem_launcher.access.ssh_proxy_command SOCKET MACHINE PORT``: joins stdin and stdout to a port.

What ssh starts as its ``ProxyCommand``: every millisecond until the first byte is one that a person waits, so it is
made of threads and imports little. ``SOCKET`` is the path of the session's port socket, ``MACHINE`` a number.

Its name stays: ``golem-launcher ssh-config`` writes it into lines that users keep in their ``~/.ssh/config``.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading

from golem_launcher.agent.whole_number import whole

_PIECE = 65536
_USAGE = 2


def join(socket_path: str, machine: int, port: int, read: int, write: int) -> None:
    """Copy from descriptor ``read`` to ``port`` of a ``machine`` and back to ``write``, until the far side ends.

    Raises ``OSError``, also when the connection broke: the port socket is closed then, and not just its one direction.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(socket_path)
        connection.sendall(b"%d %d\n" % (machine, port))
        sending = threading.Thread(target=_send, args=(read, connection), daemon=True)
        sending.start()
        received = 0
        while data := connection.recv(_PIECE):
            received += len(data)
            view = memoryview(data)
            while view:
                view = view[os.write(write, view) :]
        if is_closed(connection) and (sending.is_alive() or not received):
            raise ConnectionResetError("it broke")


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end of a unix socket is closed in both directions."""
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(0))


def _send(read: int, connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the far side has ended: the other thread knows
        while data := os.read(read, _PIECE):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def main() -> int:
    """Run the command. Exit code 0 when the far side ends, 1 if it can't be reached, 2 for wrong arguments."""
    arguments = sys.argv[1:]
    machine, port = map(whole, arguments[1:]) if len(arguments) == 3 else (None, None)  # noqa: PLR2004
    if machine is None or port is None:
        sys.stderr.write("usage: python -m golem_launcher.access.ssh_proxy_command SOCKET MACHINE PORT\n")
        return _USAGE
    # `ssh -f` leaves its terminal, but not its ProxyCommand with it: the tunnel would end when the terminal is closed.
    # An ssh that ends with the terminal closes our standard input.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        join(arguments[0], machine, port, 0, 1)
    except OSError as error:
        sys.stderr.write(f"golem-launcher: no connection to port {port}: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the other thread may wait for input for ever
