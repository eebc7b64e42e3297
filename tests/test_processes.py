"""Detached processes: known again, never mistaken, ended with all of their session."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher import processes
from golem_launcher.processes import ProcessRecord, spawn_detached
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[[str], ProcessRecord]]:
    started: list[ProcessRecord] = []

    def start(script: str) -> ProcessRecord:
        record = spawn_detached(["/bin/sh", "-c", script], env=dict(os.environ), log=tmp_path / "log", cwd=tmp_path)
        started.append(record)
        return record

    yield start
    for record in started:
        assert record.stop(grace=0)


def _until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds * slower()
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _pid_in(path: Path) -> int:
    _until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_is_detached_and_logs(spawn: Callable[[str], ProcessRecord], tmp_path: Path) -> None:
    record = spawn("echo out; echo err >&2; cat; exec sleep 60")
    _until(lambda: (tmp_path / "log").read_text() == "out\nerr\n")
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    assert os.getsid(record.pid) == record.pid
    assert record.alive()


def test_record_survives_a_file(spawn: Callable[[str], ProcessRecord]) -> None:
    record = spawn("exec sleep 60")
    assert ProcessRecord.from_json(record.to_json()) == record == ProcessRecord.of(record.pid)


@pytest.mark.parametrize("value", [None, [], {}, "x", {"pid": "a", "started": 1}, {"pid": 0, "started": 1},
                                   {"pid": -1, "started": 0}, {"pid": 1e400, "started": 0}])  # fmt: skip
def test_no_record(value: object) -> None:
    assert ProcessRecord.from_json(value) is None


def test_reused_pid_is_another_process(spawn: Callable[[str], ProcessRecord]) -> None:
    record = spawn("exec sleep 60")
    for other in (replace(record, started=record.started - 1), replace(record, boot="another boot")):
        assert not other.alive()
        other.signal(signal.SIGKILL)
        assert other.stop(grace=0)
    assert record.alive()


def test_stop_is_gentle_first(spawn: Callable[[str], ProcessRecord], tmp_path: Path) -> None:
    record = spawn("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    _until(lambda: "ready" in (tmp_path / "log").read_text())
    assert record.stop(grace=10)
    assert "bye" in (tmp_path / "log").read_text()
    assert record.exit_status() == 7
    assert record.exit_status() is None


def test_stop_kills_what_ignores(spawn: Callable[[str], ProcessRecord], tmp_path: Path) -> None:
    record = spawn("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    _until(lambda: "ready" in (tmp_path / "log").read_text())
    assert record.stop(grace=0.2)
    assert record.exit_status() == -signal.SIGKILL


def test_stop_ends_the_session_of_a_dead_leader(spawn: Callable[[str], ProcessRecord], tmp_path: Path) -> None:
    # A background job of an interactive shell (set -m) has a process group of its own in the leader's session.
    record = spawn(f"set -m; (trap '' TERM HUP; sleep 60) & echo $! > {tmp_path}/child; exit 0")
    child = _pid_in(tmp_path / "child")
    _until(lambda: not record.alive())
    assert _runs(child)
    assert record.stop(grace=1)
    assert not _runs(child)


def test_no_zombies_of_ours(spawn: Callable[[str], ProcessRecord]) -> None:
    record = spawn("exit 3")
    _until(lambda: not record.alive())
    assert not psutil.pid_exists(record.pid)
    assert record.exit_status() == 3
    forgotten = spawn("exit 0")
    _until(lambda: psutil.Process(forgotten.pid).status() == psutil.STATUS_ZOMBIE)
    spawn("exit 0")
    assert not psutil.pid_exists(forgotten.pid)


def test_children_of_others_are_left_to_them() -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(5)"]) as child:
        record = ProcessRecord.of(child.pid)
        _until(lambda: not record.alive())
        assert record.stop(grace=0)
        assert child.wait(timeout=10 * slower()) == 5


def test_process_that_leads_no_session_ends_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as child, subprocess.Popen(["sleep", "60"]) as sibling:
        try:
            assert ProcessRecord.of(child.pid).stop(grace=5)
            assert sibling.poll() is None
        finally:
            child.kill()
            sibling.kill()


def test_survives_its_starter(tmp_path: Path) -> None:
    script = (
        "import json, os, pathlib; from golem_launcher.processes import spawn_detached; p = pathlib.Path('.');"
        "print(json.dumps(spawn_detached(['sleep', '60'], env=os.environ, log=p / 'log', cwd=p).to_json()))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=30 * slower(),
    )
    assert done.stderr == b""
    record = ProcessRecord.from_json(json.loads(done.stdout))
    assert record is not None
    try:
        assert record.alive()
    finally:
        assert record.stop(grace=5)
    assert not record.alive()


def test_program_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("no program")
    (tmp_path / "program").chmod(0o700)
    for program in ("program", "absent"):
        with pytest.raises(OSError, match=program):
            spawn_detached([str(tmp_path / program)], env={}, log=tmp_path / "log", cwd=tmp_path)


def test_without_proc(spawn: Callable[[str], ProcessRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_boot_id", lambda: "")
    record = spawn("exec sleep 60")
    assert record.alive()
    assert not replace(record, started=record.started - 5).alive()
    assert record.stop(grace=5)
    assert not record.alive()
    with pytest.raises(ProcessLookupError):
        ProcessRecord.of(record.pid)
