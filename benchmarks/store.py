"""The store alone, without a session: 1 GB kept and brought back, beside restic and rsync on the same disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks import bed
from benchmarks.row import Row
from benchmarks.saving import fill
from golem_launcher.workspace.export.extract import extract
from golem_launcher.workspace.repository.entry import Entry, chunk_id
from golem_launcher.workspace.repository.store import Store, open_store

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 256 * 1024
_SMALL = 10_000
_PARTS, _SAVES, _WORKSPACES = 400_000, 2_000, 100


def rows(base: Path) -> list[Row]:
    with bed.home(base / "home"):
        made = base / "made"
        fill(made)
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        kept, brought = _seconds_of_store(base, made)
        encrypted, _ = _seconds_of_store(base, made, encrypt=True)
        restic_kept, restic_brought = _seconds_of_restic(base, made)
        rsync = _timed(lambda: _run("rsync", "-a", f"{made}/", f"{base / 'copy'}/"))
        told = f"{kept:.1f} s, encrypted {encrypted:.1f} s; restic {restic_kept:.1f} s, rsync {rsync:.1f} s"
        rival = f"{brought:.1f} s; restic {restic_brought:.1f} s"
        return [
            Row("1 GB kept, restic = 1", restic_kept / kept, "times", 1, 1, more_is_better=True, detail=told),
            Row(
                "1 GB brought back, restic = 1",
                restic_brought / brought,
                "times",
                1,
                1,
                more_is_better=True,
                detail=rival,
            ),
            Row("rate of keeping", size / 1e6 / kept, "MB/s"),
            *_small(base),
            *_large(base),
        ]


def _seconds_of_store(base: Path, made: Path, *, encrypt: bool = False) -> tuple[float, float]:
    place, target = base / "store", base / "out"
    store = open_store(str(place), encrypt=encrypt)
    kept = _timed(lambda: _keep(store, made))
    brought = _timed(lambda: extract(store, store.manifest("work"), target))
    shutil.rmtree(place)
    shutil.rmtree(target)
    return kept, brought


def _seconds_of_restic(base: Path, made: Path) -> tuple[float, float]:
    environment = {**os.environ, "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(base / "restic")}
    _run("restic", "init", "-q", env=environment)
    kept = _timed(lambda: _run("restic", "backup", "-q", ".", cwd=made, env=environment))
    brought = _timed(
        lambda: _run("restic", "restore", "-q", "latest", "--target", str(base / "again"), env=environment)
    )
    shutil.rmtree(base / "restic")
    shutil.rmtree(base / "again")
    return kept, brought


def _small(base: Path) -> list[Row]:
    store = open_store(str(base / "small"))
    entries = []
    for number in range(_SMALL):
        plain = b"%d\n" % number * 20
        store.put_chunk(chunk_id(plain), plain)
        entries.append(Entry(f"d{number // 100}/{number}", "file", size=len(plain), chunks=(chunk_id(plain),)))
    store.commit("small", entries)
    chunks = [chunk for entry in entries for chunk in entry.chunks]
    asked = min(_timed(lambda: store.missing(chunks)) for _ in range(5))
    committed = min(_timed(lambda: store.commit("small", entries)) for _ in range(5))
    opened = min(_timed(lambda: open_store(str(base / "small"))) for _ in range(5))
    told = f"a whole generation of them {committed * 1000:.0f} ms, opening the store {opened * 1000:.0f} ms"
    return [Row("nothing new among 10,000 files", asked * 1000, "ms", least=100, aim=20, detail=told)]


def _large(base: Path) -> list[Row]:
    """What grows with the parts in a store, and with the saves."""
    place = str(base / "large")
    store = open_store(place)
    store.establish()
    files = [Entry(f"{number}", "file", size=10, chunks=(_part(number),)) for number in range(_PARTS)]
    for number in range(_PARTS):
        store.put_chunk(_part(number), b"%d" % number)
    some = _PARTS // _SAVES
    for number in range(_SAVES):
        store.commit(f"work-{number % _WORKSPACES}", files[number * some : (number + 1) * some])
    listed = min(_timed(lambda: open_store(place).workspaces()) for _ in range(5))
    asked, *again = (_timed(lambda: open_store(place).missing([_part(7)])) for _ in range(4))
    pruned = _timed(lambda: open_store(place).prune())
    what = f"a store of {_PARTS:,} parts and {_SAVES:,} saves"
    return [
        Row(f"{what}: opened and its workspaces listed", listed, "s", least=0.5, aim=0.1),
        Row(f"{what}: the first part that is asked for", min(again), "s", detail=f"on a new computer {asked:.1f} s"),
        Row(f"{what}: pruned", pruned, "s", detail="with that"),
    ]


def _part(number: int) -> str:
    return chunk_id(b"%d" % number)


def _keep(store: Store, made: Path) -> None:
    entries = []
    for path in sorted(made.rglob("*")):
        chunks = []
        with path.open("rb") as file:
            while plain := file.read(_CHUNK):
                chunks.append(chunk_id(plain))
                store.put_chunk(chunks[-1], plain)
        entries.append(Entry(path.relative_to(made).as_posix(), "file", size=path.stat().st_size, chunks=tuple(chunks)))
    store.commit("work", entries)


def _run(*command: str, **more: object) -> None:
    subprocess.run(command, check=True, **more)


def _timed(work: object) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
