"""Whole files or none, and locks that die with their holder."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from golem_launcher import files
from tests.patience import slower

if TYPE_CHECKING:
    from pathlib import Path

_WRITER = """
import resource, signal, sys
from pathlib import Path
from golem_launcher import files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    files.write_atomic(Path(sys.argv[1]), b"new" * 100_000)
except OSError as error:
    print(error.errno)
"""

_HOLDER = """
import sys, time
from pathlib import Path
from golem_launcher import files
with files.locked(Path(sys.argv[1]), deadline=5):
    print("held", flush=True)
    time.sleep(60)
"""


def test_write_replaces_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    files.write_json(path, {"a": 1})
    files.write_json(path, {"a": 2})
    assert files.read_json(path) == {"a": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    files.write_atomic(path, b"old")
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, path], capture_output=True, text=True, check=True, timeout=30 * slower()
    )
    assert done.stdout.strip().isdigit()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_readers_never_see_a_part(tmp_path: Path) -> None:
    path = tmp_path / "state"
    contents = {bytes([letter]) * 200_000 for letter in b"abc"}
    files.write_atomic(path, next(iter(contents)))
    seen = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            for content in contents:
                files.write_atomic(path, content)
    finally:
        done.set()
        reader.join()
    assert seen <= contents


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 200_000])
def test_no_json_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "value.json"
    path.write_bytes(content)
    assert files.read_json(path) is None
    assert files.read_json(path / "below") is None
    assert files.read_json(tmp_path / "absent") is None


def test_lock_is_freed_by_death(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", _HOLDER, path], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(TimeoutError), files.locked(path, deadline=0.1):
                pass
            holder.send_signal(signal.SIGKILL)
            with files.locked(path, deadline=10):
                pass
        finally:
            holder.kill()


def test_lock_is_alone_among_threads(tmp_path: Path) -> None:
    inside, most = 0, 0

    def hold() -> None:
        nonlocal inside, most
        with files.locked(tmp_path / "lock", deadline=30):
            inside += 1
            most = max(most, inside)
            inside -= 1

    threads = [threading.Thread(target=hold) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_removed_lock_file_locks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with files.locked(path, deadline=1):
        path.unlink()
        with files.locked(path, deadline=1), pytest.raises(TimeoutError), files.locked(path, deadline=0.1):
            pass


def test_lock_passes_errors_on(tmp_path: Path) -> None:
    with pytest.raises(KeyError), files.locked(tmp_path / "lock", deadline=1):
        raise KeyError
    with files.locked(tmp_path / "lock", deadline=0.1):
        pass


@pytest.mark.parametrize("links", [True, False])
def test_a_new_name_is_given_where_there_are_no_hard_links_and_takes_no_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    def none(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", none)  # as exFAT, and shares of other computers, have it
    partial, name = tmp_path / ".partial", tmp_path / "name"
    partial.write_text("new")
    assert files.name_new(partial, name)
    assert name.read_text() == "new"
    partial.unlink(missing_ok=True)
    partial.write_text("another")
    assert not files.name_new(partial, name)
    assert name.read_text() == "new"
    assert partial.read_text() == "another"


def test_the_last_lines_of_a_log_are_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert files.last_lines(log) == []
    log.write_bytes("one\ntwo\n\xe4\xf6\nlast".encode())
    assert files.last_lines(log) == ["one", "two", "\xe4\xf6", "last"]
    assert files.last_lines(log, since=4) == ["two", "\xe4\xf6", "last"]
    assert files.last_lines(log, most=8) == ["last"]  # not what is left of the one before
    assert files.last_lines(log, most=2) == ["st"]  # the end of a long line tells more than nothing
    assert files.last_lines(log, since=400) == []
