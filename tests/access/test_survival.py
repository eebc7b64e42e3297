"""What a link survives: a computer that sleeps, a network that is away for a moment."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
import urllib.request

import aiohttp
import psutil
import pytest

from golem_launcher.access.sockets import port_socket
from golem_launcher.events import Stage
from golem_launcher.localnet import daemons
from golem_launcher.node import yagna_process
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from tests.patience import slower

pytestmark = pytest.mark.slow
SECONDS = 60
_NODES_PATIENCE = 10  # yagna ends a websocket that is silent for so long


@contextlib.contextmanager
def stopped(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def supervisor(directory):
    return liveness.supervisor(directory).pid


def node(network):
    return yagna_process.find_running(daemons.data_dir(network.directory, daemons.REQUESTOR)).record.pid


def status(directory):
    request = urllib.request.Request(
        f"{directory.state().address}/api/status", headers={"Authorization": f"token {directory.token()}"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS * slower()) as answer:
        return json.load(answer)


def test_five_hundred_requests_at_once_are_answered_and_cost_the_node_nothing(remote_session):
    directory, network = remote_session
    held = psutil.Process(node(network)).memory_info().rss

    async def scene():
        connector = aiohttp.TCPConnector(limit=0)
        headers = {"Authorization": f"token {directory.token()}"}
        async with aiohttp.ClientSession(directory.state().address, connector=connector, headers=headers) as browser:

            async def ask():
                async with browser.get("/api/status", headers={"Connection": "close"}) as answer:
                    await answer.read()
                    return answer.status

            return await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(500))), 8 * SECONDS * slower())

    statuses = asyncio.run(scene())
    assert statuses.count(200) > 450  # on a slow computer the last ones may have waited long enough
    assert status(directory)["kernels"] >= 0
    assert directory.state().stage is Stage.READY
    assert psutil.Process(node(network)).memory_info().rss - held < 300 << 20


def answers_again(directory):
    """The Lab's status once it answers, which must be soon."""
    end = time.monotonic() + SECONDS * slower()
    while True:
        try:
            return status(directory)
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_computer_that_sleeps(remote_session):
    directory, network = remote_session
    before = directory.state()
    started = status(directory)["started"]
    with stopped(supervisor(directory), node(network)):
        time.sleep(_NODES_PATIENCE + 2)  # nothing here runs, so nothing can be waited for
    assert answers_again(directory)["started"] == started
    state = client.wait_for(directory, lambda state: state.stage is Stage.READY, SECONDS * slower())
    assert (state.address, state.head.activity_id, state.providers_lost) == (before.address, before.head.activity_id, 0)


def test_a_network_that_is_away_for_a_moment(remote_session):
    """A connection that is open lives on, with what was said meanwhile."""
    directory, network = remote_session
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS * slower())
        connection.connect(str(port_socket.port_socket_path(directory.path)))
        connection.sendall(b"1 8888\n" + b"GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        with stopped(network.state["server"]["pid"]):  # hub and providers
            connection.sendall(b"X-Said: meanwhile\r\n\r\n")
            time.sleep(3)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert directory.state().providers_lost == 0
