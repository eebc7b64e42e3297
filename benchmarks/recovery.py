"""A provider is lost: how long until the same address answers with what was saved last, 100 MB of it.

Without a machine that stands by, and with one.
"""

from __future__ import annotations

import http.client
import os
import time
import urllib.parse
from typing import TYPE_CHECKING

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session_state import SessionState

_MEGA = 1_000_000
_FILES = 20
_FILE_BYTES = 5 * _MEGA
_LIFE_SECONDS = 30
"""From the activity to the death: the session starts and is saved meanwhile."""
_END_SECONDS = 120.0
_POLL_SECONDS = 0.02
_NETWORK = f"""
[[provider]]
name = "mortal"
memory_gib = 2
price_hour = 0.01
misbehaviour = {{ die_after = {_LIFE_SECONDS} }}

[[provider]]
name = "other"
memory_gib = 2
"""


def rows(base: Path) -> list[Row]:
    what = "provider vanishes without a word → same address answers with the last save, 100 MB"
    return [
        _row(base / "alone", what, least=20.0, aim=10.0),
        _row(base / "standby", f"{what}, with a standby", least=5.0, aim=3.0, standby=1),
    ]


def _row(base: Path, what: str, *, least: float, aim: float, standby: int = 0) -> Row:
    base.mkdir(parents=True)
    with bed.home(base / "home"):
        description = base / "network.toml"
        description.write_text(_NETWORK)
        localnet.up(description)
        with bed.session("recovery", memory_gib=1, disk_gib=2, standby=standby) as session:
            for number in range(_FILES):
                (session.work() / f"data{number}.bin").write_bytes(os.urandom(_FILE_BYTES))
            last = session.work() / "last.bin"
            last.write_bytes(os.urandom(_MEGA))
            wanted = last.read_bytes()
            client.save("recovery")
            _until(lambda: not standby or _stands_by(session.directory.state()), "none stands by")
            _until(_is_dead, "the provider lives on")
            steps = _follow(session, wanted)
    detail = ", ".join(f"{name} at {seconds:.1f} s" for name, seconds in steps.items())
    return Row(what, steps["answers"], "s", least=least, aim=aim, detail=detail)


def _stands_by(state: SessionState) -> bool:
    """Whether there is a machine that has the last save."""
    standby, saving = state.standby, state.saving
    return standby is not None and saving is not None and standby.generation == saving.generation


def _is_dead() -> bool:
    return any(provider["state"] == "dead" for provider in localnet.status()["providers"])


def _follow(session: bed.Session, wanted: bytes) -> dict[str, float]:
    """Seconds since now at which each step was seen."""
    began = time.perf_counter()
    steps: dict[str, float] = {}

    def step(name: str) -> None:
        steps[name] = time.perf_counter() - began

    _until(lambda: session.directory.state().stage is Stage.RECOVERING, "the loss is not noticed")
    step("noticed")
    _until(lambda: session.directory.state().head.provider_name == "other", "nobody takes over")
    step("agreed")
    _until(lambda: session.directory.state().head.activity_id is not None, "it does not get ready")
    step("ready")
    _until(lambda: _fetch(session, "last.bin") == wanted, "the files are not there")
    step("answers")
    return steps


def _fetch(session: bed.Session, name: str) -> bytes:
    parts = urllib.parse.urlsplit(session.address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=_END_SECONDS)
    try:
        connection.request("GET", f"/files/{name}", headers={"Authorization": f"token {session.token}"})
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()


def _until(condition: object, otherwise: str) -> None:
    assert callable(condition)
    end = time.perf_counter() + _END_SECONDS
    while not condition():
        if time.perf_counter() > end:
            raise RuntimeError(otherwise)
        time.sleep(_POLL_SECONDS)
