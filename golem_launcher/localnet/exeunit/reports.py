"""Reports an activity to yagna: its state on every change, its usage every few seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import BusError, LocalNetError
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from golem_launcher.localnet.exeunit.assignment import Assignment, UnitBus
    from golem_launcher.localnet.runtime.runtime_interface import Runtime

_log = logging.getLogger(__name__)

USAGE_SECONDS = 1.0
"""Between usage reports: after 10 s of silence yagna destroys the activity."""
_BUS_SECONDS = 10.0
_GiB = 2**30


class Reports:
    """State and usage of one activity. ``runtime`` is the one that is measured, ``None`` while there is none."""

    def __init__(self, assignment: Assignment, bus: UnitBus) -> None:
        self.runtime: Runtime | None = None
        self._assignment = assignment
        self._bus = bus
        self._state: tuple[str, str | None] = ("Initialized", None)
        self._began = time.monotonic()
        self._ended: float | None = None
        self._earlier_cpu = 0.0
        self._measured: dict[str, float] = {}
        self._reporter: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tell the state, and from now on the usage; :class:`BusError` when yagna does not take it."""
        await self._tell_state()
        self._reporter = asyncio.create_task(self._report())

    async def stop(self) -> None:
        """No more reports of usage."""
        if self._reporter is not None:
            await cancel_all(self._reporter)

    async def end(self, *, silent: bool) -> None:
        """The activity is over: usage stands still, and yagna is told unless that is to be ``silent``."""
        self._ended = time.monotonic()
        self._state = ("Terminated", None)
        if not silent:
            with contextlib.suppress(BusError):
                await self._tell_state()

    # State

    @property
    def state_pair(self) -> tuple[str, str | None]:
        """Initialized, Deployed, Ready or Terminated, and the one that a command is leading to."""
        return self._state

    async def enter(self, state: str, following: str | None = None) -> None:
        """The activity is in a state now, on its way to the ``following`` one."""
        if self._state != (state, following):
            self._state = (state, following)
            with contextlib.suppress(BusError):
                await self._tell_state()

    def state_value(self) -> dict[str, Any]:
        """The state as the Activity API has it."""
        return {"state": list(self._state), "reason": None, "errorMessage": None}

    async def _tell_state(self) -> None:
        payload = {
            "activityId": self._assignment.activity_id,
            "state": self.state_value(),
            "timeout": None,
            "credentials": None,
        }
        await self._bus.call("/local/activity/SetActivityState", payload, timeout=_BUS_SECONDS)

    # Usage

    def usage(self) -> list[float]:
        """Usage so far, in the order of the offer's usage vector."""
        duration = (self._ended or time.monotonic()) - self._began
        own = {name: rate * duration for name, rate in self._assignment.rates.items()}
        known = {**self._measured, **own, "golem.usage.duration_sec": duration}
        return [known.get(name, 0.0) for name in self._assignment.counters]

    def usage_value(self) -> dict[str, Any]:
        """Usage as the Activity API has it."""
        return {"currentUsage": self.usage(), "timestamp": int(time.time())}

    async def measure_last(self) -> None:
        """The runtime is about to end: what it used stays counted, and a next one adds to it."""
        await self._measure()
        self._earlier_cpu = self._measured.get("golem.usage.cpu_sec", self._earlier_cpu)
        self.runtime = None

    async def _report(self) -> None:
        address = "/local/activity/SetActivityUsage"
        while True:
            await self._measure()
            payload = {"activityId": self._assignment.activity_id, "usage": self.usage_value(), "timeout": None}
            try:
                await self._bus.call(address, payload, timeout=_BUS_SECONDS)
            except BusError as error:
                _log.info("activity %s: usage not reported: %s", self._assignment.activity_id, error)
            await asyncio.sleep(USAGE_SECONDS)

    async def _measure(self) -> None:
        if self.runtime is None:
            return
        with contextlib.suppress(LocalNetError, OSError):  # not deployed yet, or stopped under us
            usage = await self.runtime.usage()
            self._measured = {
                "golem.usage.cpu_sec": self._earlier_cpu + usage.cpu_seconds,
                "golem.usage.gib": usage.memory / _GiB,
                "golem.usage.storage_gib": usage.disk / _GiB,
            }
