"""Calls, streams and registrations between two real daemons that our router joins."""

from __future__ import annotations

import asyncio

import pytest

from golem_launcher.errors import BusCallError, BusClosed, BusError
from golem_launcher.node.gsb import GsbClient, err, ok


def test_calls_cross_the_router(network):
    async def run():
        async with (
            await GsbClient.connect(network.requestor.gsb_url) as requestor,
            await GsbClient.connect(network.provider.gsb_url) as provider,
        ):
            await provider.register("/public/echo", lambda call: ok([call.component, call.caller, call.payload()]))
            value = {"a": [1, -2, 2.5, None, True, "ü", b"\0\xff"], "long": "x" * 70_000}
            answer = await requestor.call(f"/net/{network.provider_id}/echo/Say", value)
            assert answer == ["Say", network.requestor_id, value]
            answer = await network.on_router(
                network.router.call(f"/net/{network.provider_id}/echo/Say", 1, caller="0x1")
            )
            assert answer == ["Say", "0x1", 1]

            async def parts(call):
                for number in range(call.payload()):
                    yield ok(number)

            await provider.register("/public/count", parts)
            stream = requestor.stream(f"/net/{network.provider_id}/count/To", 100)
            assert [part async for part in stream] == list(range(100))

            async def fail(_):
                raise BusCallError("no such thing")

            await provider.register("/public/fail", fail)
            await provider.register("/public/err", lambda _: err({"ReadError": "gone"}))
            with pytest.raises(BusCallError, match="no such thing"):
                await provider.call("/public/fail/x", None)
            with pytest.raises(BusCallError, match="not there, or it failed"):
                await requestor.call(f"/net/{network.provider_id}/fail/x", None)
            with pytest.raises(BusCallError, match="ReadError: gone"):
                await requestor.call(f"/net/{network.provider_id}/err/x", None)

    asyncio.run(run())


def test_a_hundred_connections_at_once(network):
    # yagna's own router drops calls when more than some sixteen wait for one receiver, so few are made at once
    turns = asyncio.Semaphore(8)
    connected = asyncio.Barrier(100) if hasattr(asyncio, "Barrier") else None

    async def one(number):
        async with await GsbClient.connect(network.requestor.gsb_url, deadline=30) as client:
            if connected is not None:
                await connected.wait()
            async with turns:
                return await use(client, number)

    async def use(client, number):
        await client.register(f"/public/many/{number}", lambda _: ok(number))
        assert await client.call(f"/public/many/{number}/x", None) == number
        data = bytes([number]) * 30_000
        return await client.call(f"/net/{network.provider_id}/inside/x", data) == data

    async def run():
        await network.attach(f"/net/{network.provider_id}/inside", lambda call: ok(call.payload()))
        try:
            assert all(await asyncio.gather(*map(one, range(100))))
        finally:
            await network.detach(f"/net/{network.provider_id}/inside")

    asyncio.run(run())


def test_registering_twice_and_again(network):
    async def run():
        async with (
            await GsbClient.connect(network.provider.gsb_url) as one,
            await GsbClient.connect(network.provider.gsb_url) as other,
        ):
            await one.register("/public/mine", lambda _: ok("one"))
            with pytest.raises(BusCallError) as caught:
                await other.register("/public/mine", lambda _: ok("other"))
            assert caught.value.code == 409
            await one.unregister("/public/mine")
            await other.register("/public/mine", lambda _: ok("other"))
            assert await one.call("/public/mine/x", None) == "other"

    asyncio.run(run())


def test_a_client_says_when_there_is_no_bus_or_it_ends(network, tmp_path):
    async def run():
        with pytest.raises(BusError, match="Can't connect"):
            await GsbClient.connect(f"unix:{tmp_path}/none")
        with pytest.raises(BusError, match="address like"):
            await GsbClient.connect("http://localhost")
        client = await GsbClient.connect(network.provider.gsb_url)
        await client.aclose()
        assert client.closed.is_set()
        with pytest.raises(BusClosed):
            await client.call("/public/x/y", None)
        assert not client.post("/public/x/y", b"")

    asyncio.run(run())
