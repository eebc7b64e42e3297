"""A line with 14 kB/s by the tunnel, as it is with 5 % loss and 300 ms there and back; a file transfer does better."""

import asyncio
import math
import os
import time

import pytest

from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.restore import restore_into
from golem_launcher.workspace.transfer.saver import Saver
from golem_launcher.workspace.transfer.throughput import Throughput
from tests.dialling import to_origin
from tests.patience import slower
from tests.workspace.transfer.conftest import TOKEN, BulkTransfer
from tests.workspace.transfer.test_resuming import Cable

_TRANSFER_SECONDS, _TRANSFER_RATE, _TUNNEL_RATE = 2.0, 400_000, 14_000
"""What was measured on such a line; and a mebibyte of 14 kB/s takes 75 s."""


class SlowCable(Cable):
    async def _copy(self, reader, writer, *, count):  # noqa: ARG002
        try:
            while data := await reader.read(4 * 1024):
                await asyncio.sleep(len(data) / _TUNNEL_RATE)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


class SlowBulkTransfer(BulkTransfer):
    async def transfer_out(self, container_path, local_path):
        await asyncio.sleep(_TRANSFER_SECONDS)
        await super().transfer_out(container_path, local_path)
        await asyncio.sleep(local_path.stat().st_size / _TRANSFER_RATE)

    async def transfer_in(self, local_path, container_path):
        await asyncio.sleep(_TRANSFER_SECONDS + local_path.stat().st_size / _TRANSFER_RATE)
        await super().transfer_in(local_path, container_path)


@pytest.mark.slow
def test_a_megabyte_is_saved_and_put_back_within_twenty_seconds_each(provider, store):
    (provider.work / "data.bin").write_bytes(os.urandom(1 << 20))
    (provider.work / "note.txt").write_text("note")

    async def scenario():
        async with (
            SlowCable(provider) as cable,
            AgentWorkspace(to_origin(cable.url), TOKEN, SlowBulkTransfer(provider)) as agent,
        ):
            begun = time.monotonic()
            generation = await Saver(agent, store, "work").save_now(60)
            assert generation is not None
            assert generation.files == 2
            saved = time.monotonic()
            assert saved - begun < 20 * slower()
            for path in provider.work.iterdir():
                path.unlink()
            assert await restore_into(agent, store, store.manifest("work")) == []
            assert time.monotonic() - saved < 20 * slower()
            # What is tiny goes by the tunnel still.
            (provider.work / "note.txt").write_text("another")
            transfers = agent.bulk.out
            assert (await Saver(agent, store, "work", after=1).save_now(60)).number == 2
            assert agent.bulk.out == transfers

    asyncio.run(scenario())


def test_the_way_is_what_was_faster():
    throughput = Throughput()
    assert not throughput.prefers_bulk(100_000)
    assert throughput.prefers_bulk(20_000_000)
    for _ in range(5):
        throughput.tunnel_took(30_000, 2.0)
        throughput.tunnel_took(100_000, 7.0)
    assert throughput.prefers_bulk(100_000)
    for _ in range(8):
        throughput.bulk_took(2_000_000, 60.0)
    assert not throughput.prefers_bulk(100_000)
    for _ in range(12):
        throughput.tunnel_took(100_000, 0.05)
    assert not throughput.prefers_bulk(2_000_000)


def test_a_transfer_that_takes_long_to_begin_is_worth_it_for_more():
    throughput = Throughput()
    before = throughput.worth_a_transfer()
    assert throughput.prefers_bulk(before)
    throughput.bulk_took(3_500_000, 2.0)
    assert not throughput.prefers_bulk(3_500_000)
    assert throughput.prefers_bulk(throughput.worth_a_transfer())
    throughput.tunnel_took(100_000_000, 0.1)
    assert throughput.worth_a_transfer() == math.inf
