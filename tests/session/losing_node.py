"""The requestor's node of a local network is lost, and comes back: at its old address, or at another."""

import contextlib
import os
import signal
import socket
import threading

from golem_launcher.localnet import daemons
from golem_launcher.node import yagna_process


def daemon(network):
    return running(network).record.pid


def running(network):
    return yagna_process.find_running(daemons.data_dir(network.directory, daemons.REQUESTOR))


@contextlib.contextmanager
def kill(network):
    os.kill(daemon(network), signal.SIGKILL)
    yield


@contextlib.contextmanager
def kill_and_take_port(network):
    """It is started again at another address: somebody else was faster, who hangs up on everybody."""
    network_process, node = network.state["server"]["pid"], running(network)
    os.kill(network_process, signal.SIGSTOP)
    try:
        os.kill(node.record.pid, signal.SIGKILL)
        address = ("127.0.0.1", int(node.api_url.rpartition(":")[2]))
        while True:
            with contextlib.suppress(OSError):  # the dead one's last threads hold it for a moment
                server = socket.create_server(address)
                break
    finally:
        os.kill(network_process, signal.SIGCONT)

    def hang_up():
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        yield
        assert running(network).api_url != node.api_url
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()
