"""What the whole suite is cut into: jobs, each a pytest of its own over some files of one room."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HERE = Path(__file__).parent
MEASURED = HERE / "seconds.json"
"""About how many seconds each file takes while others run beside it; what is not named there is short. It decides in
which order the jobs begin and how the rooms are cut, and nothing else."""
MEASURED_QUICK = HERE / "quick_seconds.json"
"""The same of their quick tests alone."""

_BUSY_ROOMS = {"browser", "image"}
_QUICK = ("-m", "not slow and not browser", "--hypothesis-profile=quick")
_QUICK_JOBS = 4
_SHORT, _SHORT_QUICK = 1.0, 0.5
_SHARES = 20
"""A job is about such a part of the whole, at the most: each starts its room's network anew, and while the last one
runs the other cores have nothing to do."""


@dataclass(frozen=True)
class Job:
    name: str
    files: tuple[str, ...]
    seconds: float
    options: tuple[str, ...] = ()
    """Pytest's."""
    busy: bool = False
    """Whether it keeps a core busy, with a browser or a build; others wait for daemons and clocks for the most part."""


def all_jobs(seconds: Mapping[str, float]) -> list[Job]:
    """Every file of tests in one job; the longest jobs first."""
    rooms = _rooms()
    most = sum(seconds.get(file, _SHORT) for files in rooms.values() for file in files) / _SHARES
    found = [job for room, files in rooms.items() for job in _cut(room, files, seconds, most)]
    return sorted(found, key=lambda job: job.seconds, reverse=True)


def quick_jobs(seconds: Mapping[str, float]) -> list[Job]:
    """What is neither slow nor in need of a browser: rooms in few jobs, as each imports much before it begins.

    They are about equally long: while the last one runs, other cores have nothing to do.
    """
    rooms = _rooms()
    most = sum(seconds.get(file, _SHORT_QUICK) for files in rooms.values() for file in files) / _QUICK_JOBS
    pieces = [piece for room, files in rooms.items() for piece in _cut(room, files, seconds, most, short=_SHORT_QUICK)]
    parts: list[list[Job]] = [[] for _ in range(_QUICK_JOBS)]
    for piece in sorted(pieces, key=_seconds, reverse=True):
        min(parts, key=lambda part: sum(map(_seconds, part))).append(piece)
    return [
        Job(f"quick-{number}", tuple(file for piece in part for file in piece.files), sum(map(_seconds, part)), _QUICK)
        for number, part in enumerate(parts, 1)
    ]


def _rooms() -> dict[str, list[str]]:
    rooms: dict[str, list[str]] = defaultdict(list)
    for path in sorted(HERE.rglob("test_*.py")):
        file = path.relative_to(HERE).as_posix()
        rooms[file.partition("/")[0] if "/" in file else "rest"].append(file)
    return rooms


def _seconds(job: Job) -> float:
    return job.seconds


def _cut(room: str, files: list[str], seconds: Mapping[str, float], most: float, *, short: float = _SHORT) -> list[Job]:
    """The room in as many parts as it needs, about equally long; a file that is not named takes ``short``."""
    count = math.ceil(sum(seconds.get(file, short) for file in files) / most)
    parts: list[list[str]] = [[] for _ in range(count)]
    filled = [0.0] * count
    for file in sorted(files, key=lambda file: seconds.get(file, short), reverse=True):
        least = filled.index(min(filled))
        parts[least].append(file)
        filled[least] += seconds.get(file, short)
    names = [room] if count == 1 else [f"{room}-{number}" for number in range(1, count + 1)]
    return [
        Job(name, tuple(f"tests/{file}" for file in sorted(part)), sum_, busy=room in _BUSY_ROOMS)
        for name, part, sum_ in zip(names, parts, filled, strict=True)
        if part
    ]


def known_seconds(kept: Path) -> dict[str, float]:
    """What was measured last, as :data:`MEASURED` or :data:`MEASURED_QUICK` has it."""
    return dict(json.loads(kept.read_text()))


def measured(reports: Iterable[Path]) -> dict[str, float]:
    """The seconds that each file took, by what pytest wrote of its jobs (JUnit's XML), as :data:`MEASURED` has them."""
    took: dict[str, float] = defaultdict(float)
    for report in reports:
        for file, case in _cases(report):
            took[file.removeprefix("tests/")] += float(case.get("time", 0))
    return {file: round(seconds) for file, seconds in sorted(took.items()) if seconds > 2 * _SHORT}


def failing_files(report: Path) -> tuple[str, ...]:
    """The files in which a test failed, by what pytest wrote of a job."""
    failing = (
        file for file, case in _cases(report) if case.find("failure") is not None or case.find("error") is not None
    )
    return tuple(sorted(set(failing)))


def _cases(report: Path) -> Iterable[tuple[str, ET.Element]]:
    """Its tests, each with our file, also where a library has the test; not what pytest met beside them.

    Of a job that was ended by force there may be a part of the file, or tests of which no more than that they were met.
    """
    try:
        cases = list(ET.parse(report).iter("testcase"))
    except ET.ParseError:
        return
    for case in cases:
        parts = case.get("classname", "").split(".")
        module = next((at for at, part in enumerate(parts) if part.startswith("test_")), None)
        if module is not None:
            yield "/".join(parts[: module + 1]) + ".py", case
