"""Waiting with a limit: a cancellation is never lost."""

import asyncio
import threading

import pytest

from golem_launcher.waiting import begun_in_thread, each_alone, first_of, wait_for


@pytest.mark.parametrize("turns", range(5))
def test_what_ends_while_its_waiter_is_cancelled(turns):
    async def scenario():
        answer = asyncio.get_running_loop().create_future()

        async def ask():
            return await answer

        waiting = asyncio.create_task(wait_for(ask(), 10))
        await asyncio.sleep(0)
        answer.set_result("done")
        for _ in range(turns):
            await asyncio.sleep(0)
        cancelled = waiting.cancel()  # False when it had ended
        await asyncio.wait({waiting})
        assert waiting.cancelled() == cancelled

    asyncio.run(scenario())


def test_a_time_out():
    async def scenario():
        seen = []

        async def ask():
            try:
                await asyncio.Event().wait()
            finally:
                seen.append("ended")

        with pytest.raises(asyncio.TimeoutError):
            await wait_for(ask(), 0.01)
        assert seen == ["ended"]
        with pytest.raises(asyncio.TimeoutError):
            await wait_for(asyncio.Event().wait(), 0)
        with pytest.raises(asyncio.TimeoutError):
            await wait_for(asyncio.get_running_loop().create_future(), -1)
        queue = asyncio.Queue()
        queue.put_nowait("here already")
        assert await wait_for(queue.get(), 0) == "here already"

    asyncio.run(scenario())


def test_of_two_the_first_ends_the_wait_and_the_other_is_cancelled():
    async def scenario():
        ended = []

        async def never():
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")

        async with first_of(asyncio.sleep(0, "done"), never()) as (one, other):
            assert one.result() == "done"
            assert not other.done()
        assert ended == ["cancelled"]
        async with first_of(never(), never(), 0.01) as pair:
            assert not any(each.done() for each in pair)
        with pytest.raises(ZeroDivisionError):
            async with first_of(never(), asyncio.to_thread(lambda: 1 / 0)) as (_, failed):
                failed.result()
        assert len(ended) == 4

    asyncio.run(scenario())


def test_what_is_given_back_is_given_back_though_something_else_could_not_be(caplog):
    async def scenario():
        async def broken():
            raise ZeroDivisionError

        async def slow():
            for _ in range(3):
                await asyncio.sleep(0)
            return "given back"

        gone = asyncio.create_task(asyncio.Event().wait())
        gone.cancel()
        assert await each_alone(broken(), slow(), gone) == ["given back"]

    asyncio.run(scenario())
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("works", [True, False])
def test_what_a_thread_began_is_undone_though_whoever_waits_is_interrupted_twice(works):
    begins, may_end, undone = threading.Event(), threading.Event(), []

    def begin():
        begins.set()
        assert may_end.wait(10)
        if not works:
            raise ValueError
        return "a session"

    async def scenario():
        waiting = asyncio.create_task(begun_in_thread(begin, undone.append))
        await asyncio.to_thread(begins.wait, 10)
        for _ in range(2):
            waiting.cancel()
            await asyncio.wait({waiting}, timeout=0.01)
        assert not waiting.done()
        may_end.set()
        await asyncio.wait({waiting})
        assert waiting.cancelled()

    asyncio.run(scenario())
    assert undone == ["a session"][: int(works)]


def test_what_a_thread_begins_is_there_then_and_its_failure_is_raised():
    def fail():
        raise ValueError

    assert asyncio.run(begun_in_thread(lambda: 1, pytest.fail)) == 1
    with pytest.raises(ValueError):  # noqa: PT011 - it is that one
        asyncio.run(begun_in_thread(fail, pytest.fail))
