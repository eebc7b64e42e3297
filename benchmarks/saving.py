"""Saving a session's workspace through the whole chain, beside restic and rsync doing the same on the local disk."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks import bed
from benchmarks.memory import EVERY_SECONDS, Memory
from benchmarks.row import Row
from benchmarks.sampling import sampled
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client

if TYPE_CHECKING:
    from pathlib import Path

_MEGA = 1_000_000
_SIZES = (200, 200, 150, 100, 64, *([19] * 15))
"""Of the data files, in MB: with the notebooks, 1 GB."""
_NOTEBOOKS = 500
_SMALL, _TINY = 10_000, 50_000


def rows(base: Path) -> list[Row]:
    with bed.home(base / "home"):
        localnet.up()
        with bed.session("saving") as session:
            return [*_large(base, session), *_small(base, session), _tiny(base, session)]


def _large(base: Path, session: bed.Session) -> list[Row]:
    made, work = base / "made", session.work()
    fill(made)
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    restic, restic_after, rsync_bytes = _rivals(base, made)
    memory = Memory(session)
    with sampled(memory.look, EVERY_SECONDS):
        made.rename(work / "data")  # all at once: the session saves by itself meanwhile
        first = _save()
    _edit(work / "data")
    stored = _stored(base)
    after = _save()
    sent = _stored(base) - stored
    rate = size / _MEGA / first
    rival = f"{first:.1f} s; restic to a local disk {restic:.1f} s"
    rsync, sent_by = rsync_bytes / _MEGA, f"rsync sends {rsync_bytes / _MEGA:.2f} MB"
    return [
        Row("first save of 1 GB", rate, "MB/s", least=20, aim=size / _MEGA / restic, more_is_better=True, detail=rival),
        Row(
            "memory of agent and supervisor while saving 1 GB, more than before",
            memory.more / _MEGA,
            "MB",
            least=64,
            aim=32,
            detail=f"highest resident sizes: {memory.told}",
        ),
        Row("save after four small changes", after, "s", least=2, aim=1, detail=f"restic {restic_after:.1f} s"),
        Row("bytes it stores", sent / _MEGA, "MB", least=1.1 * rsync, aim=rsync, detail=sent_by),
    ]


def _small(base: Path, session: bed.Session) -> list[Row]:
    made = base / "many"
    _write_small(made, _SMALL, 20)
    made.rename(session.work() / "many")
    _save()
    times = sorted(_save() for _ in range(7))
    spread = f"{times[0] * 1000:.0f} to {times[-1] * 1000:.0f} ms, the command's own way included"
    what = "save with nothing changed, 10,000 files more"
    return [Row(what, times[3] * 1000, "ms", least=300, aim=100, detail=spread)]


def _tiny(base: Path, session: bed.Session) -> Row:
    _write_small(base / "tiny", _TINY, 1)
    (base / "tiny").rename(session.work() / "tiny")
    took = _save()
    return Row("50,000 tiny files saved", took, "s", least=60, aim=20, detail=f"{_TINY / took:,.0f} a second")


def _write_small(made: Path, count: int, lines: int) -> None:
    for number in range(count):
        path = made / str(number // 100) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * lines)


def _save() -> float:
    began = time.perf_counter()
    client.save("saving")
    return time.perf_counter() - began


def _stored(base: Path) -> int:
    return sum(path.stat().st_size for path in (base / "home" / "workspaces").rglob("*") if path.is_file())


def fill(made: Path) -> None:
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlu", k=6)) for _ in range(2000)]
    made.mkdir(parents=True)
    for number in range(_NOTEBOOKS):
        cells = ",\n".join(f'  {{"source": "{" ".join(chance.choices(words, k=12))}"}}' for _ in range(200))
        (made / f"note{number}.ipynb").write_text(f'{{"cells": [\n{cells}\n]}}\n')
    for number, megabytes in enumerate(_SIZES):
        with (made / f"data{number}.bin").open("wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(_MEGA))


def _edit(made: Path) -> None:
    (made / "note7.ipynb").write_text((made / "note7.ipynb").read_text().replace("[", "[ ", 1))
    with (made / "data0.bin").open("ab") as file:
        file.write(os.urandom(_MEGA))
    with (made / "data1.bin").open("r+b") as file:
        file.seek(50 * _MEGA)
        file.write(os.urandom(_MEGA))
    (made / "data4.bin").write_bytes(os.urandom(100) + (made / "data4.bin").read_bytes())


def _rivals(base: Path, made: Path) -> tuple[float, float, int]:
    """Seconds of restic for both saves, and bytes that rsync sends for the second."""
    environment = {**os.environ, "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(base / "restic")}
    subprocess.run(["restic", "init", "-q"], env=environment, check=True)
    copy, edited = base / "copy", base / "edited"
    subprocess.run(["cp", "-a", made, edited], check=True)

    def restic() -> float:
        began = time.perf_counter()
        subprocess.run(["restic", "backup", "-q", "."], cwd=edited, env=environment, check=True)
        return time.perf_counter() - began

    first = restic()
    subprocess.run(["cp", "-a", edited, copy], check=True)
    _edit(edited)
    after = restic()
    done = subprocess.run(
        ["rsync", "-a", "--no-whole-file", "--stats", f"{edited}/", f"{copy}/"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    sent = int(re.search(r"Total bytes sent: ([\d,]+)", done.stdout)[1].replace(",", ""))
    for each in (copy, edited, base / "restic"):
        shutil.rmtree(each)
    return first, after, sent
