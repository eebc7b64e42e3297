"""What is kept of a store's indexes: it says what they say, whatever became of store and cache meanwhile."""

import os
import random
import time
from datetime import timedelta

import pytest

from golem_launcher import paths
from golem_launcher.workspace.backends.directory import DirectoryLocation
from golem_launcher.workspace.repository import index_cache, packs
from golem_launcher.workspace.repository.entry import Entry, chunk_id
from golem_launcher.workspace.repository.packs import GRACE, now
from golem_launcher.workspace.repository.sealing import key_file
from golem_launcher.workspace.repository.store import open_store


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr(packs, "_MUCH", 1)
    return tmp_path / "home"


@pytest.fixture
def read(monkeypatch):
    """The names of the indexes that were read."""
    names, before = [], DirectoryLocation.read

    def noted(self, name, *span):
        if name.startswith("indexes/"):
            names.append(name)
        return before(self, name, *span)

    monkeypatch.setattr(DirectoryLocation, "read", noted)
    return names


def pieces(seed, count=300):
    made = random.Random(seed)
    return [made.randbytes(30) for _ in range(count)]


def save(store, workspace, data):
    for each in data:
        if store.missing([chunk_id(each)]):
            store.put_chunk(chunk_id(each), each)
    store.commit(workspace, [Entry("all", "file", size=sum(map(len, data)), chunks=tuple(map(chunk_id, data)))])


def made(place, count=10):
    for number in range(count):
        store = open_store(place)
        store.establish()
        save(store, f"w{number}", pieces(number))
    assert has(place, range(count)) == [True] * count


def has(place, seeds):
    """Of each of these, whether a store that is opened anew has it, and can give it."""
    store = open_store(place)
    return [
        not store.missing(map(chunk_id, pieces(seed)))
        and [*map(store.get_chunk, map(chunk_id, pieces(seed)))] == pieces(seed)
        for seed in seeds
    ]


def caches(home):
    return sorted((home / "caches").iterdir())


def test_who_opens_a_store_again_reads_what_is_new(tmp_path, read, home):
    place = str(tmp_path / "store")
    made(place)
    read.clear()
    assert has(place, range(12)) == [True] * 10 + [False] * 2
    assert read == []
    save(open_store(place), "more", pieces(11))
    assert has(place, range(12)) == [True] * 10 + [False, True]
    assert len(read) == 1
    assert len(caches(home)) == 1
    made(str(tmp_path / "other"), 1)
    assert len(caches(home)) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "longer", "gone", "version"])
def test_a_cache_that_is_not_whole_is_none(tmp_path, read, home, damage):
    place = str(tmp_path / "store")
    made(place, 3)
    (cache,) = caches(home)
    data = bytearray(cache.read_bytes())
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    damaged = {
        "cut": data[:-100], "flip": flipped, "empty": b"", "longer": data + b"x",
        "version": data.replace(b'"format": 1', b'"format": 0', 1),
    }  # fmt: skip
    cache.unlink() if damage == "gone" else cache.write_bytes(damaged[damage])
    read.clear()
    assert has(place, range(4)) == [True] * 3 + [False]
    assert len(read) == 3
    read.clear()
    assert has(place, range(4)) == [True] * 3 + [False]
    assert read == []


def test_an_index_that_was_damaged_since_is_found_and_mended(tmp_path):
    """Other computers know of its chunks by it alone."""
    place = str(tmp_path / "store")
    made(place, 3)
    (index, *_) = sorted((tmp_path / "store" / "indexes").iterdir())
    index.write_bytes(index.read_bytes()[:-20])
    found = [len(open_store(place).verify(f"w{number}").damaged) for number in range(3)]
    assert sorted(found) == [0, 0, 1]
    lost = found.index(1)
    assert has(place, range(3)) == [number != lost for number in range(3)]
    save(open_store(place), f"w{lost}", pieces(lost))
    assert [open_store(place).verify(f"w{number}").damaged for number in range(3)][lost] == ()
    assert has(place, range(3)) == [True] * 3


@pytest.mark.slow
def test_what_was_deleted_or_condemned_meanwhile_is_known(tmp_path, read):
    place = str(tmp_path / "store")
    made(place)
    store = open_store(place)
    for number in (2, 3):
        store.remove(f"w{number}")
    store.prune()
    assert has(place, range(10)) == [True] * 2 + [False] * 2 + [True] * 6
    store.prune(at=now() + GRACE + timedelta(minutes=1))
    assert has(place, range(10)) == [True] * 2 + [False] * 2 + [True] * 6
    read.clear()
    assert has(place, range(10)) == [True] * 2 + [False] * 2 + [True] * 6
    assert read == []
    save(open_store(place), "again", pieces(2))
    assert has(place, range(10)) == [True] * 3 + [False] + [True] * 6


def test_of_a_chunk_in_several_packs_that_one_is_found_which_stays(tmp_path):
    """Whoever saves at the same moment brings the same chunks: each into a pack of his own."""
    place = str(tmp_path / "store")
    made(place, 9)
    here, there = open_store(place), open_store(place)
    assert here.missing([chunk_id(b"")]) == there.missing([chunk_id(b"")])
    for store, workspace in ((here, "here"), (there, "there")):
        for each in pieces(50):
            store.put_chunk(chunk_id(each), each)
        store.commit(workspace, [Entry("all", "file", size=30, chunks=(chunk_id(pieces(50)[0]),))])
    assert has(place, [50]) == [True]
    both = {name: open_store(place) for name in ("here", "there")}
    for gone, other in (("here", "there"), ("there", "here")):
        both[gone].remove(gone)
        for hours in (0, 2):
            both[gone].prune(at=now() + timedelta(hours=hours))
        assert open_store(place).verify(other).damaged == () if gone == "here" else True
    assert has(place, range(9)) == [True] * 9


def test_without_the_key_of_an_encrypted_store_nothing_is_known_of_it(tmp_path):
    place = str(tmp_path / "store")
    store = open_store(place, encrypt=True)
    store.establish()
    for number in range(2):
        save(open_store(place, encrypt=True), f"w{number}", pieces(number))
    assert has(place, range(2)) == [True, True]
    key_file().rename(tmp_path / "key")
    assert has(place, range(2)) == [False, False]
    (tmp_path / "key").rename(key_file())
    assert has(place, range(2)) == [True, True]


def test_caches_that_nobody_uses_go_and_a_full_disk_has_none(tmp_path, home, monkeypatch):
    made(str(tmp_path / "one"), 1)
    (old,) = caches(home)
    os.utime(old, (time.time() - 90 * 86400,) * 2)
    killed, writing = home / "caches" / ".store-0.1", home / "caches" / ".store-0.2"
    for partial in (killed, writing):
        partial.touch()
    os.utime(killed, (time.time() - 7200,) * 2)
    made(str(tmp_path / "two"), 1)
    assert not killed.exists()
    writing.unlink()
    assert old not in caches(home)
    assert len(caches(home)) == 1
    monkeypatch.setattr(index_cache, "_ROOM_LEFT", 1 << 60)
    made(str(tmp_path / "three"), 1)
    assert len(caches(home)) == 1
