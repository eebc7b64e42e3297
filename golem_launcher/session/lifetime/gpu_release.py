"""Hands the GPU of an unused session back: it goes on at a cheaper machine without one, with everything.

A move like any other, which its idleness asks for. It is taken back when somebody uses the session before the old
machine is left; where no machine takes it, the session ends as it would have without.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError
from golem_launcher.events import GpuHandedBack
from golem_launcher.networks import token_of
from golem_launcher.units import coins_at_a_glance, number
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.session_state import SessionState

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_MOST_SECONDS = 1800.0
"""Both machines are paid meanwhile."""
_LITTLE = Decimal("0.000001")
_PRICE_TOLD = Decimal("0.01")


def has_one_to_hand_back(request: LaunchRequest) -> bool:
    """Whether the machine of a session that this asks for now has a GPU which it may be moved away from."""
    return request.when_idle == "release-gpu" and request.gpus > 0 and request.most_machines == 1


def without_gpu(price: Decimal | None) -> dict[str, Any]:
    """What changes in a session's request: no GPU, and a lower ``price`` than what an hour costs at present."""
    lower = Decimal(0) if price is None else price.quantize(_LITTLE, ROUND_DOWN) - _LITTLE
    cap = {"price_per_hour": lower} if lower > 0 else {}
    return {"gpus": 0, "gpu_model": None, "gpu_memory_gib": None, **cap}


class GpuRelease:
    """Lets a session go on without its GPU. Run ``carry_out`` while it runs; its idleness calls the rest."""

    def __init__(self) -> None:
        self._wanted: asyncio.Queue[LaunchRequest] = asyncio.Queue()
        """What was asked for, with the GPU."""
        self._used = asyncio.Event()
        self.under_way = False
        self.failed = False
        """Whether no machine took it since it was last used."""

    def begin(self, asked: LaunchRequest) -> None:
        """Give the GPU up. Called when nobody uses it and all is saved; ``asked``: with the GPU that it has."""
        self._used.clear()
        self.under_way = True
        self._wanted.put_nowait(asked)

    def used(self) -> None:
        """Keep the GPU. Called when somebody uses it."""
        self.failed = False
        self._used.set()

    async def carry_out(
        self,
        move: Callable[[dict[str, Any]], Awaitable[object]],
        take_back: Callable[[str], Awaitable[None]],
        recorder: Recorder,
    ) -> None:
        """Move whenever it is wanted; until cancelled. ``move`` begins one with changes, ``take_back`` says why not."""
        while True:
            asked = await self._wanted.get()
            before = recorder.state
            moved = False
            try:
                await move(without_gpu(before.head.price_per_hour))
                moved = await self._is_done(take_back, recorder)
            except LauncherError as error:
                recorder.message(f"Its GPU could not be handed back: {error}", "warning")
            except Exception:  # noqa: BLE001 - it must end nevertheless
                _LOG.exception("its GPU could not be handed back")
            if moved:
                told = _told(before, recorder.state, asked)
                recorder.update(notices=(*recorder.state.notices, told))
                recorder.event(GpuHandedBack(text=told))
            self.failed = not moved and not self._used.is_set()
            self.under_way = False

    async def _is_done(self, take_back: Callable[[str], Awaitable[None]], recorder: Recorder) -> bool:
        """Wait for the end of the move, which whoever uses the session brings about: whether it moved."""
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _MOST_SECONDS
        while (move := recorder.state.move) is not None and not move.over:
            with contextlib.suppress(TimeoutError):
                await wait_for(self._used.wait(), _LOOK_SECONDS)
                await take_back("The session is used again.")
                await asyncio.sleep(_LOOK_SECONDS)
            if loop_time() > end:
                await take_back("No machine was ready in time.")
        return move is not None and move.stage == "done"


def _told(before: SessionState, after: SessionState, asked: LaunchRequest) -> str:
    """What the user is told of it."""
    coin, was, now = token_of(after.network), before.head.price_per_hour, after.head.price_per_hour
    costs = ""
    if was is not None and now is not None:
        costs = f", for {coins_at_a_glance(now)} {coin} an hour in place of {coins_at_a_glance(was)}"
    where = after.head.provider_name or "another machine"
    return (
        f"Its GPU was handed back, as nobody used it: it goes on at {where}{costs}, with everything. For a GPU again: "
        f"{_way_back(after.name, asked, was)}"
    )


def _way_back(name: str, asked: LaunchRequest, was: Decimal | None) -> str:
    """The command for such a machine again: model and price are others since, as the one without was to be cheaper."""
    words = ["golem-launcher", "move", name, "--gpus", str(asked.gpus)]
    if asked.gpu_model is not None:
        words += ["--gpu-model", asked.gpu_model]
    if asked.gpu_memory_gib is not None:
        words += ["--gpu-memory", number(asked.gpu_memory_gib)]
    if (price := asked.price_per_hour or was) is not None:
        words += ["--price", number(asked.price_per_hour or price.quantize(_PRICE_TOLD, ROUND_UP))]
    return shlex.join(words)
