"""Measures the machine of a session, and remembers of its provider how fast it was."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp

from golem_launcher.background_thread import run_in_background
from golem_launcher.errors import SessionError
from golem_launcher.market import benchmark, history
from golem_launcher.session import timeouts
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.market.benchmark import Benchmark
    from golem_launcher.session.endpoints.machine_slot import MachineRecorder

_FILLER = 4_000_000
_NETWORK_SECONDS = 5.0
_TRIPS = 5
_QUIET_SECONDS = 5.0
_NO_ANSWER = (TimeoutError, OSError, aiohttp.ClientError)


async def measure(client: WorkloadClient, recorder: MachineRecorder) -> Benchmark:
    """How fast the machine and the way to it are: half a minute. Raises ``SessionError`` when it can't be measured."""
    try:
        found = await wait_for(_measured(client), timeouts.BENCHMARK)
    except _NO_ANSWER:
        found = None
    if found is None:
        raise SessionError("The machine could not be measured.", "Try again when it is less busy.")
    state = recorder.state
    if state.provider_id is not None:
        run_in_background(history.note_benchmark, state.provider_id, state.provider_name or "", found)
    return found


async def measure_once(client: WorkloadClient, recorder: MachineRecorder) -> None:
    """Measure a machine whose provider was not measured of late, when nobody works there. Until cancelled."""
    state = recorder.state
    known = (await asyncio.to_thread(history.read)).get(state.provider_id or "")
    if known is not None and known.benchmark is not None and known.benchmark.fresh:
        return
    await asyncio.sleep(_QUIET_SECONDS)
    while await client.busy_kernels():  # noqa: ASYNC110 - nothing tells when one is not
        await asyncio.sleep(_QUIET_SECONDS)
    try:
        found = await measure(client, recorder)
    except SessionError as error:
        recorder.message(error.what)
    else:
        recorder.message(f"Measured: {'; '.join(f'{what}: {words}' for what, words in found.lines)}.")


async def _measured(client: WorkloadClient) -> Benchmark | None:
    trip = min([await _seconds_of(client, 0) for _ in range(_TRIPS)])
    seconds = await _seconds_of(client, _FILLER) - trip
    rate = _FILLER / seconds if seconds > 0 else None
    return benchmark.read(await client.benchmark(), network_rate=rate, round_trip_seconds=trip)


async def _seconds_of(client: WorkloadClient, size: int) -> float:
    """How long so many bytes take to come. Those of a slow line are waited for as long as it is worth."""
    began = time.monotonic()
    came = await client.filler(size, seconds=_NETWORK_SECONDS)
    seconds = time.monotonic() - began
    return seconds if came >= size else seconds * size / max(came, 1)
