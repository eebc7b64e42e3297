"""The figures of one session and of its machines, each with its name, its words and where it comes from.

A figure is told of a session by its name (which its user chose) and of a machine by its number. No label holds what a
provider says, and nothing that is not a number is shown as one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from golem_launcher.events import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from golem_launcher.events import Usage
    from golem_launcher.gpus import Gpu
    from golem_launcher.metrics.session_reading import Reading
    from golem_launcher.session_state import KeptVariables, MachineState, Saving, SessionState, Tunnel

    Value = Decimal | float | None

_T = TypeVar("_T")

PREFIX = "golem_launcher_"
MOST_MACHINES = 8
"""Those with a higher number are counted, and not told of one by one: a session has fewer than 200 series."""


@dataclass(frozen=True)
class Series(Generic[_T]):
    """One figure of a session, or of a machine."""

    name: str
    words: str
    of: Callable[[_T], Value]
    """``None`` where there is none at present."""
    grows: bool = False
    """Whether it is another one a moment later, when nothing has happened."""

    @property
    def kind(self) -> Literal["gauge", "counter"]:
        """A total grows and never falls; all else comes and goes."""
        return "counter" if self.name.endswith("_total") else "gauge"


def finite(value: Value) -> float | None:
    """The figure as Prometheus takes it; ``None`` for what is none, has no end, or is larger than a float can be."""
    try:
        found = math.nan if value is None else float(value)
    except (OverflowError, ValueError):
        return None
    return found if math.isfinite(found) else None


def stage_seconds(state: SessionState) -> list[tuple[Stage, float]]:
    """Each stage that was entered and for how long it lasted, in order; the present one up to now."""
    if not state.stages:
        return []
    ends = [at for _, at in state.stages[1:]] + [state.ended_at or datetime.now(UTC)]
    return [(stage, max((end - at).total_seconds(), 0.0)) for (stage, at), end in zip(state.stages, ends, strict=True)]


def start_seconds(state: SessionState) -> float | None:
    """How long it took from the request until the workload first answered."""
    if state.started_at is None:
        return None
    return max((state.started_at - state.created_at).total_seconds(), 0.0)


def _moment(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _running(figure: Callable[[SessionState], Value]) -> Callable[[Reading], Value]:
    """What is of interest until the session is over."""
    return lambda one: None if one.state.stage.final else figure(one.state)


def _saving(figure: Callable[[Saving], Value]) -> Callable[[Reading], Value]:
    return lambda one: None if one.state.saving is None else figure(one.state.saving)


def _usage(figure: Callable[[Usage], Value]) -> Callable[[MachineState], Value]:
    return lambda one: None if one.usage is None else figure(one.usage)


def _carried(figure: Callable[[Tunnel], float]) -> Callable[[Reading], Value]:
    """A figure of the tunnels to all machines together, also to those that are no longer its own: it never falls."""

    def found(one: Reading) -> Value:
        tunnels = [machine.tunnel for machine in one.state.machines if machine.tunnel is not None]
        return sum(map(figure, tunnels)) if tunnels else None

    return found


def _variables(figure: Callable[[KeptVariables], int]) -> Callable[[Reading], Value]:
    """A figure of the variables of all notebooks together."""
    return lambda one: sum(map(figure, one.state.variables))


def _round_trip(machine: MachineState) -> Value:
    return None if machine.tunnel is None else machine.tunnel.round_trip


def _supervisor(one: Reading) -> Value:
    return None if one.state.stage.final else one.alive


def _ready_machines(state: SessionState) -> int:
    return sum(each.stage is Stage.READY for each in state.machines_in_use)


def _workers(state: SessionState) -> Value:
    return None if state.cluster is None else state.cluster.workers


def _standby_ready(state: SessionState) -> Value:
    return None if state.standby is None else state.standby.stage == "ready"


def _late(state: SessionState) -> Value:
    return None if state.saving is None else bool(state.stalled)


def _gpu_ratio(usage: Usage) -> Value:
    return None if usage.gpu_percent is None else usage.gpu_percent / 100


def _gpus(
    of_all: Callable[[list[float]], float], figure: Callable[[Gpu], float | None]
) -> Callable[[MachineState], Value]:
    """A figure of those GPUs of a machine that have it, together."""

    def found(machine: MachineState) -> Value:
        values = [value for gpu in machine.gpus or () if (value := figure(gpu)) is not None]
        return of_all(values) if values else None

    return found


SESSION: tuple[Series[Reading], ...] = (
    Series("supervisor_up", "Whether what looks after it on this computer lives.", _supervisor),
    Series("created_timestamp_seconds", "When it was asked for.", lambda one: _moment(one.state.created_at)),
    Series("start_duration_seconds", "From the request until it answered.", lambda one: start_seconds(one.state)),
    Series("deadline_timestamp_seconds", "When it ends at the latest.", _running(lambda it: _moment(it.deadline))),
    Series(
        "money_ends_timestamp_seconds",
        "When its budget is used up, as it cost lately.",
        _running(lambda it: _moment(it.money_ends_at)),
    ),
    Series("budget_coins", "What it may cost, in the network's coin.", lambda one: one.state.budget),
    Series("cost_coins", "What it costs so far, in the network's coin.", lambda one: one.state.cost),
    Series("billed_coins", "What its providers billed so far, in the network's coin.", lambda one: one.billed),
    Series(
        "price_coins_per_hour",
        "What its machines cost an hour at full load, in the network's coin.",
        _running(lambda it: it.price_per_hour),
    ),
    Series("machines", "Its machines at present.", _running(lambda it: len(it.machines_in_use))),
    Series("machines_ready", "Those of its machines that are ready.", _running(_ready_machines)),
    Series("workers_wanted", "Workers that its Dask cluster is to have.", _running(_workers)),
    Series("providers_lost_total", "Providers that its head lost.", lambda one: one.state.providers_lost),
    Series("standby_ready", "Whether a machine stands by to take over.", _running(_standby_ready)),
    Series(
        "standby_lag_seconds",
        "How far the machine that stands by is behind the first.",
        _running(lambda it: it.standby_behind),
        grows=True,
    ),
    Series("failovers_total", "How often its standby took over from a lost head.", lambda one: one.state.failovers),
    Series("tunnel_sent_bytes_total", "Bytes that went to its machines.", _carried(lambda it: it.sent_bytes)),
    Series("tunnel_received_bytes_total", "Bytes that came from them.", _carried(lambda it: it.received_bytes)),
    Series("tunnel_connections_total", "Connections to its machines.", _carried(lambda it: it.connections)),
    Series(
        "tunnel_failures_total",
        "Connections that were refused over there, or broke.",
        _carried(lambda it: it.failures),
    ),
    Series("tunnel_reconnects_total", "Further tries at connections.", _carried(lambda it: it.reconnects)),
    Series("agreements_total", "Agreements that it signed.", lambda one: one.agreements),
    Series("bills_refused_total", "Bills that were not accepted.", lambda one: one.refusals),
    Series("warnings_total", "Warnings in its log.", lambda one: one.events["warning"]),
    Series("errors_total", "Errors in its log.", lambda one: one.events["error"]),
    Series("trouble", "Whether something is the matter with it.", _running(lambda it: bool(it.trouble))),
    Series("unsaved_documents", "Open documents whose changes are in no file.", _running(lambda it: it.unsaved)),
    Series("saves_late_total", "How often nothing was saved for too long.", lambda one: one.events["not_saved"]),
    Series("saves_late", "Whether nothing was saved for too long.", _running(_late)),
    Series(
        "saved_timestamp_seconds",
        "When it was last known to be saved.",
        _saving(lambda it: _moment(it.saved_at)),
    ),
    Series("save_interval_seconds", "The pause between saves at present.", _saving(lambda it: it.interval)),
    Series("save_generation", "The number of its newest generation.", _saving(lambda it: it.generation)),
    Series("save_duration_seconds", "How long its newest generation took.", _saving(lambda it: it.seconds)),
    Series("save_new_bytes", "What its newest generation added to the store.", _saving(lambda it: it.new_bytes)),
    Series("saved_bytes", "The size of its newest generation.", _saving(lambda it: it.bytes)),
    Series("saved_files", "The files of its newest generation.", _saving(lambda it: it.files)),
    Series("store_bytes", "What all its generations take in the store, about.", _saving(lambda it: it.kept_bytes)),
    Series("left_out_files", "Files that are not saved, or not as they are now.", _saving(lambda it: it.left_out)),
    Series("at_stake_files", "Files that an end would lose.", _saving(lambda it: it.at_stake)),
    Series("variables_kept", "Variables of its notebooks that are saved.", _variables(lambda it: it.count)),
    Series("variables_kept_bytes", "What they take, as its agent says.", _variables(lambda it: it.bytes)),
    Series("variables_lost", "Variables that can't be saved.", _variables(lambda it: it.lost_count)),
    Series("save_problem", "Whether the last save failed or is odd.", _saving(lambda it: bool(it.problem))),
)
"""Each begins with ``golem_launcher_session_`` and has the label ``session``."""

MACHINE: tuple[Series[MachineState], ...] = (
    Series("ready", "Whether it is ready.", lambda one: one.stage is Stage.READY),
    Series("round_trip_seconds", "From a question to its agent until the answer.", _round_trip),
    Series("cpu_cores", "Cores that it uses.", _usage(lambda it: it.cpu_percent / 100)),
    Series("memory_bytes", "Memory that it uses.", _usage(lambda it: it.memory_bytes)),
    Series("disk_bytes", "Disk that it uses.", _usage(lambda it: it.disk_bytes)),
    Series("gpu_utilization_ratio", "How busy its GPU is, from 0 to 1.", _usage(_gpu_ratio)),
    Series("gpu_memory_bytes", "Memory of its GPU that is in use.", _usage(lambda it: it.gpu_memory_bytes)),
    Series("gpus", "GPUs that programs find there.", lambda one: None if one.gpus is None else len(one.gpus)),
    Series("gpu_memory_size_bytes", "Memory of its GPUs.", _gpus(sum, lambda gpu: gpu.memory_total_bytes)),
    Series("gpu_temperature_celsius", "How hot its hottest GPU is.", _gpus(max, lambda gpu: gpu.celsius)),
    Series("gpu_power_watts", "What its GPUs draw.", _gpus(sum, lambda gpu: gpu.watts)),
    Series("price_coins_per_hour", "What it costs an hour at full load.", lambda one: one.price_per_hour),
    Series("providers_lost_total", "Providers that were lost in its place.", lambda one: one.lost),
    Series("trouble", "Whether something is the matter with it.", lambda one: bool(one.trouble)),
)
"""Each begins with ``golem_launcher_machine_`` and has the labels ``session`` and ``machine``. Of a session that goes
on."""
