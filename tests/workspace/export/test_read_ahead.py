"""Chunks that are read while those before them are written."""

import threading

import pytest

from golem_launcher.workspace.export.read_ahead import ReadAhead
from golem_launcher.workspace.repository.sealing import DamagedObject
from tests.patience import slower


class _Chunks:
    """Stands for a store: each chunk is its own name; some are lost."""

    def __init__(self):
        self.asked = []
        self.far = threading.Event()

    def get_chunk(self, chunk):
        self.asked.append(chunk)
        if len(self.asked) == 10:
            self.far.set()
        if chunk == "lost":
            raise DamagedObject("lost")
        return chunk.encode()


def test_chunks_are_read_before_they_are_asked_for_and_not_all():
    store = _Chunks()
    with ReadAhead(store, map(str, range(1000))) as chunks:
        assert store.far.wait(10 * slower())
        assert [chunks.get_chunk(str(number)) for number in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
    assert len(store.asked) < 100


def test_a_lost_chunk_costs_its_own_file_alone():
    with ReadAhead(_Chunks(), ["a", "lost", "b", "c", "c"]) as chunks:
        assert chunks.get_chunk("a") == b"a"
        with pytest.raises(DamagedObject):
            chunks.get_chunk("lost")
        assert [chunks.get_chunk("c"), chunks.get_chunk("c")] == [b"c", b"c"]  # "b" was of the same file
        with pytest.raises(DamagedObject):
            chunks.get_chunk("d")
