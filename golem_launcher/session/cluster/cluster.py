"""The Dask cluster of a session: how many workers it has, who may ask for more, and what its machines are told.

The notebook asks, by the agent beside it. What becomes of that is decided here, on the user's side: there are never
more workers than the user allowed at the start or by the command, and each is paid from the session's one budget.
Nothing of Dask's own is spoken on this side, and nothing is unpickled.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.agent.dask_process import SCHEDULER_PORT
from golem_launcher.errors import RequestError
from golem_launcher.request.model import MOST_WORKERS
from golem_launcher.session.cluster.change_signal import ChangeSignal
from golem_launcher.session.cluster.growth_limit import SLOWLY, Growth
from golem_launcher.session.endpoints.machine_slot import HEAD
from golem_launcher.session_state import ClusterState
from golem_launcher.units import counted
from golem_launcher.untrusted_json import json_object
from golem_launcher.untrusted_text import clean_line
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.cluster.certificates import Authority
    from golem_launcher.session.cluster.packages import ClusterPackages
    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
    from golem_launcher.session.endpoints.machine_slot import MachineRecorder
    from golem_launcher.session.reporting.recorder import Recorder

_WAIT_SECONDS = 20.0
_RETRY_SECONDS = 2.0
_TROUBLE_SECONDS = 5.0
_PAUSE_SECONDS = 0.3
"""Between two requests that are decided on: of a flood, the last one counts."""
_LOOK_AGAIN_SECONDS = 5.0
"""How often it is looked whether a notebook that has more to come may have it by now."""
_MOST_TOLD = 20
"""How often the user is told that the notebook asks for more than it may."""
_MOST_TROUBLES = 20
"""So often a machine's trouble is told, a session: each time it may have other words for it."""
_MOST_ASKED = 1000
_MUCH_MOVED = 100 * 1024 * 1024
"""Bytes between machines from which the user is told how slow that is."""
_MOST_MOVED = 1 << 50
_AWAY = (TimeoutError, OSError, aiohttp.ClientError)


@dataclass(frozen=True)
class ScaleRequest:
    """What a notebook asked for, as far as it makes sense."""

    serial: int
    workers: int
    retired: frozenset[int]
    """The machines that it needs no more."""

    @classmethod
    def of(cls, answer: bytes) -> ScaleRequest | None:
        """What an agent says; ``None`` when nobody asked, or it makes no sense."""
        told = json_object(answer)
        serial, workers, retired = told.get("serial"), told.get("wanted"), told.get("retired")
        if type(serial) is not int or type(workers) is not int or not isinstance(retired, list):
            return None
        if not 0 <= serial < 1 << 53 or not 0 <= workers <= _MOST_ASKED or len(retired) > _MOST_ASKED:
            return None
        return cls(serial, workers, frozenset(one for one in retired if type(one) is int))


