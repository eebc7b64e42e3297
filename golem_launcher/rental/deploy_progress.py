"""How far a provider is with the image, and that it gets on: nothing over there ends a transfer that stands still.

yapapi polls for the results of a batch, which tell nothing of a command that runs. So the same batch is read a second
time, as a stream of events, for as long as the image is on its way.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import ClientTimeout
from aiohttp_sse_client.client import EventSource

from golem_launcher.errors import ProviderError
from golem_launcher.units import data_size_of
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from golem_launcher.networks import Patience
    from golem_launcher.rental.image import SessionImage
    from golem_launcher.rental.yapapi_engine import YapapiActivity

_LOG = logging.getLogger(__name__)

DEPLOY = {"updateInterval": "1s"}
"""How often a provider is to tell how far it is."""
WHAT = "Sending the image"
_LOOK_SECONDS = 0.5
_REST_SECONDS = 10.0
_INITIALIZED = "Initialized"
_IMAGE_SECONDS = 900.0
"""How long an image takes at most until our agent runs in it: it may have to install the workload (10 minutes)."""


@dataclass(frozen=True)
class DeployLimits:
    """How long a provider may take to make ready. Seconds."""

    whole: float
    """Until the workload runs."""
    still: float
    """While nothing more of the image arrives."""

    @classmethod
    def of(cls, patience: Patience, image: SessionImage) -> DeployLimits:
        """Those for an image, which may have to be fetched over a slow line, on a network with such ``patience``."""
        unfamiliar = 0.0 if image.familiar else _IMAGE_SECONDS + image.longest_seconds
        return cls(whole=max(patience.deploy, unfamiliar), still=patience.still)


class DeployProgress:
    """yapapi's activity, whose first batch, the one that deploys, is watched. Close it with :meth:`aclose`."""

    def __init__(
        self,
        activity: YapapiActivity,
        *,
        image: SessionImage,
        provider_id: str,
        deployed: asyncio.Future[Any],
        still_seconds: float,
        on_progress: Callable[[str, int, int, str], None],
    ) -> None:
        """``on_progress``: called with what :meth:`Recorder.progress` takes.

        ``deployed`` is done when the batch is over; it becomes a ``ProviderError`` when the image stands still.
        """
        self._activity = activity
        self._image = image
        self._deployed = deployed
        self._still_seconds = still_seconds
        self._on_progress = on_progress
        self._tasks: list[asyncio.Task[None]] = []
        self._done, self._total = 0, 0
        """Bytes, as the provider says."""
        self._provider_id = provider_id
        self._sent_before = self._sent() or 0
        self._from_cache = False
        """A provider has something to say instead of counting: it has the image already."""
        self._finished = False
        self._whole = False
        """Nothing more of the image is on its way."""
        self._line = _Line(image.served)

    async def send(self, script: list[dict[str, Any]], deadline: datetime | None = None) -> Any:
        """As yapapi's activity has it."""
        batch = await self._activity.send(script, deadline=deadline)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen(batch.id)), asyncio.create_task(self._watch())]
        return batch

    async def aclose(self) -> None:
        """Look no more. Safe to call at any moment."""
        await cancel_all(*self._tasks)

    async def _listen(self, batch_id: str) -> None:
        url, headers = self._activity.events(batch_id)
        try:
            async with EventSource(url, headers=headers, timeout=ClientTimeout(total=None)) as stream:
                async for event in stream:
                    said = json.loads(event.data)
                    ((kind, told),) = said["kind"].items()
                    if kind == "finished" or said["index"] > 0:
                        break
                    if kind == "progress":
                        self._from_cache = self._from_cache or bool(told["message"])
                        self._take(told["progress"], str(told["unit"] or ""))
        except Exception as error:  # noqa: BLE001 - what a provider sends; without it there is the batch's own limit
            _LOG.info("no word on how far the provider is: %s", type(error).__name__)
            return
        self._finished = True
        if 0 < self._done < self._total and not self._whole:  # its last word comes before the end
            self._on_progress(WHAT, self._total, self._total, "bytes")

    def _take(self, progress: Any, unit: str) -> None:
        """``progress`` is [done, total], from a provider."""
        done, total = (int(one or 0) for one in progress)
        if unit.lower() == "bytes" and 0 <= done <= total and 0 < total < 1 << 50:
            self._done, self._total = done, total
            if not self._whole:
                self._on_progress(WHAT, done, total, "bytes")

    async def _watch(self) -> None:
        try:
            await self._look_on()
        finally:
            self._image.sent(self._line.sent, self._line.seconds)

    async def _look_on(self) -> None:
        loop_time = asyncio.get_running_loop().time
        seen, still, looked_at = self._position(), 0.0, loop_time()
        while not self._deployed.done() and not self._finished:
            await asyncio.sleep(_LOOK_SECONDS)
            now = self._position()
            self._line.look(self._image.served)
            if self._all_there() and not self._whole:
                self._whole = True  # what its last word left open would stand there until it has booted
                if self._total:
                    self._on_progress(WHAT, self._total, self._total, "bytes")
            # A look that comes late was held up here, as by a computer that slept: the provider is not to blame.
            still += min(loop_time() - looked_at, 2 * _LOOK_SECONDS)
            looked_at = loop_time()
            if now != seen or self._all_there():
                seen, still = now, 0.0
            if still < self._still_seconds or not self._visible():
                continue
            deploying = await self._is_deploying()
            if deploying is None:
                still -= _REST_SECONDS  # it is asked again after that
                continue
            if not deploying:
                return
            if not self._deployed.done():
                at = f" at {data_size_of(self._done, self._total)}" if self._total else ""
                what = f"The image did not get on for {self._still_seconds:.0f} s{at}."
                self._deployed.set_exception(ProviderError(what))

    def _position(self) -> tuple[int, int | None]:
        return self._done, self._sent()

    def _sent(self) -> int | None:
        """Bytes that went to this provider so far, or to all where nobody knows to whom they go."""
        sent = self._image.served_to(self._provider_id)
        return self._image.served if sent is None else sent

    def _visible(self) -> bool:
        """Whether the image would be seen to move: by the provider's word, or as it leaves this computer."""
        return self._total > 0 or self._image.served is not None

    def _all_there(self) -> bool:
        """What follows is the provider's own: it compares the hash, and boots."""
        sent = (self._sent() or 0) - self._sent_before
        return self._from_cache or 0 < self._total <= self._done or 0 < self._image.size <= sent

    async def _is_deploying(self) -> bool | None:
        """``None`` when it can't be known at present: the node itself may be away."""
        try:
            state = await wait_for(self._activity.state(), _REST_SECONDS)
        except Exception as error:  # noqa: BLE001 - yapapi's; where the activity is gone, the batch fails
            _LOG.info("the activity's state is not known: %s", type(error).__name__)
            return None
        return bool(state.state and state.state[0] == _INITIALIZED)


class _Line:
    """How much left this computer in the time in which anything did, as seen at every look."""

    def __init__(self, served: int | None) -> None:
        self.sent, self.seconds = 0, 0.0
        self._served, self._at = served or 0, time.monotonic()

    def look(self, served: int | None) -> None:
        """``served``: bytes by now, or ``None`` while it is others that send."""
        now, before = time.monotonic(), self._served
        if served is not None and served > before:
            self.sent += served - before
            self.seconds += now - self._at
        self._served, self._at = before if served is None else served, now
