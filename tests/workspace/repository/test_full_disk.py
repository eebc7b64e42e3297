"""The disk for temporary files refuses a write: whichever it is, nothing that is needed is let go of."""

import errno
import os
import random
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import chunk_ids, chunk_locations, spool
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES, ChunkIds
from golem_launcher.workspace.repository.entry import Entry, chunk_id
from golem_launcher.workspace.repository.packs import GRACE, now
from golem_launcher.workspace.repository.spool import Spool
from golem_launcher.workspace.repository.store import open_store
from golem_launcher.workspace.transfer.chunk_queue import ChunkQueue

LATER = GRACE + timedelta(minutes=1)


class Disk:
    """Takes what is written, but for one write: half of that one."""

    def __init__(self, monkeypatch):
        self._write, self._make = os.pwrite, tempfile.TemporaryFile
        self.refuse(0)
        monkeypatch.setattr(os, "pwrite", self._pwrite)
        monkeypatch.setattr(tempfile, "TemporaryFile", self._temporary_file)

    def refuse(self, number):
        """The write of this number from now on; none when it is 0."""
        self._left = number
        self._half = False

    @property
    def refused(self):
        return self._left < 0

    def _pwrite(self, file, data, begin):
        if self._half:
            self._half = False
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._due():
            self._half = True
            return self._write(file, data[: len(data) // 2], begin)
        return self._write(file, data, begin)

    def _temporary_file(self, **options):
        if self._due():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._make(**options)

    def _due(self):
        if self._left <= 0:
            return False
        self._left -= 1
        if self._left == 0:
            self._left = -1
            return True
        return False


@pytest.fixture
def disk(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(os, "fsync", lambda _: None)  # many stores are written here, none of which is to stay
    monkeypatch.setattr(spool, "_HELD", 256)
    monkeypatch.setattr(chunk_locations, "_PIECE", 4)
    monkeypatch.setattr(chunk_ids, "_PIECE", 4)
    return Disk(monkeypatch)


def pieces(seed, count):
    made = random.Random(seed)
    return [made.randbytes(40) for _ in range(count)]


def save(store, workspace, data, created_at=None):
    ids = [chunk_id(each) for each in data]
    lacking = store.missing(ids)
    for identifier, each in zip(ids, data, strict=True):
        if identifier in lacking:
            store.put_chunk(identifier, each)
    return store.commit(
        workspace, [Entry("all", "file", size=sum(map(len, data)), chunks=tuple(ids))], created_at=created_at
    )


def assert_whole(place, expected):
    """All that was saved is there, for who opens the store anew."""
    store = open_store(str(place))
    for workspace, data in expected.items():
        assert store.verify(workspace).damaged == ()
        (entry,) = store.manifest(workspace).entries
        assert [store.get_chunk(each) for each in entry.chunks] == data


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def with_each_write_refused(disk, one_round, at_most=3000):
    """``one_round(number)`` for each write that there is, the first time without a refusal."""
    for number in range(at_most):
        disk.refuse(0)
        if not one_round(number) and number:
            return number
    raise AssertionError("it writes too often for this test")


@pytest.mark.slow
def test_no_refused_write_makes_prune_let_go_of_what_others_need(tmp_path, disk):
    expected = {"others": pieces(1, 16), "mine": pieces(2, 8), "dwindled": pieces(3, 12)[:4]}
    before, after = tmp_path / "before", tmp_path / "after"
    writer = open_store(str(before))
    save(writer, "others", expected["others"])
    save(writer, "big", pieces(4, 50))
    save(writer, "large", pieces(3, 12))
    shutil.copytree(before, after)
    writer = open_store(str(after))
    save(writer, "mine", expected["mine"])
    save(writer, "dwindled", expected["dwindled"])
    writer.remove("big")
    writer.remove("large")
    writer.prune()
    writer.prune(at=now() + LATER)
    expected["later"] = pieces(5, 8)
    save(writer, "later", expected["later"])

    def one_round(number):
        place = tmp_path / "store"
        shutil.copytree(before, place)
        store = open_store(str(place))
        shutil.rmtree(place)
        shutil.copytree(after, place)
        disk.refuse(number)
        try:
            store.prune()
        except WorkspaceError as error:
            assert "room" in str(error.remedy)  # noqa: PT017
        refused = disk.refused
        disk.refuse(0)
        assert store.size("others") > 16 * 40
        for hours in (0, 2, 4):
            store.prune(at=now() + timedelta(hours=hours))
        assert_whole(place, expected)
        for data in expected.values():
            assert not store.missing(map(chunk_id, data))
        shutil.rmtree(place)
        return refused

    assert with_each_write_refused(disk, one_round) > 30


@pytest.mark.slow
def test_no_refused_write_loses_a_save(tmp_path, disk):
    before = tmp_path / "before"
    save(open_store(str(before)), "work", pieces(1, 20))

    def one_round(number):
        place = tmp_path / "store"
        shutil.copytree(before, place)
        store = open_store(str(place))
        disk.refuse(number)
        for _ in range(2):
            try:
                save(store, "work", pieces(2, 20))
                break
            except WorkspaceError as error:
                assert "room" in str(error.remedy)  # noqa: PT017
        refused = disk.refused
        disk.refuse(0)
        for hours in (0, 2, 4):
            store.prune(at=now() + timedelta(hours=hours))
        assert_whole(place, {"work": pieces(2, 20)})
        shutil.rmtree(place)
        return refused

    assert with_each_write_refused(disk, one_round) > 10


def test_what_a_refused_write_did_not_bring_into_a_set_can_be_put_in_again(disk):
    names = [random.Random(number).randbytes(ID_BYTES) for number in range(80)]

    def one_round(number):
        ids, queue = ChunkIds(), ChunkQueue()
        disk.refuse(number)
        for name in names:
            for add in (ids.add, lambda name=name: queue.add(name, 5)):
                try:
                    add(name)
                except WorkspaceError:
                    add(names[0])
        for name in names[1:]:
            ids.add(name)
            queue.add(name, 5)
        assert sorted(ids) == sorted(names)
        assert [ids[ids.row(name)] for name in names] == names
        assert sorted(queue.first(1e9, 1000)) == sorted(name.hex() for name in names)
        return disk.refused

    assert with_each_write_refused(disk, one_round) > 60


def test_what_was_refused_is_read_as_if_it_had_not_been_tried(disk):
    files = open_files()
    spooled = Spool()
    spooled.append(b"x" * 200)
    for number in (1, 2):  # the file is not made; what was in memory does not fit
        disk.refuse(number)
        with pytest.raises(WorkspaceError):
            spooled.append(b"y" * 100)
        assert open_files() <= files
        assert spooled.read(0, 1000) == b"x" * 200
    spooled.append(b"y" * 100)
    disk.refuse(1)
    with pytest.raises(WorkspaceError):
        spooled.append(b"z" * 100)
    assert spooled.read(0, 1000) == b"x" * 200 + b"y" * 100
    spooled.write(400, b"!")
    assert spooled.read(300, 1000) == bytes(100) + b"!"


@pytest.mark.usefixtures("disk")
def test_without_any_directory_for_temporary_files_it_is_said_what_lacks(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/nowhere"])
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: tempfile.mkstemp(dir=tempfile.gettempdir()))
    with pytest.raises(WorkspaceError, match="temporary files"):
        Spool().append(b"x" * 300)