class Cluster:
    """The cluster of one session, from its request on. Made where a loop runs."""

    def __init__(self, request: LaunchRequest, recorder: Recorder) -> None:
        self.wanted = request.workers
        """How many workers it is to have."""
        self._most = max(request.workers, request.max_workers)
        self._name = request.name
        self._recorder = recorder
        self._changes = ChangeSignal()
        self._scheduler = ""
        """Its address; empty before the head is ready."""
        self._numbers: Callable[[], tuple[int, ...]] = tuple
        self._scale: Callable[[int, frozenset[int]], None] | None = None
        self._asked: int | None = None
        self._answered = -1
        self._growth = Growth(self._most, time.monotonic)
        self._told = 0
        self._troubles: Counter[int] = Counter()
        """How often the trouble of each machine was told."""
        self._moved: dict[int, int] = {}
        """Bytes that went to and from each worker's machine, by its number."""
        self._warned = False
        self._record()

    @cached_property
    def _authority(self) -> Authority:
        from golem_launcher.session.cluster.certificates import Authority  # noqa: PLC0415 - cryptography, for the few

        return Authority()

    @cached_property
    def _packages(self) -> ClusterPackages:
        from golem_launcher.session.cluster.packages import ClusterPackages  # noqa: PLC0415 - likewise

        return ClusterPackages(self._changes)

    def scaled_by(self, scale: Callable[[int, frozenset[int]], None], numbers: Callable[[], tuple[int, ...]]) -> None:
        """Use ``scale`` from now on to change the number of workers, and ``numbers`` to see which machines there are.

        Called by the session once it rents machines.
        """
        self._scale, self._numbers = scale, numbers
        scale(self.wanted, frozenset())
        self._changes.tell()

    async def command(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set the number of workers, as the user says by command line or page; without one, say how the cluster stands.

        It counts for more than what was allowed before. Raises ``RequestError``.
        """
        workers = arguments.get("workers")
        if workers is not None:
            if type(workers) is not int or not 0 <= workers <= MOST_WORKERS:
                raise RequestError(f"A cluster has from 0 to {MOST_WORKERS} workers.", "", field="workers")
            self._most = max(self._most, workers)
            self._growth = Growth(self._most, time.monotonic)
            self._asked = None
            self._make(workers, frozenset())
        return {"cluster": self._record().model_dump(mode="json")}

    # What machines are told

    async def lead(self, client: WorkloadClient, endpoint: MachineEndpoint, address: str) -> None:
        """Have the head at this ``address`` run the scheduler, and hear what its notebooks ask and install.

        Until cancelled.
        """
        self._scheduler, self._answered = address, -1
        self._changes.tell()
        about = {"role": "scheduler", "address": address, "scheduler": address, "name": "scheduler"}
        settings = {**about, **self._authority.certify("scheduler", address)}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_told(client, settings))
                group.create_task(self._heed(client))
                group.create_task(self._packages.follow(endpoint))
        finally:
            self._scheduler = ""

    async def join(
        self, client: WorkloadClient, endpoint: MachineEndpoint, recorder: MachineRecorder, address: str
    ) -> None:
        """Have the machine at this ``address`` run a worker of the scheduler, wherever that is, until cancelled.

        It is kept in the head's packages, too.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(client, recorder, address))
            group.create_task(self._packages.bring(endpoint, recorder))

    async def _work(self, client: WorkloadClient, recorder: MachineRecorder, address: str) -> None:
        name = f"machine-{recorder.number}"
        own = self._authority.certify(name, address)
        told, trouble, looked = "", "", 0.0
        loop_time = asyncio.get_running_loop().time
        while True:
            changed = self._changes.next
            with contextlib.suppress(*_AWAY):
                if self._scheduler not in {"", told}:
                    scheduler = self._scheduler
                    about = {"role": "worker", "address": address, "scheduler": scheduler, "name": name}
                    told = scheduler if await client.tell_cluster({"settings": {**about, **own}}) else told
                elif told and loop_time() - looked >= _TROUBLE_SECONDS:
                    looked = loop_time()
                    answer = await client.cluster_asked()
                    trouble = self._troubled(recorder, trouble, answer)
                    self._watch_moved(recorder.number, answer)
            await _next(changed)

    async def _keep_told(self, client: WorkloadClient, settings: dict[str, str]) -> None:
        sent: dict[str, Any] = {}
        while True:
            changed, news = self._changes.next, self._news()
            with contextlib.suppress(*_AWAY):
                if news != sent and await client.tell_cluster({"told": news, "settings": settings}):
                    sent = news
            await _next(changed)

    def _news(self) -> dict[str, Any]:
        return {
            "scheduler": f"tls://{self._scheduler}:{SCHEDULER_PORT}",
            "workers": self.wanted,
            "most": self._most,
            "machines": self._numbers(),
            "said": self._said(),
            "answers": self._answered,
        }

    def _said(self) -> str:
        if self._asked is None or self._asked <= self.wanted:
            return ""
        if self._lacking:
            return f"{counted(self._lacking, 'worker')} will come later: {SLOWLY}."
        return (
            f"{counted(self._asked, 'worker')} were asked for; this session may have {self._most}. Its user can allow "
            f"more: golem-launcher cluster {self._name} scale {min(self._asked, MOST_WORKERS)}"
        )

    # What the notebook asks

    async def _heed(self, client: WorkloadClient) -> None:
        trouble, head = "", _Head(self._recorder)
        while True:
            try:
                wait = _LOOK_AGAIN_SECONDS if self._lacking else _WAIT_SECONDS
                answer = await client.cluster_asked(after=self._answered, wait=wait)
            except _AWAY:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            trouble = self._troubled(head, trouble, answer)
            asked = ScaleRequest.of(answer)
            if asked is None:
                await asyncio.sleep(_RETRY_SECONDS)
            elif asked.serial == self._answered:
                self._grow()
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self._answered, self._asked = asked.serial, asked.workers
                if said := self._over(asked.workers):
                    self._recorder.message(said, "warning")
                self._make(min(asked.workers, self._most, self.wanted), asked.retired)
                self._grow()
                await asyncio.sleep(_PAUSE_SECONDS)

    @property
    def _lacking(self) -> int:
        """How many workers of those that the notebook asked for, and may have, are not rented yet."""
        return max(0, min(self._asked, self._most) - self.wanted) if self._asked is not None else 0

    def _grow(self) -> None:
        """Give the notebook what it lacks, as fast as may be."""
        more = self._growth.take(self._lacking)
        if more:
            self._make(self.wanted + more, frozenset())

    def _over(self, workers: int) -> str:
        """What to tell the user of a request for more than is allowed, a few times a session; else nothing."""
        if workers <= self._most or self._told >= _MOST_TOLD:
            return ""
        self._told += 1
        return (
            f"The notebook asks for {counted(workers, 'worker')}; the session may have {self._most}. Allow more: "
            f"golem-launcher cluster {self._name} scale {min(workers, MOST_WORKERS)}"
        )

    def _make(self, workers: int, leaving: frozenset[int]) -> None:
        self.wanted = workers
        if self._scale is not None:
            self._scale(workers, leaving)
        self._record()
        self._changes.tell()

    def _record(self) -> ClusterState:
        state = ClusterState(workers=self.wanted, most=self._most, asked=self._asked)
        if state != self._recorder.state.cluster:
            self._recorder.update(cluster=state)
        return state

    def _watch_moved(self, number: int, answer: bytes) -> None:
        """Warn once when much passes between the machines: that is what their lines are slow for."""
        told = json_object(answer)
        moved = told.get("moved")
        if type(moved) is int and 0 <= moved <= _MOST_MOVED:
            self._moved[number] = moved
        if not self._warned and sum(self._moved.values()) > _MUCH_MOVED:
            self._warned = True
            notice = (
                "More than 100 MiB passed between the machines of the cluster. Between providers that takes minutes: "
                "compute where the data is, and send results."
            )
            self._recorder.update(notices=(*self._recorder.state.notices, notice))
            self._recorder.message(notice, "warning")

    def _troubled(self, recorder: MachineRecorder | _Head, before: str, answer: bytes) -> str:
        """What is the matter with Dask over there, told once."""
        trouble = json_object(answer).get("trouble")
        words = clean_line(trouble, longest=300) if isinstance(trouble, str) else ""
        if words and words != before and self._troubles[recorder.number] < _MOST_TROUBLES:
            self._troubles[recorder.number] += 1
            recorder.message(words, "warning")
        return words


async def _next(changed: asyncio.Event) -> None:
    """Wait until something changes, or it is time to try again what did not work."""
    with contextlib.suppress(TimeoutError):
        await wait_for(changed.wait(), _RETRY_SECONDS)


@dataclass(frozen=True)
class _Head:
    """Whom the head's part of the cluster tells."""

    recorder: Recorder
    number: int = HEAD

    def message(self, text: str, level: str = "info") -> None:
        """A line for a person."""
        self.recorder.message(text, level)
