"""Makes Prometheus' text of what was read: one registry of its own, filled when somebody scrapes."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from golem_launcher import __version__
from golem_launcher.events import Stage
from golem_launcher.metrics import nodes
from golem_launcher.metrics.job_reading import JobReader
from golem_launcher.metrics.metric_definitions import PREFIX, finite, stage_seconds, start_seconds
from golem_launcher.metrics.metric_families import MetricFamilies
from golem_launcher.metrics.session_reading import Reader
from golem_launcher.networks import NETWORKS, token_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from golem_launcher.metrics.nodes import NodeReading
    from golem_launcher.metrics.session_reading import Reading

_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)
"""From a start on the local network to a session of a day."""
_OTHER = "other"


def registry() -> CollectorRegistry:
    """What ``prometheus_client`` prints: all sessions of this home, read anew each time. For one thread at a time."""
    made = CollectorRegistry()
    lengths = _Lengths()
    made.register(_Sessions(lengths))  # before the histograms, which it fills
    made.register(lengths.starts)
    made.register(lengths.stages)
    made.register(lengths.tasks)
    return made


class _Lengths:
    """How long starts and stages took, of all sessions that were seen: a removed one still counts."""

    def __init__(self) -> None:
        self.starts = Histogram(
            "start_seconds", "From the request until the workload first answered.", ["network"],
            namespace="golem_launcher", buckets=_SECONDS, registry=None,
        )  # fmt: skip
        self.stages = Histogram(
            "stage_seconds", "How long a stage lasted.", ["stage"],
            namespace="golem_launcher", buckets=_SECONDS, registry=None,
        )  # fmt: skip
        self.tasks = Histogram(
            "task_seconds", "How long a task of a job took that was done.",
            namespace="golem_launcher", buckets=_SECONDS, registry=None,
        )  # fmt: skip
        self._counted: dict[tuple[str, str], int] = {}
        """Of each session: how many stages are counted."""
        self._started: set[tuple[str, str]] = set()

    def count(self, one: Reading) -> None:
        """Add what is new of a session."""
        over = stage_seconds(one.state)[:-1]
        for stage, seconds in over[self._counted.get(one.identity, 0) :]:
            self.stages.labels(stage.value).observe(seconds)
        self._counted[one.identity] = len(over)
        start = start_seconds(one.state)
        if start is not None and one.identity not in self._started:
            self._started.add(one.identity)
            self.starts.labels(_network(one)).observe(start)


class _Sessions(Collector):
    """All sessions, when somebody asks."""

    def __init__(self, lengths: _Lengths) -> None:
        self._lengths = lengths
        self._reader = Reader()
        self._jobs = JobReader()
        self._figures = MetricFamilies()
        self._nodes = nodes.Nodes()

    def collect(self) -> Iterator[Metric]:
        """Called by the registry for each scrape."""
        began = time.monotonic()
        self._nodes.ask()
        found = self._reader.read()
        for one in found:
            self._lengths.count(one)
        yield _build()
        yield from _fleet(found)
        yield _info(found)
        yield from self._figures.of(found)
        yield from self._of_jobs()
        needs = [one.state.network for one in found if not one.state.stage.final]
        yield from _nodes([*(read := self._nodes.heard()), *nodes.missing(read, needs)])
        yield GaugeMetricFamily(
            f"{PREFIX}read_seconds", "How long it took to read all sessions.", value=time.monotonic() - began
        )

    def _of_jobs(self) -> Iterator[Metric]:
        """How far each job is."""
        tasks = GaugeMetricFamily(f"{PREFIX}job_tasks", "Tasks of a job.", labels=("job",))
        done = GaugeMetricFamily(f"{PREFIX}job_tasks_done", "Tasks of a job that are done.", labels=("job",))
        failed = GaugeMetricFamily(f"{PREFIX}job_tasks_failed", "Tasks of a job that were given up.", labels=("job",))
        for one in self._jobs.read():
            if one.tasks is not None:
                tasks.add_metric((one.name,), one.tasks)
            done.add_metric((one.name,), one.done)
            failed.add_metric((one.name,), one.failed)
            for seconds in one.took:
                if finite(seconds) is not None:
                    self._lengths.tasks.observe(seconds)
        yield from (tasks, done, failed)


def _build() -> Metric:
    return InfoMetricFamily(f"{PREFIX}build", "The launcher.", value={"version": __version__})


def _fleet(found: list[Reading]) -> Iterator[Metric]:
    """How many sessions are where."""
    sessions = GaugeMetricFamily(f"{PREFIX}sessions", "Sessions by network and stage.", labels=("network", "stage"))
    count = Counter((_network(one), one.state.stage) for one in found)
    for network in sorted({network for network, _ in count}):
        for stage in Stage:
            sessions.add_metric((network, stage.value), count[network, stage])
    yield sessions


def _info(found: list[Reading]) -> Metric:
    info = InfoMetricFamily(f"{PREFIX}session", "What a session is.", labels=("session",))
    for one in found:
        network = _network(one)
        info.add_metric((one.name,), {"network": network, "workload": one.state.workload, "coin": token_of(network)})
    return info


def _nodes(read: list[NodeReading]) -> Iterator[Metric]:
    """What the nodes say, and whether they do."""
    up = GaugeMetricFamily(f"{PREFIX}node_up", "Whether a node (yagna) answers.", labels=("node",))
    for node in read:
        up.add_metric((node.name,), node.figures is not None)
    yield up
    for name, words in nodes.FIGURES.items():
        made = CounterMetricFamily(f"{PREFIX}node_{name}", words, labels=("node",))
        for node in read:
            if node.figures is not None and name in node.figures:
                made.add_metric((node.name,), node.figures[name])
        yield made


def _network(one: Reading) -> str:
    """One of those that are known: a state that is damaged may name any."""
    return one.state.network if one.state.network in NETWORKS else _OTHER
