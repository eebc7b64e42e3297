"""A file that is offered for as long as a session lives, between two real daemons."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os

import pytest

from golem_launcher.errors import BusError
from golem_launcher.node.gftp import offering, transfer
from golem_launcher.node.gftp.offering import Offering
from golem_launcher.node.gftp.publisher import BusPublisher
from golem_launcher.node.gsb import GsbClient
from golem_launcher.waiting import cancel_all, wait_for
from tests.patience import slower
from tests.yagna_daemon import start


@pytest.fixture
def way(way, monkeypatch):
    monkeypatch.setattr(offering, "_LOOK_SECONDS", 0.3)
    return way


@pytest.fixture
def image(tmp_path):
    """Of another content each time: a name that yagna's REST API served once is not given back to the bus."""
    path = tmp_path / "image"
    path.write_bytes(os.urandom(700_000))
    return path


async def fetched(provider, url, path, content):
    """The file as a provider gets it, once it is offered (again)."""
    while not path.exists() or path.read_bytes() != content:
        with contextlib.suppress(BusError):
            await transfer.download(provider, url, path)
        await asyncio.sleep(0.05)
    return path.read_bytes()


async def lose(publisher):
    """What a node does that ends."""
    if isinstance(publisher, BusPublisher):
        await publisher.bus.aclose()
    else:
        await cancel_all(*publisher._served.values())


@pytest.mark.usefixtures("way")
def test_one_takes_the_place_of_another_that_ends(network, image, tmp_path):
    content = image.read_bytes()

    async def run():
        first, second = Offering(image), Offering(image)
        async with await GsbClient.connect(network.provider.gsb_url) as provider:
            url = await first.start()
            assert url == f"gftp://{network.requestor_id}/{hashlib.sha3_256(content).hexdigest()}"
            assert await second.start() == url  # providers know the image by one address
            assert second.served is None
            assert await fetched(provider, url, tmp_path / "one", content) == content
            assert first.served >= len(content)
            known = isinstance(first._publisher, BusPublisher)  # yagna's REST API does not say who asks
            assert first.served_to(network.provider_id) == (first.served if known else None)
            assert first.served_to(network.requestor_id) == (0 if known else None)
            await first.aclose()
            assert await wait_for(fetched(provider, url, tmp_path / "two", content), 60 * slower()) == content
            assert second.served >= len(content)
            await second.aclose()
            with pytest.raises(BusError):
                await transfer.download(provider, url, tmp_path / "three")

    asyncio.run(run())


@pytest.mark.usefixtures("way")
def test_it_is_offered_again_after_the_connection_was_lost(network, image, tmp_path):
    content = image.read_bytes()

    async def run():
        one = Offering(image)
        async with await GsbClient.connect(network.provider.gsb_url) as provider:
            url = await one.start()
            lost = one._publisher
            await lose(lost)
            assert not lost.connected
            while one._publisher in {None, lost} or one.served is None:  # noqa: ASYNC110 - it looks now and then itself
                await asyncio.sleep(0.02)
            assert await wait_for(fetched(provider, url, tmp_path / "again", content), 60 * slower()) == content
            await one.aclose()

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("way", ["bus", "rest", "rest after the bus"])
def test_it_is_offered_again_by_a_node_that_was_started_anew(network, image, tmp_path, monkeypatch, way):
    """The provider that asks was not there before: nobody has any of the file yet."""
    monkeypatch.setattr(offering, "_LOOK_SECONDS", 0.3)
    content = image.read_bytes()
    with start(network.router.port, "restarted") as daemon:
        for name, value in (
            ("GSB_URL", daemon.gsb_url), ("YAGNA_API_URL", daemon.api_url), ("YAGNA_APPKEY", daemon.app_key),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        if way == "rest":
            monkeypatch.delenv("GSB_URL")

        async def run():
            one = Offering(image)
            url = await one.start()
            try:
                await asyncio.to_thread(daemon.kill)
                if way == "rest after the bus":  # which is what is left when the bus is late, or elsewhere
                    monkeypatch.setenv("GSB_URL", f"unix:{tmp_path}/none")
                await asyncio.to_thread(daemon.begin)
                async with await GsbClient.connect(network.provider.gsb_url) as provider:
                    assert await wait_for(fetched(provider, url, tmp_path / "got", content), 60 * slower()) == content
                assert one.served >= len(content)
            finally:
                await one.aclose()

        asyncio.run(run())


def test_without_a_node_it_says_so(image, monkeypatch):
    monkeypatch.setenv("GSB_URL", "tcp://127.0.0.1:9")
    monkeypatch.delenv("YAGNA_API_URL", raising=False)

    async def run():
        one = Offering(image)
        with pytest.raises(BusError):
            await one.start()
        await one.aclose()

    asyncio.run(run())
