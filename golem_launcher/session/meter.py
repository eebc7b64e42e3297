"""What a session uses of its provider's machine, as its agent tells it. A stranger's numbers: checked, then shown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.events import Usage
from golem_launcher.untrusted import json_value, number

if TYPE_CHECKING:
    from golem_launcher.access.workload_client import WorkloadClient
    from golem_launcher.session.recorder import Recorder

_EVERY_SECONDS = 4.0
_MOST_BYTES = 1 << 60
_MOST_SECONDS = 1e12
_MOST_PERCENT = 1e6
_SHORTEST_SECONDS = 0.5


async def follow_usage(lab: WorkloadClient, recorder: Recorder) -> None:
    """Keep the usage in the session's state current, until cancelled."""
    meter = Meter()
    while True:
        try:
            answer = await lab.usage()
        except (TimeoutError, OSError, aiohttp.ClientError):
            answer = b""
        usage = meter.read(answer)
        if usage is not None and usage != recorder.state.head.usage:
            recorder.machine(1, usage=usage)
        await asyncio.sleep(_EVERY_SECONDS)


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
        memory, disk = _number(values.get("memory_bytes"), _MOST_BYTES), values.get("workspace_bytes")
        if at is None or cpu is None or memory is None:
            return None
        gpu, gpu_memory = values.get("gpu_percent"), values.get("gpu_memory_bytes")
        return Usage(
            cpu_percent=self._percent(at, cpu),
            memory_bytes=int(memory),
            disk_bytes=int(_number(disk, _MOST_BYTES) or 0),
            gpu_percent=_number(gpu, _MOST_PERCENT),
            gpu_memory_bytes=None if (found := _number(gpu_memory, _MOST_BYTES)) is None else int(found),
        )

    def _percent(self, at: float, cpu: float) -> float:
        before, self._before = self._before, (at, cpu)
        if before is None or at - before[0] < _SHORTEST_SECONDS:
            return 0.0
        return round(min(max(100 * (cpu - before[1]) / (at - before[0]), 0.0), _MOST_PERCENT), 1)


def _number(value: Any, most: float) -> float | None:
    found = number(value)
    return found if found is not None and 0 <= found <= most else None
