"""Large files by ``cp`` and through the Lab's port, either way, beside SocketProxy and websocat on the same session."""

from __future__ import annotations

import asyncio
import base64
import filecmp
import hashlib
import http.client
import json
import os
import resource
import subprocess
import time
import urllib.parse
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import bed, tunnel
from benchmarks.row import Row

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = 500_000_000
_IN_LAB = 200_000_000
_PART = 1024 * 1024
"""Bytes of an upload's part, as JupyterLab's page sends them."""
_ROUNDS = 3


def rows(base: Path) -> list[Row]:
    source, back = base / "source", base / "back"
    with source.open("wb") as file:
        for _ in range(_SIZE // 1_000_000):
            file.write(os.urandom(1_000_000))
    up, down, lab_up, lab_down = [], [], [], []
    with bed.home(base / "copy"), bed.session("copy") as session:
        (session.work() / tunnel.FILE).write_bytes(os.urandom(tunnel.SIZE))
        beside = asyncio.run(tunnel.downloads(session))
        for turn in range(_ROUNDS):
            up.append(_rate(str(source), f"copy:file-{turn}"))
            down.append(_rate(f"copy:file-{turn}", str(back)))
            # Not in memory: a command begins as a copy of this process, whose size would be taken for its own.
            assert filecmp.cmp(source, back, shallow=False)
            back.unlink()
            os.truncate(session.work() / f"file-{turn}", _IN_LAB)
            lab_down.append(_downloaded(session, f"file-{turn}", source))
            lab_up.append(_uploaded(session, f"upload-{turn}", source))
            (session.work() / f"upload-{turn}").unlink()
            (session.work() / f"file-{turn}").unlink()
    by_vpn = {way: median(one.speed for one in beside[way]) for way in ("SocketProxy", "websocat")}
    others = ", ".join(f"{way} {speed:.2f} MB/s" for way, speed in by_vpn.items())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    page = "as JupyterLab's page sends it, a part of 1 MiB after the other"
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
        _in_lab("downloaded from the Lab by curl", lab_down, 60.0, f"through the link's port; {others}"),
        _in_lab("uploaded to the Lab", lab_up, 40.0, page),
    ]


def _in_lab(way: str, rates: list[float], least: float, detail: str) -> Row:
    times = f"{min(rates):.0f} to {max(rates):.0f}, {_ROUNDS} times"
    name = f"a file of {_IN_LAB // 1_000_000} MB {way}"
    return Row(name, median(rates), "MB/s", least=least, aim=100.0, more_is_better=True, detail=f"{times}; {detail}")


def _downloaded(session: bed.Session, name: str, source: Path) -> float:
    """MB/s of a download that is what it should be."""
    target, began = source.with_name("downloaded"), time.perf_counter()
    url = f"{session.address}/files/{name}"
    command = ["curl", "-sf", "-o", target, "-H", f"Authorization: token {session.token}", url]
    subprocess.run(command, check=True, timeout=600)
    seconds = time.perf_counter() - began
    assert _hash(target) == _hash(source)
    target.unlink()
    return _IN_LAB / seconds / 1e6


def _uploaded(session: bed.Session, name: str, source: Path) -> float:
    """MB/s of an upload after which the file over there is what it should be."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(session.address).netloc, timeout=60)
    headers = {"Authorization": f"token {session.token}", "Content-Type": "application/json"}
    began, sent = time.perf_counter(), 0
    with source.open("rb") as file:
        while sent < _IN_LAB:
            part = file.read(min(_PART, _IN_LAB - sent))
            sent += len(part)
            chunk = -1 if sent == _IN_LAB else sent // _PART
            model = {"type": "file", "format": "base64", "name": name, "chunk": chunk}
            body = json.dumps({**model, "content": base64.b64encode(part).decode()})
            connection.request("PUT", f"/api/contents/{name}", body, headers)
            answer = connection.getresponse()
            assert answer.status in {200, 201}, answer.read()
            answer.read()
    seconds = time.perf_counter() - began
    connection.close()
    assert _hash(session.work() / name) == _hash(source)
    return _IN_LAB / seconds / 1e6


def _hash(path: Path) -> str:
    """Of the part of a file that goes through the Lab; read in blocks, as memory is measured here."""
    hasher, left = hashlib.sha256(), _IN_LAB
    with path.open("rb") as file:
        while left and (block := file.read(min(_PART, left))):
            hasher.update(block)
            left -= len(block)
    return hasher.hexdigest()


def _row(way: str, rates: list[float], least: float, detail: str) -> Row:
    times = f"{min(rates):.0f} to {max(rates):.0f}, {_ROUNDS} times"
    name = f"`cp`: a file of {_SIZE // 1_000_000} MB {way}"
    return Row(name, median(rates), "MB/s", least=least, aim=100.0, more_is_better=True, detail=f"{times}; {detail}")


def _rate(source: str, target: str) -> float:
    """MB/s of one copy, as the command tells it."""
    told = json.loads(bed.command("cp", source, target, "--json"))
    assert told["bytes"] == _SIZE
    return float(_SIZE / told["seconds"] / 1e6)
