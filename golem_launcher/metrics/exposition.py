"""Prometheus' text of figures, as ``prometheus_client`` writes it, in a fraction of its time.

That checks and escapes each figure's name and labels at each scrape, which is most of what a scrape takes. They hardly
change from one to the next: so what it wrote before a figure's value is kept, and only values are written anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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


class _Line(NamedTuple):
    """One figure, written."""

    sample: Sample
    key: _Key
    """Its name and labels."""
    before: str
    """What stands before its value."""
    text: str


class Exposition:
    """The text of one registry. Not thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._heads: dict[_Key, str] = {}
        """By a family's name and kind: the lines before its figures."""
        self._lines: dict[int, _Line] = {}
        """By a figure's object. That of a figure that did not change is the same, and is kept so that no other is."""
        self._before: dict[_Key, str] = {}
        """By a figure's name and labels: what stands before its value."""
        self._others: dict[_Key, tuple[list[Sample], bytes]] = {}
        """By a family's name and kind: what it was, and its text."""

    def text(self) -> bytes:
        """All figures as they are now."""
        told, self._lines = self._lines, {}
        text = b"".join(self._of(metric, told) for metric in self._registry.collect())
        if len(self._before) > 2 * len(self._lines):  # most of them are of what is no longer there
            self._before = {line.key: line.before for line in self._lines.values()}
        return text

    def _of(self, metric: Metric, told: dict[int, _Line]) -> bytes:
        family = metric.name, metric.type
        if metric.type not in _PLAIN:
            other = self._others.get(family)
            if other is None or other[0] != metric.samples:
                other = self._others[family] = metric.samples, generate_latest(_One(metric))
            return other[1]
        head = self._heads.get(family)
        if head is None:
            head = self._heads[family] = generate_latest(_One(_without_figures(metric))).decode()
        texts, lines = [head], self._lines
        for sample in metric.samples:
            key = id(sample)
            line = told.get(key)
            if line is None or line.sample is not sample:
                line = self._line(metric, sample)
            lines[key] = line
            texts.append(line.text)
        return "".join(texts).encode()

    def _line(self, metric: Metric, sample: Sample) -> _Line:
        key = sample.name, *sample.labels.values()
        before = self._before.get(key)
        if before is None:
            before = self._before[key] = _before_value(metric, sample)
        value = floatToGoString(sample.value)  # type: ignore[no-untyped-call]
        return _Line(sample, key, before, f"{before}{value}\n")


def _without_figures(metric: Metric) -> Metric:
    return Metric(metric.name, metric.documentation, metric.type)


def _before_value(metric: Metric, sample: Sample) -> str:
    alone = _without_figures(metric)
    alone.samples = [sample]
    line = generate_latest(_One(alone)).decode().rstrip("\n").rpartition("\n")[2]
    return line[: line.rindex(" ") + 1]
