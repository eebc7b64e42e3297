"""Files that somebody writes while they are listed."""

import itertools
import os

from golem_launcher.agent.workspace import stable_copies
from golem_launcher.agent.workspace.index import Index


def test_a_copy_that_nobody_can_vouch_for_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(stable_copies, "_PATIENCE", 0.03)
    target = tmp_path / "live"
    target.write_bytes(b"one")
    index = Index(str(tmp_path))
    (line,) = index.walk(0)
    target.write_bytes(b"two")
    assert index.chunk(bytes.fromhex(line[5][0])) is None
    monkeypatch.setattr(stable_copies, "_QUIET_NS", 10**18)  # somebody writes all the time
    (line,) = index.walk(0)
    assert index.notes == [["busy", "live"]]
    target.write_bytes(b"three")
    assert index.chunk(bytes.fromhex(line[5][0])) == b"two"
    monkeypatch.undo()
    list(index.walk(index.version))
    assert index.notes == []
    target.unlink()
    assert list(index.walk(index.version)) == [["-", "live"]]  # its copy goes with it


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path, monkeypatch):
    target = tmp_path / "log"
    target.write_bytes(os.urandom(300_000))
    real = os.read

    def read(descriptor, most):
        data = real(descriptor, most)
        with target.open("ab") as file:
            file.write(b"more")
        return data

    monkeypatch.setattr(os, "read", read)
    index = Index(str(tmp_path))
    (line,) = [line for line in index.walk(0) if line[0] == "f"]
    assert index.notes == [["busy", "log"]]
    monkeypatch.undo()
    (again,) = list(index.walk(index.version))  # it is read again, although nobody writes any more
    assert again[4] == target.stat().st_size > line[4]
    assert index.notes == []


def test_a_file_that_is_written_anew_is_not_found_empty(tmp_path, monkeypatch):
    """Who writes it empties it first; its times then say for a while that nothing has happened."""
    path, index = tmp_path / "layout", Index(str(tmp_path))
    path.write_text("x" * 1000)
    list(index.walk(0))
    _empty(path)
    monkeypatch.setattr(stable_copies.time, "sleep", lambda _: path.write_text("y" * 1000))  # while it waits
    assert [line[4] for line in index.walk(index.version)] == [1000]
    assert index.notes == []


def test_what_was_saved_of_a_file_that_is_emptied_again_and_again_stays(tmp_path, monkeypatch):
    path, index, turns = tmp_path / "layout", Index(str(tmp_path)), itertools.count()
    path.write_text("x" * 1000)
    (before,) = index.walk(0)

    _empty(path)
    monkeypatch.setattr(stable_copies.time, "sleep", lambda _: os.utime(path, ns=(0, next(turns))))
    assert list(index.walk(0)) == [before]
    assert index.notes == [["busy", "layout"]]


def _empty(path):
    """As a program does that is about to write it."""
    before = path.stat()
    path.write_text("")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_was_emptied_is_empty(tmp_path):
    path, index = tmp_path / "log", Index(str(tmp_path))
    path.write_text("x" * 1000)
    assert [line[4] for line in index.walk(0)] == [1000]
    path.write_text("")
    assert [line[4] for line in index.walk(0)] == [0]
