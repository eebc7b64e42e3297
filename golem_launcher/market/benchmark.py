"""How fast a provider's machine was when it was measured. What its agent says is a stranger's claim: bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from golem_launcher.units import counted, data_size
from golem_launcher.untrusted_json import json_object

GOOD_FOR = timedelta(days=30)
"""Machines are changed now and then, and shared with others."""

_Rate = Annotated[float, Field(gt=0, le=1e13, allow_inf_nan=False, strict=True)]


class Benchmark(BaseModel):
    """Figures of one machine; rates are bytes a second. What could not be measured is ``None``."""

    model_config = ConfigDict(frozen=True)

    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    cores: Annotated[int, Field(ge=1, le=4096)] = 1
    core_rate: _Rate
    """Of packing, by one thread."""
    cores_rate: _Rate
    """By as many threads as there are cores."""
    memory_rate: _Rate | None = None
    disk_write_rate: _Rate | None = None
    disk_read_rate: _Rate | None = None
    gpu_tflops: Annotated[float, Field(gt=0, le=1e5, allow_inf_nan=False)] | None = None
    """Of one GPU, in products of matrices of half precision."""
    network_rate: _Rate | None = None
    """From there to here, by the session's own way: measured on this side, as the next."""
    round_trip_seconds: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] | None = None

    @property
    def fresh(self) -> bool:
        """Whether it need not be measured again."""
        return timedelta(0) <= datetime.now(UTC) - self.at < GOOD_FOR

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What was measured and how it came out, for people."""
        worth = self.cores_rate / self.core_rate
        disk = filter(None, (_rate(self.disk_write_rate, "written"), _rate(self.disk_read_rate, "read")))
        rows = [
            ("cores", f"{counted(self.cores, 'core')}, together as fast as {worth:.1f} of them alone"),
            ("core", f"{data_size(self.core_rate)}/s packed by one"),
            ("memory", _rate(self.memory_rate, "copied")),
            ("disk", ", ".join(disk)),
            ("gpu", "" if self.gpu_tflops is None else f"{self.gpu_tflops:.3g} TFLOP/s in products of half precision"),
            ("network", _rate(self.network_rate, "from there")),
            ("round trip", "" if self.round_trip_seconds is None else f"{1000 * self.round_trip_seconds:.0f} ms"),
        ]
        return [(what, words) for what, words in rows if words]


def read(answer: bytes, **measured_here: float | None) -> Benchmark | None:
    """What an agent says, with what was ``measured_here``; ``None`` for what makes no sense."""
    told = json_object(answer)
    own = {"at", "network_rate", "round_trip_seconds"}
    try:
        return Benchmark.model_validate({**{name: told[name] for name in told.keys() - own}, **measured_here})
    except ValidationError:
        return None


def _rate(value: float | None, what: str) -> str:
    return "" if value is None else f"{data_size(value)}/s {what}"
