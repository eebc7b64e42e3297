"""What a session uses of its provider's machine, as its agent tells it, and of the tunnel to it, as it is counted here.

The agent's are a stranger's numbers: checked, then shown.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.background_thread import run_in_background
from golem_launcher.events import Usage
from golem_launcher.market import history
from golem_launcher.session.machines.gpu_readings import gpu_readings
from golem_launcher.session_state import Tunnel
from golem_launcher.untrusted_json import json_value, number

if TYPE_CHECKING:
    from golem_launcher.access.machine.tcp_carrier_client import Traffic
    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
    from golem_launcher.session.endpoints.machine_slot import MachineRecorder

_EVERY_SECONDS = 4.0
_KEPT, _KEPT_SECONDS = 30, 30.0
"""It is kept so often that a short time has some thirty points, and a long one those of each half minute."""
_MOST_PERCENT = 1e6
_MOST_SECONDS = 1e12
_MOST = {"percent": _MOST_PERCENT}
"""By the unit of a figure, where it is less than of a count."""
_MOST_COUNTED = 1 << 60
"""Bytes, or whatever else is counted."""
_SHORTEST_SECONDS = 0.5


async def follow_usage(client: WorkloadClient, endpoint: MachineEndpoint, recorder: MachineRecorder) -> None:
    """Keep in a machine's state what it uses, and what went through the tunnel to its ``endpoint``; until cancelled."""
    meter = Meter()
    loop_time = asyncio.get_running_loop().time
    began = kept = loop_time()
    compared = False
    while True:
        asked = loop_time()
        try:
            answer = await client.usage()
        except (TimeoutError, OSError, aiohttp.ClientError):
            answer = b""
        tunnel = _tunnel(endpoint.carried, loop_time() - asked if answer else None)
        usage, gpus = meter.read(answer), gpu_readings(answer)
        if usage is None:
            recorder.update(tunnel=tunnel)
        else:
            recorder.update(tunnel=tunnel, usage=usage, gpus=gpus)
        if not compared and recorder.state.gpus is not None:
            compared = True
            compare_gpus(recorder)
        if usage is not None and loop_time() - kept >= min((loop_time() - began) / _KEPT, _KEPT_SECONDS):
            kept = loop_time()
            recorder.used(usage)
        await asyncio.sleep(_EVERY_SECONDS)


def _tunnel(carried: Traffic, round_trip: float | None) -> Tunnel:
    return Tunnel(
        sent_bytes=carried.sent,
        received_bytes=carried.received,
        connections=carried.connections,
        failures=carried.failures,
        reconnects=carried.reconnects,
        round_trip=round_trip,
    )


def compare_gpus(recorder: MachineRecorder) -> None:
    """Tell the user in what the GPUs of a machine are not those that were offered; its provider is taken last then."""
    state = recorder.state
    for words in state.gpu_differences:
        recorder.notice(f"{state.provider_name}: {words}")
    if state.gpu_differences and state.provider_id is not None:
        run_in_background(
            history.note_failure, state.provider_id, state.provider_name or "", "its GPU is not the one that it offered"
        )


class Meter:
    """Makes rates of the agent's totals."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def read(self, answer: bytes) -> Usage | None:
        """The usage in one answer of the agent; ``None`` when it makes no sense."""
        try:
            values = json_value(answer)
        except ValueError:
            return None
        if not isinstance(values, dict):
            return None
        at, cpu = _number(values.get("time"), _MOST_SECONDS), _number(values.get("cpu_seconds"), _MOST_SECONDS)
        found = {name: _measure(name, values.get(name)) for name in Usage.model_fields}
        if at is None or cpu is None or found["memory_bytes"] is None:
            return None
        found["cpu_percent"] = self._percent(at, cpu)
        return Usage.model_validate({name: value for name, value in found.items() if value is not None})

    def _percent(self, at: float, cpu: float) -> float:
        before, self._before = self._before, (at, cpu)
        if before is None or at - before[0] < _SHORTEST_SECONDS:
            return 0.0
        return round(min(max(100 * (cpu - before[1]) / (at - before[0]), 0.0), _MOST_PERCENT), 1)


def _measure(name: str, value: Any) -> float | None:
    """One figure of an answer, whose name ends with its unit; ``None`` when it makes no sense."""
    found = _number(value, _MOST.get(name.rpartition("_")[2], _MOST_COUNTED))
    return int(found) if found is not None and name.endswith("_bytes") else found


def _number(value: Any, most: float) -> float | None:
    found = number(value)
    return found if found is not None and 0 <= found <= most else None
