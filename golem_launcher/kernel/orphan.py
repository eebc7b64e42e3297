"""A kernel whose Jupyter was killed: another notebook may take its session for a while, then it is saved and ended.

Nobody closed the notebook, so its person may come back with all variables over there; nobody may come at all, and the
session costs. A kernel that is killed itself can do nothing of this.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import timedelta
from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.kernel.connection import SessionConnection
    from golem_launcher.kernel.connection_record import KernelRecord

GRACE_SECONDS = 600.0
"""From when the kernel's starter is gone until its session ends."""
_LOOK_SECONDS = 1.0
_PARENT_VARIABLE = "JPY_PARENT_PID"
_INIT = 1


async def until_orphaned() -> None:
    """Until the process that started this one is gone, as kernels look for."""
    with contextlib.suppress(ValueError):
        if int(os.environ.get(_PARENT_VARIABLE, "0")) > _INIT:
            parent = os.getppid()  # 1 already, when the starter was killed while this process began
            while os.getppid() == parent != _INIT:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_LOOK_SECONDS)
            return
    await asyncio.get_running_loop().create_future()


async def is_taken(connection: SessionConnection, record: KernelRecord, told_to_end: asyncio.Event) -> bool:
    """Offer a session to other notebooks for a while; whether one took it. No more when ``told_to_end`` is set.

    Called once, when the kernel's starter is gone. What is over there stays as it is meanwhile; the connection is to be
    left or closed then.
    """
    from golem_launcher.session.on_disk import orphaned

    await connection.rest()
    until = clock.now() + timedelta(seconds=GRACE_SECONDS)
    with contextlib.suppress(OSError):  # nobody is told of it then
        await asyncio.to_thread(record.offer, clock.told(until).timestamp())
        await asyncio.to_thread(orphaned.note, connection.directory, clock.told(until))
    try:
        return await _is_taken_before(until, connection, record, told_to_end)
    finally:
        await asyncio.to_thread(orphaned.withdraw, connection.directory)


async def _is_taken_before(
    until: datetime, connection: SessionConnection, record: KernelRecord, told_to_end: asyncio.Event
) -> bool:
    from golem_launcher.session.on_disk import liveness

    while clock.now() < until and not told_to_end.is_set():
        if await asyncio.to_thread(record.taken, connection.name):
            return True
        if not await asyncio.to_thread(liveness.alive, connection.directory):
            break
        with contextlib.suppress(TimeoutError):
            await wait_for(told_to_end.wait(), _LOOK_SECONDS)
    return not await asyncio.to_thread(record.remove)
