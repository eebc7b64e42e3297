"""What listens while a session is busy: no more than must, and other users of this computer are told nothing."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
import urllib.request

import pytest

from golem_launcher import paths
from golem_launcher.access.sockets.listener import Listener, bind
from tests.access.listeners import listening, told_to_strangers
from tests.patience import slower
from tests.session.conftest import command
from tests.session.jupyter import Jupyter

SECONDS = 60


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_whoever_connects_to_a_listener_of_ours_is_asked_who_it_is(remote_session):
    directory, network = remote_session
    page = subprocess.Popen(
        [sys.executable, "-m", "golem_launcher.cli", "page", "--no-browser"], stdout=subprocess.PIPE, text=True
    )

    async def scene():
        async with Jupyter(directory.url()) as jupyter:
            assert await jupyter.execute("print(6 * 7)") == "42\n"
            await asyncio.to_thread(command, "save", "tunnel")
            found = await asyncio.to_thread(listening, network)
            return found, await asyncio.to_thread(told_to_strangers, found)

    try:
        address = next(line for line in page.stdout if "http://" in line)
        with urllib.request.urlopen(address[address.index("http://") :].strip(), timeout=SECONDS * slower()) as answer:
            answer.read(1)  # its kernel has started
            found, told = asyncio.run(scene())
    finally:
        page.terminate()
        page.wait(SECONDS * slower())
        page.stdout.close()
    names = [name for name, _, _ in found]
    link = directory.state().address.removeprefix("http://")
    # The registry of images and the hub; the node that rents and the one that is rented; the link; the page, and what
    # ipykernel opens for the output of forked programs: it takes what comes with the kernel's own secret.
    assert names == ["kernel", "network", "network", "page", "supervisor", "yagna", "yagna"], found
    assert [f"{host}:{port}" for name, host, port in found if name == "supervisor"] == [link]
    assert all(host.startswith("127.") for _, host, _ in found)
    for listener, answer in told.items():
        assert not answer.startswith("HTTP") or answer.split()[1] in {"401", "403"}, (listener, answer)
    for socket_file in paths.home().rglob("*.sock"):
        way = [socket_file, *socket_file.parents]
        private = [
            each
            for each in way[: way.index(paths.home()) + 1]
            if not each.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        ]
        assert private, socket_file


def test_a_small_answer_does_not_wait_for_what_went_before():
    """Two small pieces, as an answer's head and body are, one right after the other (Nagle's algorithm waits 40 ms)."""

    async def scene():
        options = []

        async def serve(_reader, writer):
            connection = writer.get_extra_info("socket")
            options.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        bound = bind("127.0.0.1", 0)
        listener = Listener(bound, serve)
        await listener.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", bound.number)
            assert await reader.read() == b""
            writer.close()
        finally:
            await listener.aclose()
        return options

    assert asyncio.run(scene()) == [1]
