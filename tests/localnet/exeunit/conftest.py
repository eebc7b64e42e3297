"""A real daemon, the base layer, and an exe-unit on that daemon's bus."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

import pytest

from golem_launcher.localnet.exeunit.assignment import Assignment
from golem_launcher.localnet.exeunit.exe_unit import ExeUnit
from golem_launcher.localnet.exeunit.transfer import Transfers
from golem_launcher.localnet.exeunit.transfer_schemes import Http
from golem_launcher.localnet.misbehaviour import Misbehaviour
from golem_launcher.localnet.runtime.process_runtime import ProcessRuntime
from golem_launcher.localnet.runtime.runtime_interface import ActivityPlace
from golem_launcher.node.gsb import GsbClient, ok
from tests import yagna_daemon as daemons
from tests.patience import slower

ACTIVITY = "a" * 32
REQUESTOR = "0x" + "1" * 40


class DaemonSwitch:
    """Frames over the provider's own daemon, as Golem's providers send them; the local network passes it by."""

    def __init__(self, bus):
        self._bus = bus

    async def attach(self, network_id, handler):
        await self._bus.register(f"/public/vpn/{network_id}", handler)

    async def detach(self, network_id):
        await self._bus.unregister(f"/public/vpn/{network_id}")

    def send(self, node_id, network_id, frame):
        self._bus.post(f"/udp/net/{node_id}/vpn/{network_id}/raw", frame)


@pytest.fixture(scope="session")
def daemon():
    with daemons.start() as running:
        yield running


class ReportsElsewhere:
    """A bus client whose reports go to the test: the activity is none of yagna's."""

    def __init__(self, client: GsbClient) -> None:
        self.register, self.unregister, self._client = client.register, client.unregister, client

    async def call(self, address, payload, **options):
        return await self._client.call(address.replace("/local/activity/", "/local/told-activity/"), payload, **options)


@dataclass
class Bench:
    """The unit, and the bus from the requestor's side."""

    unit: ExeUnit
    bus: GsbClient
    states: list[list[Any]]
    usages: list[list[float]]
    _scripts: int = 0
    _names: list[str] = field(default_factory=list)

    async def call(self, component: str, **payload: Any) -> Any:
        address = f"/public/exeunit/{ACTIVITY}/{component}"
        return await self.bus.call(address, {"activityId": ACTIVITY, **payload})

    async def send(self, *script: Any) -> str:
        self._scripts += 1
        return await self.call("Exec", batchId=f"batch-{self._scripts}", exeScript=list(script), timeout=None)

    async def results(self, batch_id: str, index: int | None = None, timeout: float = 20.0) -> list[dict[str, Any]]:
        return await self.call("GetExecBatchResults", batchId=batch_id, timeout=timeout, commandIndex=index)

    async def run(self, *script: Any) -> list[dict[str, Any]]:
        return await self.results(await self.send(*script))

    async def events(self, batch_id: str) -> list[dict[str, Any]]:
        address = f"/public/exeunit/{ACTIVITY}/StreamExecBatchResults"
        payload = {"activity_id": ACTIVITY, "batch_id": batch_id}
        return [event async for event in self.bus.stream(address, payload)]

    async def ready(self, **deploy: Any) -> None:
        results = await self.run({"deploy": deploy}, {"start": {"args": []}})
        assert [result["result"] for result in results] == ["Ok", "Ok"], results


@pytest.fixture
def bench(daemon, base, short_path):
    """A context manager that gives a running unit."""

    @contextlib.asynccontextmanager
    async def opened(
        *, misbehaviour: Misbehaviour | None = None, runtime: Any = ProcessRuntime, make_endpoint: Any = None,
        image: Any = None, script: Any = None, schemes: Any = None,
    ):  # fmt: skip
        async with (
            await GsbClient.connect(daemon.gsb_url) as provider,
            await GsbClient.connect(daemon.gsb_url) as requestor,
        ):
            states, usages = [], []

            def told(call):
                payload = call.payload()
                if call.component == "SetActivityState":
                    states.append(payload["state"]["state"])
                else:
                    usages.append(payload["usage"]["currentUsage"])
                return ok()

            await requestor.register("/local/told-activity", told)
            unit = ExeUnit(
                Assignment(
                    ACTIVITY, REQUESTOR, short_path / "activity", misbehaviour=misbehaviour or Misbehaviour(),
                    image=image, script=script,
                ),
                bus=ReportsElsewhere(provider),
                switch=DaemonSwitch(provider),
                make_runtime=lambda directory, activity: runtime(ActivityPlace(directory, base, activity)),
                make_endpoint=make_endpoint,
                transfers=Transfers(schemes or {"http": Http()}),
            )  # fmt: skip
            await unit.start()
            try:
                yield Bench(unit, requestor, states, usages)
            finally:
                await asyncio.wait_for(unit.aclose(), 20 * slower())

    return opened
