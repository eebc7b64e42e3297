"""A Dask cluster beside a session's notebook: ``GolemCluster(workers=4).client()``.

For the notebooks of a session that was started with workers; the session brings this module, and of the launcher this
alone. Scheduler and client run at the session's provider, each worker on a machine of its own. A cluster asks for
machines, and the launcher on the user's own computer decides: within the session's budget and the number that was
allowed at its start.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

try:
    from distributed import Status, rpc
    from distributed.deploy.cluster import Cluster
    from distributed.security import Security
    from distributed.utils import NoOpAwaitable
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "This module is for notebooks of a session that was started with a Dask cluster: golem-launcher start "
        f"--workers 4. What it takes is not here ({error.name})."
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from distributed import Client

__all__ = ["GolemCluster"]

_ADDRESS, _TOKEN = "GOLEM_LAUNCHER_CLUSTER", "GOLEM_LAUNCHER_CLUSTER_TOKEN"
_LINK = "GOLEM_LAUNCHER_CLUSTER_LINK"
_ASK_SECONDS = 10.0
_SCHEDULER_SECONDS = 90.0
_POLL_SECONDS = 0.2
_NO_CLUSTER = (
    "There is no cluster here: it is for notebooks of a session that was started with one "
    "(golem-launcher start --workers 4)."
)


class GolemCluster(Cluster):
    """The cluster of this session, as Dask's own programs and its JupyterLab extension take one.

    Each object is a view of the one cluster that the session has: closing it lets no machine go, ``scale(0)`` does.
    Raises ``RuntimeError`` where there is no cluster, and says why.
    """

    def __init__(self, workers: int | None = None, *, asynchronous: bool = False, loop: Any = None) -> None:
        """``workers``: how many are wanted; ``None``: as many as there are now."""
        self._agent = _AgentClient()
        self._asked = workers
        self._numbers: set[int] = set()
        self.security: Security | None = None
        super().__init__(asynchronous=asynchronous, loop=loop, name="golem", quiet=True)
        if not self.called_from_running_loop:
            self._loop_runner.start()
            try:
                self.sync(self._start)
            except BaseException:
                self.close()
                raise

    def client(self) -> Client:
        """A client of it; the same one when there is one already."""
        return self.get_client()

    def scale(self, n: int) -> Any:
        """Ask for ``n`` workers. Those that are too many give back their results first.

        Who is asked decides: fewer may come, and ``status_line`` says why.
        """
        self._asked = n
        return self.sync(self._scale, n)

    def __await__(self) -> Any:
        async def ready() -> GolemCluster:
            if self.scheduler_comm is None:
                await self._start()
            return self

        return ready().__await__()  # type: ignore[no-any-return, unused-ignore]

    async def __aenter__(self) -> Self:
        await self
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    @property
    def scheduler_address(self) -> str:
        """Where its scheduler is, for ``Client(address, security=cluster.security)``."""
        return self.scheduler_comm.address if self.scheduler_comm is not None else "<Not Connected>"

    @property
    def dashboard_link(self) -> str:
        """Where Dask's own pages are, for the browser that shows this notebook."""
        return os.environ.get(_LINK, "")

    @property
    def status_line(self) -> str:
        """How many workers there are and are wanted, and what the user's side says about that."""
        told = self._agent.look()
        line = f"{len(self.observed)} of {told.get('workers', 0)} workers, {told.get('most', 0)} at most."
        return f"{line} {told.get('said', '')} {told.get('trouble', '')}".strip()

    # What Dask's adaptive scaling asks of a cluster

    @property
    def plan(self) -> set[str]:
        """The names of the workers that are to be there."""
        return {_name(number) for number in self._numbers}

    @property
    def requested(self) -> set[str]:
        """The same: each machine that is sought is counted at once."""
        return self.plan

    @property
    def observed(self) -> set[str]:
        """The names of the workers that the scheduler has."""
        return {str(worker["name"]) for worker in self.scheduler_info["workers"].values()}

    async def scale_up(self, n: int) -> None:
        """Ask for ``n`` workers."""
        self._asked = n
        await self._ask(n, ())

    async def scale_down(self, workers: Iterable[str]) -> None:
        """Let go of the machines of these workers, whose results the others have by now."""
        names = set(workers)
        leaving = {number for number in self._numbers if _name(number) in names}
        await self._let_go(leaving)

    async def _start(self) -> None:
        told = await self._scheduler()
        files = told["files"]
        self.security = Security(
            require_encryption=True,
            tls_ca_file=files["ca"],
            tls_client_cert=files["certificate"],
            tls_client_key=files["key"],
            tls_scheduler_cert=files["certificate"],
            tls_scheduler_key=files["key"],
            tls_worker_cert=files["certificate"],
            tls_worker_key=files["key"],
        )
        self._take(told)
        self.scheduler_comm = rpc(told["scheduler"], connection_args=self.security.get_connection_args("client"))
        end = time.monotonic() + _SCHEDULER_SECONDS
        while True:
            try:
                await super()._start()
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
        if self._asked is not None:
            await self._scale(self._asked)

    async def _scheduler(self) -> dict[str, Any]:
        """How the cluster stands, once it has a scheduler."""
        end = time.monotonic() + _SCHEDULER_SECONDS
        while True:
            told = await asyncio.to_thread(self._agent.look)
            if told.get("trouble"):
                raise RuntimeError(told["trouble"])
            if told.get("scheduler"):
                return told
            if time.monotonic() > end:
                raise RuntimeError("The session's scheduler does not start; see the session's log.")
            await asyncio.sleep(_POLL_SECONDS)

    async def _scale(self, n: int) -> None:
        self._take(await asyncio.to_thread(self._agent.look))  # the user may have scaled it meanwhile
        leaving = sorted(self._numbers)[n:] if n < len(self._numbers) else []
        if leaving:
            await self._let_go(set(leaving))
        else:
            await self._ask(n, ())

    async def _let_go(self, leaving: set[int]) -> None:
        names = [_name(number) for number in leaving]
        await self.scheduler_comm.retire_workers(names=names, remove=True, close_workers=False)
        await self._ask(len(self._numbers - leaving), leaving)

    async def _ask(self, n: int, leaving: Iterable[int]) -> None:
        self._take(await asyncio.to_thread(self._agent.ask, n, sorted(leaving)))

    def _take(self, told: dict[str, Any]) -> None:
        self._numbers = set(told.get("machines", ()))

    def close(self, timeout: float | None = None) -> Any:
        """Leave the cluster, which goes on: its machines are the session's."""
        if self.scheduler_comm is None:
            self.status = Status.closed
            self._loop_runner.stop()
            return NoOpAwaitable() if self.asynchronous else None
        return super().close(timeout)


