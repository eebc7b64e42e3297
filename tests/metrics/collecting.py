"""Carries out what promtail.yml says, stage by stage, and reads config.alloy: neither program is at hand here."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOUNTED = "/sessions"
"""Where sessions' directories are in the container."""
_KB = 1024


@dataclass
class Entry:
    """One line on its way."""

    line: str
    labels: dict[str, str]
    extracted: dict[str, str] = field(default_factory=dict)
    at: int = field(default_factory=time.time_ns)


def collected(config: dict[str, Any], sessions: Path) -> Iterator[Entry]:
    """What promtail would push of the ``sessions``' files, by its configuration."""
    for job in config["scrape_configs"]:
        pipeline = Pipeline(job["pipeline_stages"])
        for target in job["static_configs"]:
            labels = dict(target["labels"])
            pattern = labels.pop("__path__").removeprefix(f"{_MOUNTED}/")
            for path in sorted(sessions.glob(pattern)):
                filename = f"{_MOUNTED}/{path.relative_to(sessions)}"
                for line in filter(None, path.read_text(errors="replace").split("\n")):
                    entry = Entry(line, {**labels, "filename": filename}, {"filename": filename})
                    if pipeline.passes(entry):
                        yield entry


class Pipeline:
    """The stages of one job, through which its entries go."""

    def __init__(self, stages: list[dict[str, Any]]) -> None:
        self._stages = stages
        self._came: Counter[str] = Counter()
        """How many, by the label that they are limited by."""

    def passes(self, entry: Entry) -> bool:
        """Whether it comes through."""
        return all(self._through(entry, stage) for stage in self._stages)

    def _through(self, entry: Entry, stage: dict[str, Any]) -> bool:
        ((kind, said),) = stage.items()
        if kind == "match":
            ((name, value),) = re.findall(r'^{(\w+)="(\w+)"}$', said["selector"])
            return entry.labels.get(name) != value or all(self._through(entry, inner) for inner in said["stages"])
        if kind == "limit":  # as all come at once, no more than a burst does
            assert said["drop"]
            self._came[entry.labels[said["by_label_name"]]] += 1
            return self._came[entry.labels[said["by_label_name"]]] <= said["burst"]
        return _STAGES[kind](entry, said)


def _json(entry: Entry, said: dict[str, Any]) -> bool:
    try:
        found = json.loads(entry.line)
    except ValueError:
        return True
    for name, key in said["expressions"].items():
        if isinstance(found, dict) and key in found:
            entry.extracted[name] = str(found[key])
    return True


def _drop(entry: Entry, said: dict[str, Any]) -> bool:
    if "longer_than" in said:
        return len(entry.line.encode()) <= int(said["longer_than"].removesuffix("KB")) * _KB
    return re.search(said["expression"], entry.extracted.get(said["source"], "")) is None


def _timestamp(entry: Entry, said: dict[str, Any]) -> bool:
    assert said["format"] == "RFC3339Nano"
    if said["source"] in entry.extracted:
        entry.at = round(datetime.fromisoformat(entry.extracted[said["source"]]).timestamp() * 1e9)
    return True


def _regex(entry: Entry, said: dict[str, Any]) -> bool:
    found = re.search(said["expression"], entry.extracted.get(said["source"], ""))
    entry.extracted.update(found.groupdict() if found else {})
    return True


def _labels(entry: Entry, said: dict[str, Any]) -> bool:
    found = {name: entry.extracted.get(key or name) for name, key in said.items()}
    entry.labels |= {name: value for name, value in found.items() if value is not None}
    return True


def _labeldrop(entry: Entry, said: list[str]) -> bool:
    for name in said:
        entry.labels.pop(name, None)
    return True


_STAGES = {
    "json": _json, "drop": _drop, "timestamp": _timestamp, "regex": _regex, "labels": _labels, "labeldrop": _labeldrop,
}  # fmt: skip


def alloys(text: str) -> dict[str, dict[str, Any]]:
    """The components of Alloy's configuration by their names (``loki.process.events``), each with what it says.

    Blocks within one are a list below ``stages``, as promtail has them.
    """
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[\w.]+|[{}\[\]=,]', re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    found: dict[str, dict[str, Any]] = {}
    while tokens:
        kind, label = tokens.pop(0), json.loads(tokens.pop(0))
        found[f"{kind}.{label}"] = _block(tokens)
    return found


def _block(tokens: list[str]) -> dict[str, Any]:
    """From ``{`` to its ``}``."""
    assert tokens.pop(0) == "{"
    said: dict[str, Any] = {}
    while (name := tokens.pop(0)) != "}":
        if tokens[0] == "=":
            tokens.pop(0)
            said[name] = _value(tokens)
        else:
            said.setdefault("stages", []).append({name.removeprefix("stage."): _block(tokens)})
    return said


def _value(tokens: list[str]) -> Any:
    token = tokens.pop(0)
    if token in "[{":
        return _several(tokens, token)
    try:
        return json.loads(token)
    except ValueError:
        return token  # another component's, by its name


def _several(tokens: list[str], opening: str) -> Any:
    """A list or an object, of which the opening was read."""
    items: list[Any] = []
    closing = "]" if opening == "[" else "}"
    while tokens[0] != closing:
        item = _value(tokens)
        if opening == "{":
            assert tokens.pop(0) == "="
            item = (item, _value(tokens))
        items.append(item)
        if tokens[0] == ",":
            tokens.pop(0)
    tokens.pop(0)
    return items if opening == "[" else dict(items)
