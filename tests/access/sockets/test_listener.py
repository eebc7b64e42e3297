"""What listens on this computer: other users are told nothing, answers go out at once, and who has gone is noticed."""

import asyncio
import ctypes
import errno
import os
import socket
import stat
import struct
import subprocess
import sys
import urllib.request

import pytest

from golem_launcher import paths
from golem_launcher.access.sockets import listener as listener_module
from golem_launcher.access.sockets.listener import Listener, bind
from golem_launcher.errors import AccessError
from tests.access.listeners import listening, told_to_strangers
from tests.patience import slower
from tests.session.conftest import command
from tests.session.jupyter import Jupyter

SECONDS = 60
_SO_ATTACH_FILTER = 26  # Linux's, which Python does not name


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


def test_an_address_that_is_taken_or_not_ours_is_an_error_in_words():
    async def serve(_reader, _writer):
        raise AssertionError

    async def scene():
        first = Listener(bind("127.0.0.1", 0), serve)
        await first.start()
        try:
            with pytest.raises(AccessError, match="Address already in use") as caught:
                await Listener(bind("127.0.0.1", first.port), serve).start()
            assert "Another program has the port" in caught.value.remedy
        finally:
            await first.aclose()
        for elsewhere in ("192.0.2.1", "no-such-host.invalid"):
            with pytest.raises(AccessError, match="can't listen") as caught:
                await Listener(bind(elsewhere, 0), serve).start()
            assert "address of this computer" in caught.value.remedy

    asyncio.run(scene())


def test_a_browser_that_is_gone_without_a_word_is_noticed(monkeypatch):
    """As when another machine falls asleep: its kernel answers nothing any more, asked or sent to."""
    seconds = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 2000}
    monkeypatch.setattr(listener_module, "_KEEPALIVE", seconds)

    async def noticed(*, busy):
        ended = asyncio.get_running_loop().create_future()

        async def serve(reader, writer):
            try:
                while busy:
                    writer.write(bytes(1 << 16))
                    await writer.drain()
                await reader.read(1)
            except OSError as error:
                ended.set_result(error)
                raise

        listener = Listener(bind("127.0.0.1", 0), serve)
        await listener.start()
        with socket.create_connection(("127.0.0.1", listener.port)) as browser:
            deaf(browser)
            await ended
        await listener.aclose()
        return ended.result()

    async def test():
        return await asyncio.gather(noticed(busy=False), noticed(busy=True))

    errors = asyncio.run(asyncio.wait_for(test(), SECONDS * slower()))
    assert [error.errno for error in errors] == [errno.ETIMEDOUT, errno.ETIMEDOUT]


def deaf(connection):
    """Has the kernel drop all that comes for a connection, unanswered: a filter of one instruction, "take 0 bytes"."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
