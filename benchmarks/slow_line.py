"""Saving over a line with 5 % loss and 300 ms there and back: which way is chosen shows in how long it takes."""

from __future__ import annotations

import os
import time
import urllib.request
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


def rows(base: Path) -> list[Row]:
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
