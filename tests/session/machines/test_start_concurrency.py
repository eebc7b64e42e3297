"""Machines on this computer begin while it has room for them, others all together."""

import asyncio
import time

import pytest

from golem_launcher.session.machines.start_concurrency import StartConcurrency
from tests.patience import slower


def busy():
    return time.monotonic(), 0.0


def idle():
    return time.monotonic(), 2 * time.monotonic()


async def _make_ready(turns, begun, end):
    async with turns.next(), turns.room():
        begun.count += 1
        begun.set()
        await end.wait()


class Begun(asyncio.Event):
    count = 0


async def reaches(begun, count):
    """Wait until so many have begun."""
    async with asyncio.timeout(10 * slower()):
        while begun.count < count:
            begun.clear()
            await begun.wait()


@pytest.mark.parametrize(("here", "clock", "most"), [(True, busy, 2), (True, idle, 12), (False, busy, 12)])
def test_so_many_are_made_ready_at_a_time_and_the_next_when_one_is(here, clock, most):
    async def story():
        turns, begun = StartConcurrency(here=here, clock=clock), Begun()
        ends = [asyncio.Event() for _ in range(most + 1)]
        making = [asyncio.create_task(_make_ready(turns, begun, end)) for end in ends]
        await reaches(begun, most)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await reaches(begun, most + 1)
        ends[0].set()
        await reaches(begun, most + 1)

        for end in ends:
            end.set()
        await asyncio.gather(*making)

    asyncio.run(story())


@pytest.mark.parametrize(("cores", "begin"), [(0.2, 2), (0.7, 3), (2.0, 6)])
def test_as_many_begin_at_once_as_there_is_room_for(cores, begin):
    async def story():
        looks = iter([(0.0, 0.0), (1.0, cores)])
        blocked = asyncio.Event()

        def clock():
            try:
                return next(looks)
            except StopIteration:  # a second look: nothing is left
                blocked.set()
                return 2.0, cores

        turns, begun, end = StartConcurrency(here=True, clock=clock), Begun(), asyncio.Event()
        making = [asyncio.create_task(_make_ready(turns, begun, end)) for _ in range(12)]
        async with asyncio.timeout(10 * slower()):
            await blocked.wait()
        assert begun.count == begin
        end.set()
        await asyncio.gather(*making)

    asyncio.run(story())


def test_those_for_which_there_is_no_room_yet_have_their_providers():
    async def story():
        turns, rented = StartConcurrency(here=True, clock=busy), Begun()

        async def make_ready():
            async with turns.next():
                rented.count += 1
                rented.set()
                async with turns.room():
                    await asyncio.Event().wait()

        making = [asyncio.create_task(make_ready()) for _ in range(5)]
        await reaches(rented, 5)
        for one in making:
            one.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        async with asyncio.timeout(10 * slower()), turns.room():  # and have left no trace
            pass

    asyncio.run(story())
