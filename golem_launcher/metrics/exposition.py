"""Prometheus' text of figures, as ``prometheus_client`` writes it, in a fraction of its time.

That checks and escapes each figure's name and labels at each scrape, which is most of what a scrape takes. They hardly
change from one to the next: so what it wrote before a figure's value is kept, and only values are written anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.samples import Sample

_PLAIN = {"gauge", "counter"}
"""One line for each figure. Histograms and the like are few, and all the library's."""
_Key = tuple[str, ...]


@dataclass(frozen=True)
class _One(Collector):
    """One family, as a registry gives all."""

    metric: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


class Exposition:
    """The text of one registry. Not thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._heads: dict[_Key, str] = {}
        """By a family's name and kind: the lines before its figures."""
        self._before: dict[_Key, str] = {}
        """By a figure's name and labels: what stands before its value."""

    def text(self) -> bytes:
        """All figures as they are now."""
        known, self._before = self._before, {}
        return b"".join(self._of(metric, known) for metric in self._registry.collect())

    def _of(self, metric: Metric, known: dict[_Key, str]) -> bytes:
        if metric.type not in _PLAIN:
            return generate_latest(_One(metric))
        family = metric.name, metric.type
        head = self._heads.get(family)
        if head is None:
            head = self._heads[family] = generate_latest(_One(_without_figures(metric))).decode()
        lines = [head]
        for sample in metric.samples:
            key = sample.name, *sample.labels.values()
            before = self._before[key] = known.get(key) or _before_value(metric, sample)
            lines.append(f"{before}{floatToGoString(sample.value)}\n")  # type: ignore[no-untyped-call]
        return "".join(lines).encode()


def _without_figures(metric: Metric) -> Metric:
    return Metric(metric.name, metric.documentation, metric.type)


def _before_value(metric: Metric, sample: Sample) -> str:
    alone = _without_figures(metric)
    alone.samples = [sample]
    line = generate_latest(_One(alone)).decode().rstrip("\n").rpartition("\n")[2]
    return line[: line.rindex(" ") + 1]
