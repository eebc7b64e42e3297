"""Slow lines: which way is chosen shows in how long it takes.

A line with 5 % loss and 300 ms there and back, on which files are saved, and one on which transfers are slow and the
tunnel is not, on which a file is downloaded from the Lab.
"""

from __future__ import annotations

import os
import time
import urllib.request
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client

if TYPE_CHECKING:
    from pathlib import Path

_KILO = 1000
_MEGA = 1_000_000
_TUNNEL_BYTES = 100_000
_LINE = """
[[provider]]
name = "far"
memory_gib = 2
misbehaviour = { drop_frames = 0.05, delay_frames = 0.15, transfer_rate = 400_000 }
"""
_SLOW_TRANSFERS = """
[[provider]]
name = "slow"
memory_gib = 2
misbehaviour = { transfer_rate = 500_000 }
"""
_ROUNDS = 3
_BY_TUNNEL = {"Sec-Fetch-Dest": "image"}
"""What a browser says that shows a picture in a page: such come by the tunnel."""


def rows(base: Path) -> list[Row]:
    return [*_saves(base), *_downloads(base)]


def _downloads(base: Path) -> list[Row]:
    description = base / "slow.toml"
    description.write_text(_SLOW_TRANSFERS)
    with bed.home(base / "slow"):
        localnet.up(description)
        with bed.session("slow", save_seconds=3600) as session:
            (session.work() / "file.bin").write_bytes(os.urandom(10 * _MEGA))
            pairs = [(_download(session, {}), _download(session, _BY_TUNNEL)) for _ in range(_ROUNDS)]
    seconds, by_tunnel = (median(times) for times in zip(*pairs, strict=True))
    return [
        Row(
            "a file of 10 MB downloaded from the Lab where transfers carry 0.5 MB/s, over the tunnel alone",
            median(one / other for one, other in pairs),
            "x the time",
            least=1.2,
            aim=1.1,
            detail=f"{seconds:.1f} s and {by_tunnel:.1f} s, {_ROUNDS} times each, by turns",
        )
    ]


def _download(session: bed.Session, headers: dict[str, str]) -> float:
    """Seconds."""
    request = urllib.request.Request(
        f"{session.address}/files/file.bin", headers={"Authorization": f"token {session.token}", **headers}
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as answer:
        assert len(answer.read()) == 10 * _MEGA
    return time.perf_counter() - began


def _saves(base: Path) -> list[Row]:
    description = base / "far.toml"
    description.write_text(_LINE)
    with bed.home(base / "home"):
        localnet.up(description)
        with bed.session("far", save_seconds=3600) as session:
            by_tunnel = _tunnel_rate(session)
            detail = f"the tunnel carries {by_tunnel / _KILO:.0f} kB/s there, file transfers 400 kB/s after a while"
            return [
                Row(
                    f"{size} MB saved, 5 % loss and 300 ms there and back",
                    _save(session, size),
                    "s",
                    least=20,
                    aim=size * _MEGA / 400_000 + 2,
                    detail=detail,
                )
                for size in (1, 5)
            ]


def _tunnel_rate(session: bed.Session) -> float:
    (session.work() / "probe.bin").write_bytes(os.urandom(_TUNNEL_BYTES))
    request = urllib.request.Request(
        f"{session.address}/files/probe.bin", headers={"Authorization": f"token {session.token}"}
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as answer:
        size = len(answer.read())
    (session.work() / "probe.bin").unlink()
    return size / (time.perf_counter() - began)


def _save(session: bed.Session, megabytes: int) -> float:
    (session.work() / f"{megabytes}.bin").write_bytes(os.urandom(megabytes * _MEGA))
    began = time.perf_counter()
    client.save("far")
    return time.perf_counter() - began
