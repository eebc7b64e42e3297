"""Large files by ``cp``, either way, beside SocketProxy and websocat on the same session."""

from __future__ import annotations

import asyncio
import filecmp
import json
import os
import resource
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import bed, tunnel
from benchmarks.row import Row

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = 500_000_000
_ROUNDS = 3


def rows(base: Path) -> list[Row]:
    source, back = base / "source", base / "back"
    with source.open("wb") as file:
        for _ in range(_SIZE // 1_000_000):
            file.write(os.urandom(1_000_000))
    up, down = [], []
    with bed.home(base / "copy"), bed.session("copy") as session:
        (session.work() / tunnel.FILE).write_bytes(os.urandom(tunnel.SIZE))
        beside = asyncio.run(tunnel.downloads(session))
        for turn in range(_ROUNDS):
            up.append(_rate(str(source), f"copy:file-{turn}"))
            down.append(_rate(f"copy:file-{turn}", str(back)))
            # Not in memory: a command begins as a copy of this process, whose size would be taken for its own.
            assert filecmp.cmp(source, back, shallow=False)
            back.unlink()
            (session.work() / f"file-{turn}").unlink()
    by_vpn = {way: median(one.speed for one in beside[way]) for way in ("SocketProxy", "websocat")}
    others = ", ".join(f"{way} {speed:.2f} MB/s" for way, speed in by_vpn.items())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    return [
        _row("from the session", down, 60.0, f"{others}, by the VPN of the same session"),
        _row("to the session", up, 40.0, f"a program's memory at most {peak:.0f} MB"),
        Row(
            "the slower way, over the faster of SocketProxy and websocat",
            min(median(up), median(down)) / max(by_vpn.values()),
            "x",
            least=20.0,
            aim=20.0,
            more_is_better=True,
        ),
    ]


def _row(way: str, rates: list[float], least: float, detail: str) -> Row:
    times = f"{min(rates):.0f} to {max(rates):.0f}, {_ROUNDS} times"
    name = f"`cp`: a file of {_SIZE // 1_000_000} MB {way}"
    return Row(name, median(rates), "MB/s", least=least, aim=100.0, more_is_better=True, detail=f"{times}; {detail}")


def _rate(source: str, target: str) -> float:
    """MB/s of one copy, as the command tells it."""
    told = json.loads(bed.command("cp", source, target, "--json"))
    assert told["bytes"] == _SIZE
    return float(_SIZE / told["seconds"] / 1e6)
