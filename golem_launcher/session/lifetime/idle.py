"""Ends a session in which nothing happens: told of before, saved with all that is open, and not while that fails.

What an end is then, the request says: stopped, or suspended until somebody comes back to its address. One with a GPU
may be moved to a machine without first.
"""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import aiohttp

from golem_launcher import clock
from golem_launcher.errors import LauncherError
from golem_launcher.events import Idle
from golem_launcher.networks import token_of
from golem_launcher.session import timeouts
from golem_launcher.session.lifetime.gpu_release import GpuRelease, has_one_to_hand_back
from golem_launcher.session.lifetime.signs_of_use import SignsOfUse, computes
from golem_launcher.units import coins_at_a_glance, duration
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.endpoints.endpoint import SessionEndpoint
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.session.saving.saves import Saves
    from golem_launcher.session_state import SessionState

_LOOK_SECONDS = 10.0
_LOOKS = 15
"""In a period, at least."""
_WARN_SECONDS = 120.0
_AGAIN_SECONDS = 60.0
_NO_ANSWER = (TimeoutError, OSError, ValueError, aiohttp.ClientError)


class Idleness:
    """Ends or suspends a session that nobody uses. Run ``watch`` while its head is ready."""

    def __init__(self, request: LaunchRequest, endpoint: SessionEndpoint, saves: Saves, recorder: Recorder) -> None:
        self._request = request
        self._endpoint = endpoint
        self._saves = saves
        self._recorder = recorder
        self._period = request.idle_seconds or 0.0
        """Zero where it is not ended for that."""
        self._saved = False
        """Whether all was saved since it was last used."""
        self.suspends = False
        """Whether it has ended only until somebody comes back."""
        self.gpu = GpuRelease()
        self._has_gpu = False
        """Whether there is one at present to hand back."""
        self._warned_at: float | None = None
        """By the monotonic clock, when its user was last told."""

    @property
    def due(self) -> bool:
        """Whether it is to be ended now. The head's monitor asks each round."""
        return self._saved and self._left <= 0 and not self.gpu.under_way and not self._releases

    def end(self) -> str:
        """Called once nobody has used the session for its ``idle`` time: settles how it ends.

        Returns the reason as its user reads it, with the money that is not spent.
        """
        request, state = self._request, self._recorder.state
        self.suspends = self._may_suspend
        spared = not_spent(state, clock.told(clock.now()))
        rest = f"; {coins_at_a_glance(spared)} {token_of(request.network)} not spent" if spared else ""
        wakes = " Its link wakes it up." if self.suspends else ""
        return f"Nothing happened here for {duration(self._period)}, so it was {self.becomes}{rest}.{wakes}"

    @property
    def becomes(self) -> str:
        """What happens to the session at the end of its idle time, as the end of a sentence: ``saved and stopped``."""
        if self._releases:
            return "moved to a cheaper machine without a GPU"
        return "saved and suspended" if self._may_suspend else "saved and stopped"

    @property
    def _releases(self) -> bool:
        return self._has_gpu and not self.gpu.failed

    @property
    def _may_suspend(self) -> bool:
        return self._request.when_idle == "suspend" and self._endpoint.is_own

    def keep_running(self) -> None:
        """Its user wants it to go on, as if it had just been used."""
        self._endpoint.use.seen()
        self._is_used()

    async def watch(self, client: WorkloadClient, request: LaunchRequest) -> None:
        """Look whether it is used, tell when it is not, and save it then; until cancelled.

        ``request``: the session's, as it asks for its present machine.
        """
        if not self._period:
            return
        self._has_gpu = has_one_to_hand_back(request)
        signs = SignsOfUse()
        self.keep_running()
        while True:
            await self._pause(min(_LOOK_SECONDS, self._period / _LOOKS))
            if await self._happens(signs, client):
                self._endpoint.use.seen()
            if self._left > self._warning:
                self._is_used()
            elif not self._warned:
                self._warn()
            elif self._left <= 0 and not self._saved:
                await self._save()
            elif self._left <= 0 and self._releases and not self.gpu.under_way:
                self.gpu.begin(request)

    async def _pause(self, seconds: float) -> None:
        """Until the next look; somebody at a page of JupyterLab may want it to go on meanwhile."""
        wanted = self._endpoint.lab_pages.keep_running_wanted
        with contextlib.suppress(TimeoutError):
            await wait_for(wanted.wait(), seconds)
            wanted.clear()
            self.keep_running()

    @property
    def _left(self) -> float:
        """Seconds until it is to be ended: after the period, and not before its user was told for long enough."""
        left = self._period - self._endpoint.use.ago
        if self._warned_at is None or not self._warned:
            return left
        return max(left, self._warned_at + self._warning - time.monotonic())

    @property
    def _warned(self) -> bool:
        """Whether its user was told since it was last used."""
        return self._warned_at is not None and time.monotonic() - self._warned_at <= self._endpoint.use.ago

    @property
    def _warning(self) -> float:
        """How long before the end it is told."""
        return min(_WARN_SECONDS, self._period / 2)

    async def _happens(self, signs: SignsOfUse, client: WorkloadClient) -> bool:
        """Whether anything happens over there, or it can't be told."""
        state = self._recorder.state
        moves = state.move is not None and not state.move.over and not self.gpu.under_way
        busy = signs.load(state.machines_in_use) or moves
        try:
            kernels, terminals = await client.running()
            counts = await client.dask_counts() if self._request.has_cluster else None
        except _NO_ANSWER:
            return True
        return signs.running(kernels, terminals) or busy or (counts is not None and computes(counts))

    def _warn(self) -> None:
        self._warned_at = time.monotonic()
        left, quiet = self._left, self._endpoint.use.ago
        ends = clock.told(clock.now() + timedelta(seconds=left))
        at = f"{ends.astimezone():%H:%M %Z}"
        words = f"Nothing has happened here for {duration(quiet)}. It is {self.becomes} at {at}."
        self._recorder.update(idle=words, idle_ends_at=ends)
        self._recorder.event(Idle(seconds=round(quiet), seconds_left=round(left), becomes=self.becomes))

    def _is_used(self) -> None:
        """Take back the warning, as somebody uses the session again."""
        self._saved = False
        self.gpu.used()
        if self._recorder.state.idle:
            self._recorder.update(idle="", idle_ends_at=None)

    async def _save(self) -> None:
        """Save all there is, after which it may be ended; where that fails, say so and wait a while."""
        try:
            _, missing = await self._saves.save_all(timeouts.SAVE)
        except LauncherError as error:
            missing = error.what
        saving = self._recorder.state.saving
        if not missing and self._saves.at_stake and saving is not None:
            missing = saving.problem
        self._saved = not missing
        if missing:
            words = f"Nothing has happened here for {duration(self._period)}, but it is not ended: {missing}"
            if words != self._recorder.state.idle:
                self._recorder.update(idle=words, idle_ends_at=None)
                self._recorder.message(words, "warning")
                await self._pause(min(_AGAIN_SECONDS, self._period))


def not_spent(state: SessionState, at: datetime) -> Decimal:
    """What the rest of its time would have cost from ``at`` on, in its network's coin; no more than its budget has."""
    left = max(state.budget - state.cost, Decimal(0))
    if state.price_per_hour is None or state.deadline is None:
        return left
    hours = Decimal(str(max((state.deadline - at).total_seconds(), 0.0))) / 3600
    return min(left, state.price_per_hour * hours)
