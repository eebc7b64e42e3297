"""Large files through the Lab's port: downloads by curl, uploads as JupyterLab's page sends them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import subprocess
import time
import urllib.parse
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import bed
from benchmarks.row import Row

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = 200_000_000
_PART = 1024 * 1024
"""Bytes of an upload's part, as JupyterLab's page sends them."""
_ROUNDS = 5


def rows(base: Path) -> list[Row]:
    source = base / "source"
    with source.open("wb") as file:
        for _ in range(_SIZE // 1_000_000):
            file.write(os.urandom(1_000_000))
    up, down = [], []
    with bed.home(base / "lab_files"), bed.session("files") as session:
        for turn in range(_ROUNDS):
            up.append(_uploaded(session, f"file-{turn}", source))
            down.append(_downloaded(session, f"file-{turn}", source))
            (session.work() / f"file-{turn}").unlink()
    page = "as JupyterLab's page sends it, a part of 1 MiB after the other"
    return [
        _row("downloaded from the Lab by curl", down, 60.0, "through the link's port"),
        _row("uploaded to the Lab", up, 40.0, page),
    ]


def _row(way: str, rates: list[float], least: float, detail: str) -> Row:
    times = f"{min(rates):.0f} to {max(rates):.0f}, {_ROUNDS} times"
    name = f"a file of {_SIZE // 1_000_000} MB {way}"
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
    return _SIZE / seconds / 1e6


def _uploaded(session: bed.Session, name: str, source: Path) -> float:
    """MB/s of an upload after which the file over there is what it should be."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(session.address).netloc, timeout=60)
    headers = {"Authorization": f"token {session.token}", "Content-Type": "application/json"}
    began, sent = time.perf_counter(), 0
    with source.open("rb") as file:
        while sent < _SIZE:
            part = file.read(min(_PART, _SIZE - sent))
            sent += len(part)
            chunk = -1 if sent == _SIZE else sent // _PART
            model = {"type": "file", "format": "base64", "name": name, "chunk": chunk}
            body = json.dumps({**model, "content": base64.b64encode(part).decode()})
            connection.request("PUT", f"/api/contents/{name}", body, headers)
            answer = connection.getresponse()
            assert answer.status in {200, 201}, answer.read()
            answer.read()
    seconds = time.perf_counter() - began
    connection.close()
    assert _hash(session.work() / name) == _hash(source)
    return _SIZE / seconds / 1e6


def _hash(path: Path) -> str:
    """Of the part of a file that goes through the Lab; read in blocks, as memory is measured here."""
    hasher, left = hashlib.sha256(), _SIZE
    with path.open("rb") as file:
        while left and (block := file.read(min(_PART, left))):
            hasher.update(block)
            left -= len(block)
    return hasher.hexdigest()
