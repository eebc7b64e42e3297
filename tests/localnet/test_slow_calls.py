import asyncio
import time

from golem_launcher.localnet.slow_calls import SlowCalls
from tests.patience import slower


class Bus:
    async def call_raw(self, address, data, *, caller="", timeout=30.0):  # noqa: ARG002 - as the bus has it
        return b"x" * 900


def test_calls_share_a_line_and_each_takes_its_way_there_and_back():
    async def scene(line, calls):
        begun = time.monotonic()
        replies = await asyncio.gather(*(line.call_raw("a", b"y" * 100) for _ in range(calls)))
        assert replies == [b"x" * 900] * calls
        return time.monotonic() - begun

    assert asyncio.run(scene(SlowCalls(Bus(), delay=0.1, rate=0), 20)) >= 0.2
    assert asyncio.run(scene(SlowCalls(Bus(), delay=0.0, rate=10_000), 5)) >= 0.5
    assert asyncio.run(scene(SlowCalls(Bus(), delay=0.0, rate=0), 100)) < 5 * slower()
