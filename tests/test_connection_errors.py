"""What is said of an address at which nobody answers has neither a class of a library nor a number of the system."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import aiohttp
import pytest

from golem_launcher.connection_errors import silence_reason
from golem_launcher.errors import AccessError
from tests.own_address import own_address

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 65536


def _says_nothing(client: socket.socket) -> None:
    while client.recv(_LONGEST):
        pass


def _hangs_up(client: socket.socket) -> None:
    client.recv(_LONGEST)


def _babbles(client: socket.socket) -> None:
    client.recv(_LONGEST)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{")


async def _asked(listener: socket.socket) -> Exception:
    timeout = aiohttp.ClientTimeout(total=0.5)  # and by POST: a GET that is disconnected is sent once more
    url = "http://{}:{}".format(*listener.getsockname())
    try:
        async with aiohttp.ClientSession(timeout=timeout) as client, client.post(url) as response:
            await response.json()
    except (OSError, ValueError, aiohttp.ClientError) as error:
        return error
    pytest.fail("it answered")


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        (_says_nothing, "no answer in time"),
        (_hangs_up, "the connection broke off"),
        (_babbles, "its answer makes no sense"),
    ],
)
def test_a_server_that_gives_no_answer(serve: Callable[[socket.socket], None], said: str) -> None:
    def serve_one() -> None:
        with listener.accept()[0] as client:
            serve(client)

    with socket.create_server((own_address(), 0)) as listener:
        server = threading.Thread(target=serve_one)
        server.start()
        error = asyncio.run(_asked(listener))
        server.join()
    assert silence_reason(error) == said


def test_an_address_at_which_nobody_listens() -> None:
    with socket.socket() as nobody:
        nobody.bind((own_address(), 0))  # and never listens
        assert silence_reason(asyncio.run(_asked(nobody))) == "Connection refused"


def test_a_name_that_has_no_address() -> None:
    assert silence_reason(socket.gaierror(socket.EAI_NONAME, "Name or service not known")) == "its address is not known"


def test_a_way_in_that_says_why_itself() -> None:
    assert silence_reason(AccessError("The provider is gone.", "Choose another.")) == "The provider is gone"
