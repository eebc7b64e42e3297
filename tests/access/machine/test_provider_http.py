"""The supervisor's own requests, over streams that are dialled."""

import asyncio
import contextlib
import io

import aiohttp
import pytest
from aiohttp import web

from golem_launcher.access.machine.provider_http import ProviderHttp
from golem_launcher.access.sockets.in_process_stream import DuplexStream, Pipe
from golem_launcher.errors import AccessError
from tests.dialling import to_origin
from tests.patience import slower

TIMEOUT = aiohttp.ClientTimeout(total=20)
LARGE = bytes(range(256)) * 32 * 1024  # 8 MiB


class Server:
    """A server of this computer, whose dials are counted."""

    def __init__(self):
        self.dialled = 0
        self._runner = None
        self._dial = None

    async def __aenter__(self):
        app = web.Application(client_max_size=2 * len(LARGE))
        app.router.add_get("/large", self._large)
        app.router.add_post("/echo", self._echo)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._dial = to_origin(f"http://127.0.0.1:{self._runner.addresses[0][1]}")
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def dial(self):
        self.dialled += 1
        return await self._dial()

    async def _large(self, request):
        return web.Response(body=request.headers["Authorization"].encode() + LARGE)

    async def _echo(self, request):
        return web.Response(body=await request.read())


def test_answers_come_whole_and_a_connection_is_used_again():
    async def ask():
        async with Server() as server, contextlib.aclosing(ProviderHttp(server.dial, "secret")) as client:
            for _ in range(2):
                async with await client.request("GET", "/large", timeout=TIMEOUT) as response:
                    assert await response.read() == b"token secret" + LARGE
            async with await client.request("POST", "/echo", timeout=TIMEOUT, data=io.BytesIO(LARGE)) as response:
                assert await response.read() == LARGE
            assert server.dialled == 1

    asyncio.run(asyncio.wait_for(ask(), 30 * slower()))


def test_a_slow_reader_holds_up_the_other_side_and_not_memory():
    outward, inward = Pipe(), Pipe()

    async def dial():
        return DuplexStream(inward, outward, inward.break_off)

    async def serve():
        await outward.read(65536)
        inward.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE))
        for start in range(0, len(LARGE), 65536):
            inward.write(LARGE[start : start + 65536])
            await inward.drain()
            serve.sent = start + 65536

    async def ask():
        async with contextlib.aclosing(ProviderHttp(dial, "secret")) as client:
            serving = asyncio.create_task(serve())
            async with await client.request("GET", "/", timeout=TIMEOUT) as response:
                for _ in range(1000):  # turns of the loop: all that can move has moved
                    await asyncio.sleep(0)
                assert serve.sent < len(LARGE) / 2
                assert await response.read() == LARGE
            await serving

    asyncio.run(asyncio.wait_for(ask(), 30 * slower()))


def test_what_is_sent_waits_for_who_takes_it():
    outward, inward = Pipe(), Pipe()
    given = 0

    async def dial():
        return DuplexStream(inward, outward, inward.break_off)

    async def body():
        nonlocal given
        for start in range(0, len(LARGE), 65536):
            yield LARGE[start : start + 65536]
            given = start + 65536

    async def ask():
        async with contextlib.aclosing(ProviderHttp(dial, "secret")) as client:
            asking = asyncio.create_task(client.request("POST", "/", timeout=TIMEOUT, data=body()))
            for _ in range(1000):
                await asyncio.sleep(0)
            assert 0 < given < len(LARGE) / 2
            while not (await outward.read(65536)).endswith(b"0\r\n\r\n"):
                pass
            inward.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert (await asking).status == 204
            assert given == len(LARGE)

    asyncio.run(asyncio.wait_for(ask(), 30 * slower()))


@pytest.mark.parametrize("refusal", [AccessError("The way to the provider is closed."), ConnectionRefusedError()])
def test_no_way_there_is_a_failed_connection(refusal):
    async def dial():
        raise refusal

    async def ask():
        async with contextlib.aclosing(ProviderHttp(dial, "secret")) as client:
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.request("GET", "/", timeout=TIMEOUT)

    asyncio.run(ask())


def test_a_stream_that_breaks_or_ends_early_is_told_to_who_reads():
    async def ask(end):
        inward = Pipe()

        async def dial():
            return DuplexStream(inward, Pipe(), inward.break_off)

        async with contextlib.aclosing(ProviderHttp(dial, "secret")) as client:
            asking = asyncio.create_task(client.request("GET", "/", timeout=TIMEOUT))
            inward.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            async with await asking as response:
                end(inward)
                with pytest.raises(aiohttp.ClientError):
                    await response.read()

    for end in (Pipe.break_off, Pipe.write_eof):
        asyncio.run(asyncio.wait_for(ask(end), 30 * slower()))


def test_a_stream_is_closed_of_which_the_request_was_given_up_meanwhile():
    closed = asyncio.Event()
    dialled = asyncio.Event()

    async def dial():
        dialled.set()
        return DuplexStream(Pipe(), Pipe(), closed.set)

    async def ask():
        async with contextlib.aclosing(ProviderHttp(dial, "secret")) as client:
            asking = asyncio.create_task(client.request("GET", "/", timeout=TIMEOUT))
            await dialled.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await closed.wait()

    asyncio.run(asyncio.wait_for(ask(), 30 * slower()))


def test_closing_the_client_closes_its_streams():
    closed = asyncio.Event()

    async def ask():
        inward = Pipe()

        async def dial():
            return DuplexStream(inward, Pipe(), closed.set)

        async with contextlib.aclosing(ProviderHttp(dial, "secret")) as client:
            asking = asyncio.create_task(client.request("GET", "/", timeout=TIMEOUT))
            inward.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert (await asking).status == 204
            assert not closed.is_set()
        await closed.wait()

    asyncio.run(asyncio.wait_for(ask(), 30 * slower()))
