"""Simulates a slow line under file transfers: latency per call, and a shared bandwidth.

Frames of VPNs have a rule of their own (:mod:`golem_launcher.localnet.vpn.bad_line`), as they may be lost. Calls are
not: yagna sends them over a connection that repeats what was lost, which makes it slow instead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.node.gsb.calls import Bus
    from golem_launcher.node.gsb.packets import Data


class SlowCalls:
    """The ``bus`` of a provider's transfers. ``delay``: seconds each way; ``rate``: bytes a second, 0 for no limit."""

    def __init__(self, bus: Bus, *, delay: float, rate: float) -> None:
        self._bus = bus
        self._delay = delay
        self._rate = rate
        self._free_at = 0.0
        """When the line has carried what was given to it so far, by the loop's clock."""

    async def call_raw(self, address: str, data: bytes, *, caller: str = "", timeout: float = 30.0) -> Data:
        """Call a service, and hear of it when its answer would be here."""
        reply = await self._bus.call_raw(address, data, caller=caller, timeout=timeout)
        now = asyncio.get_running_loop().time()
        if self._rate:
            self._free_at = max(self._free_at, now) + (len(data) + len(reply)) / self._rate
        await asyncio.sleep(max(self._free_at - now, 0.0) + 2 * self._delay)
        return reply
