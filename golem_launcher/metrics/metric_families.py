"""The figures of sessions and of their machines, made anew for a session of which something is new."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from golem_launcher.events import Stage
from golem_launcher.metrics.metric_definitions import MACHINE, MOST_MACHINES, PREFIX, SESSION, finite, stage_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.core import Metric
    from prometheus_client.samples import Sample

    from golem_launcher.metrics.metric_definitions import Series, Value
    from golem_launcher.metrics.session_reading import Reading
    from golem_launcher.session_state import MachineState

_T = TypeVar("_T")
_Figures = list[tuple[tuple[str, ...], "Value"]]


@dataclass(frozen=True)
class _Family:
    """One figure, of all sessions that have it."""

    name: str
    words: str
    labels: Sequence[str]
    of: Callable[[Reading], _Figures]
    """The labels and the figure of each that a session has."""
    kind: type[GaugeMetricFamily | CounterMetricFamily] = GaugeMetricFamily
    grows: bool = False
    """Whether it is another one a moment later, when nothing has happened."""

    def empty(self) -> GaugeMetricFamily | CounterMetricFamily:
        return self.kind(f"{PREFIX}{self.name}", self.words, labels=self.labels)

    def samples(self, reading: Reading) -> list[Sample]:
        """Those of one session."""
        family = self.empty()
        for labels, figure in self.of(reading):
            value = finite(figure)
            if value is not None:
                family.add_metric(labels, value)
        return family.samples


@dataclass(frozen=True)
class _Made:
    """What was made of a session as it was read."""

    reading: Reading
    samples: Sequence[list[Sample]]
    """In the order of ``_FAMILIES``."""


class MetricFamilies:
    """Of the sessions that are read again and again; a session's samples are the same objects until it changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Made] = {}

    def of(self, found: Iterable[Reading]) -> Iterator[Metric]:
        """All figures of these sessions."""
        known, self._known = self._known, {}
        for reading in found:
            made = known.get(reading.identity)
            if made is None or made.reading is not reading:
                made = _Made(reading, [family.samples(reading) for family in _FAMILIES])
            self._known[reading.identity] = made
        for index, family in enumerate(_FAMILIES):
            whole = family.empty()
            for made in self._known.values():
                whole.samples += family.samples(made.reading) if family.grows else made.samples[index]
            yield whole


def _stages(one: Reading) -> _Figures:
    return [((one.name, stage.value), one.state.stage is stage) for stage in Stage]


def _stage_seconds(one: Reading) -> _Figures:
    total: defaultdict[Stage, float] = defaultdict(float)
    for stage, seconds in stage_seconds(one.state):
        total[stage] += seconds
    return [((one.name, stage.value), seconds) for stage, seconds in total.items()]


def _seen(one: Reading) -> _Figures:
    seen = one.state.providers_seen
    return [] if seen is None else [((one.name, judged), count) for judged, count in seen.model_dump().items()]


def _figure(series: Series[Reading], one: Reading) -> _Figures:
    return [((one.name,), series.of(one))]


def _of_machines(series: Series[MachineState], one: Reading) -> _Figures:
    if one.state.stage.final:
        return []
    machines = [machine for machine in one.state.machines_in_use if machine.number <= MOST_MACHINES]
    return [((one.name, str(machine.number)), series.of(machine)) for machine in machines]


def _family(of: str, series: Series[_T], labels: Sequence[str], figures: Callable[[Reading], _Figures]) -> _Family:
    kind = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
    return _Family(f"{of}_{series.name.removesuffix('_total')}", series.words, labels, figures, kind, series.grows)


_FAMILIES = (
    _Family("session_stage", "1 for the stage that a session is in.", ("session", "stage"), _stages),
    _Family(
        "session_stage_seconds",
        "How long a session was in a stage, in all.",
        ("session", "stage"),
        _stage_seconds,
        grows=True,
    ),
    _Family(
        "session_providers_seen",
        "Providers whose offers it saw when it looked for one last, by how they were judged.",
        ("session", "judged"),
        _seen,
    ),
    *(_family("session", series, ("session",), partial(_figure, series)) for series in SESSION),
    *(_family("machine", series, ("session", "machine"), partial(_of_machines, series)) for series in MACHINE),
)
