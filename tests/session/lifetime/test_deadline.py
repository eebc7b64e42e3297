"""No machine is rented beyond the hours that were asked for, wherever the session is by then."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from golem_launcher.errors import ProviderError, SessionError
from golem_launcher.request import LaunchRequest
from golem_launcher.session.lifetime import deadline as module
from golem_launcher.session.lifetime.deadline import Deadline
from golem_launcher.session.machines.head_machine import Head
from tests.patience import slower


class Renting:
    """Finds a machine never; what was begun of that is broken off."""

    def __init__(self, deadline, *, first=False):
        self.session = SimpleNamespace(request=LaunchRequest(), deadline=deadline)
        self.first = first
        self.broken_off = []

    async def rent(self, _demand):
        return SimpleNamespace() if self.first else await self._for_ever()

    async def lose(self, *_):
        return SimpleNamespace()

    async def make_good(self, _loss):
        return await self._for_ever()

    async def _for_ever(self):
        try:
            await asyncio.Event().wait()
        finally:
            self.broken_off.append(True)


async def work(renting, deadline):
    directory = SimpleNamespace(path=Path())
    head = Head(SimpleNamespace(deadline=deadline, recorder=SimpleNamespace(), directory=directory), lambda: False)

    async def lost_at_once(*_):
        raise ProviderError("It is silent.")

    head._be_ready = lost_at_once
    await head.work(renting, None)


@pytest.mark.parametrize("first", [False, True])
def test_a_start_and_a_recovery_end_with_the_time_that_was_asked_for(first):
    async def story():
        deadline = Deadline.of(Decimal("0.00001"))
        renting = Renting(deadline, first=first)
        with pytest.raises(SessionError, match="time was over before a machine was ready"):
            await asyncio.wait_for(work(renting, deadline), 60 * slower())
        assert renting.broken_off == [True]

    asyncio.run(story())


def test_who_gives_it_more_time_meanwhile_is_not_ended(monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)

    async def story():
        deadline = Deadline.of(Decimal("0.00001"))
        passed = asyncio.create_task(deadline.passed())
        await asyncio.sleep(0)
        deadline.at += timedelta(hours=1)
        await asyncio.wait({passed}, timeout=0.1)
        assert not passed.done()
        deadline.at -= timedelta(hours=2)
        await asyncio.wait_for(passed, 60 * slower())

    asyncio.run(story())