class _AgentClient:
    """Client of the agent beside this notebook, which passes it on to the user's side."""

    def __init__(self) -> None:
        self._address, self._token = os.environ.get(_ADDRESS, ""), os.environ.get(_TOKEN, "")
        if not self._address:
            raise RuntimeError(_NO_CLUSTER)

    def look(self) -> dict[str, Any]:
        """How the cluster stands. Blocking. Raises ``OSError``."""
        return self._call(None)

    def ask(self, workers: int, retired: list[int]) -> dict[str, Any]:
        """Ask for workers; how the cluster stands once that was decided on, or some seconds later. Blocking.

        Raises ``ValueError`` for a number that makes no sense, and ``OSError``.
        """
        serial = self._call({"workers": workers, "retired": retired}).get("serial", 0)
        end = time.monotonic() + _ASK_SECONDS
        while True:
            told = self.look()
            if told.get("answers", -1) >= serial or time.monotonic() > end:
                return told
            time.sleep(_POLL_SECONDS / 4)

    def _call(self, body: dict[str, Any] | None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {self._token}"}
        request = urllib.request.Request(self._address, data=data, headers=headers)  # noqa: S310 - the agent's
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_ASK_SECONDS) as response:
                told = json.load(response)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from None
        return told if isinstance(told, dict) else {}


def _name(number: int) -> str:
    return f"machine-{number}"
