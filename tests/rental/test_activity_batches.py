"""BatchQueue that are given up at whatever moment: nobody waits for one that nobody runs. Without a provider."""

import asyncio
import contextlib

import pytest

from golem_launcher.errors import ProviderError
from golem_launcher.rental.activity_batches import BatchQueue


@pytest.mark.parametrize("turns", range(8))
def test_a_worker_that_is_ended_ends_and_loses_no_batch(turns):
    """The worker is cancelled so many turns of the loop after it was given something to do."""

    async def scenario():
        batches, seen = BatchQueue(), []

        async def work():
            try:
                while (batch := await batches.next()) is not None:
                    seen.append(batch)
            finally:
                batches.drop()

        working = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(batches.run(lambda _: None))
        for _ in range(turns):
            await asyncio.sleep(0)
        working.cancel()
        _, late = await asyncio.wait({working}, timeout=2)
        assert not late, "it goes on"
        for batch in seen:
            batch.succeed([])
        await asyncio.wait({waiting}, timeout=2)
        assert waiting.done(), "somebody waits for nothing"
        with contextlib.suppress(ProviderError):
            waiting.result()

    asyncio.run(scenario())
