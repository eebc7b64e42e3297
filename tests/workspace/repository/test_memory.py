"""What questions about long lists take in memory, while they are answered."""

import tracemalloc
from datetime import timedelta

import pytest

from golem_launcher.workspace.repository import retention
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry, chunk_id
from golem_launcher.workspace.repository.generation import Generation
from golem_launcher.workspace.repository.packs import now
from golem_launcher.workspace.repository.store import open_store


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path / "launcher"))


def most(ask):
    """The answer, and the most bytes held meanwhile beyond what was held before."""
    tracemalloc.start()
    try:
        answer = ask()
        return answer, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_looking_whether_a_generation_is_there_does_not_take_it_apart(tmp_path):
    store = open_store(str(tmp_path / "store"))
    taken = []
    for number, count in enumerate((1_000, 6_000), 1):
        store.commit("work", [Entry(f"folder-{each}", "directory") for each in range(count)])
        there, size = most(lambda number=number: store.holds("work", number, Entries()))
        assert there
        taken.append(size)
    assert (taken[1] - taken[0]) / 5_000 < 500


@pytest.mark.slow
def test_thinning_holds_no_more_for_many_generations_than_for_few(tmp_path):
    taken = []
    for count in (2, 12):
        store = open_store(str(tmp_path / f"store-{count}"))
        files = []
        for number in range(1_500):
            data = b"%d" % number
            store.put_chunk(chunk_id(data), data)
            files.append(Entry(f"f{number}", "file", size=len(data), chunks=(chunk_id(data),)))
        for number in range(count):
            store.commit("work", files, created_at=now() - timedelta(minutes=count - number))
        _, size = most(lambda store=store: store.thin("work", 1 << 40))
        assert len(store.generations("work")) == count
        taken.append(size)
    assert taken[1] < 1.5 * taken[0]


@pytest.mark.slow
def test_what_generations_need_is_counted_in_few_bytes_a_chunk():
    many = 50_000
    chunks = retention.KeptChunks(many, lambda number: range(number * 1_000, many), lambda _: 10)
    made = [Generation("work", number, now(), 0, 0, ()) for number in (1, 2, 3)]
    for left_out, kept in ((2_000, {2, 3}), (2_500, {3})):
        found, size = most(lambda left_out=left_out: retention.within(made, now(), 10 * (many - left_out), chunks))
        assert found == kept
        assert size / many < 8


def test_a_file_of_a_list_takes_little_more_than_its_path_and_ids():
    def listed():
        files = (Entry(f"folder/sample-{each:06}", "file", size=1, chunks=(f"{each:064x}",)) for each in range(5_000))
        return Entries.of(files)

    tracemalloc.start()
    try:
        held = listed()
        assert tracemalloc.get_traced_memory()[0] / len(held) < 160
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_the_chunks_of_a_store_take_no_memory_however_many_they_are(tmp_path):
    place = str(tmp_path / "store")
    taken = []
    for begin, count in ((0, 40_000), (40_000, 60_000)):
        store = open_store(place)
        for number in range(begin, begin + count):
            store.put_chunk(chunk_id(b"%d" % number), b"%d" % number)
        store.commit("work", [])
        tracemalloc.start()
        try:
            again = open_store(place)
            assert again.has(bytes.fromhex(chunk_id(b"%d" % begin)))  # who asks of one has all indexes read
            taken.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        assert again.get_chunk(chunk_id(b"%d" % (begin + 7))) == b"%d" % (begin + 7)
    assert (taken[1] - taken[0]) / 60_000 < 3
