"""Chunks on their way into a store: what is written while more come, and what a disk that refuses costs."""

import os
import threading

import pytest

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.backends.directory import DirectoryLocation
from golem_launcher.workspace.repository import pack_writer
from golem_launcher.workspace.repository.entry import chunk_digest
from golem_launcher.workspace.repository.packs import Packs
from golem_launcher.workspace.repository.sealing import Sealing
from tests.patience import slower

_PLAIN = [os.urandom(1000) for _ in range(9)]
_IDS = [chunk_digest(plain).digest() for plain in _PLAIN]


class _Gate(DirectoryLocation):
    """A directory that writes a pack once it may."""

    def __init__(self, path):
        super().__init__(path)
        self.may_write = threading.Event()
        self.refuses = 0

    def write(self, name, pieces):
        assert self.may_write.wait(20 * slower())
        if name.startswith("packs/") and self.refuses:
            self.refuses -= 1
            raise WorkspaceError("The disk is full.")
        super().write(name, pieces)


@pytest.fixture
def location(tmp_path, monkeypatch):
    monkeypatch.setattr(pack_writer, "PACK_BYTES", 3000)
    return _Gate(tmp_path / "store")


def _put(packs, count):
    for chunk, plain in zip(_IDS[:count], _PLAIN[:count], strict=True):
        packs.put(chunk, plain)


def test_chunks_are_gathered_while_a_pack_is_written(location):
    packs = Packs(location, Sealing(None))
    _put(packs, 5)
    assert not location.names("packs/"), "the first three are still being written"
    assert all(chunk in packs for chunk in _IDS[:5])
    assert packs.get(_IDS[0]) == _PLAIN[0]
    location.may_write.set()
    packs.flush()
    assert len(location.names("packs/")) == len(location.names("indexes/")) == 2
    assert [Packs(location, Sealing(None)).get(chunk) for chunk in _IDS[:5]] == _PLAIN[:5]


def test_a_pack_that_could_not_be_written_is_told_and_written_with_the_next_one(location):
    packs = Packs(location, Sealing(None))
    location.may_write.set()
    location.refuses = 1
    with pytest.raises(WorkspaceError, match="The disk is full"):
        _put(packs, 9)
    _put(packs, 9)
    packs.flush()
    assert [Packs(location, Sealing(None)).get(chunk) for chunk in _IDS] == _PLAIN


def test_a_pack_that_could_not_be_written_is_no_fault_of_who_reads(location):
    location.may_write.set()
    packs = Packs(location, Sealing(None))
    _put(packs, 2)
    packs.flush()
    location.refuses = 1
    for chunk, plain in zip(_IDS[2:5], _PLAIN[2:5], strict=True):  # the last of them has the pack written
        packs.put(chunk, plain)
    assert packs.get(_IDS[0]) == _PLAIN[0]
    assert list(packs.get_all(_IDS[:4])) == _PLAIN[:4]
    assert not packs.lost(_IDS[:5])
    location.refuses = 1
    with pytest.raises(WorkspaceError, match="The disk is full"):
        packs.flush()
    packs.flush()
    assert [Packs(location, Sealing(None)).get(chunk) for chunk in _IDS[:5]] == _PLAIN[:5]


def test_nothing_counts_as_kept_whose_pack_failed_last(location):
    packs = Packs(location, Sealing(None))
    location.may_write.set()
    _put(packs, 2)
    location.refuses = 1
    with pytest.raises(WorkspaceError):
        packs.flush()
    assert Packs(location, Sealing(None)).lost(_IDS[:2])
    packs.flush()
    assert not Packs(location, Sealing(None)).lost(_IDS[:2])
