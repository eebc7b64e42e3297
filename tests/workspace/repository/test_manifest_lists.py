"""The lists that a large manifest is cut into: kept once, found again whatever changed, whole or said to be lost."""

import json
import random
import re
from datetime import timedelta

import pytest

from golem_launcher import paths
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import manifest_lists, packs
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry, chunk_digest, chunk_id
from golem_launcher.workspace.repository.packs import now
from golem_launcher.workspace.repository.store import open_store

MANY = 1500
IDS = re.compile(rb"[0-9a-f]{64}")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))


def files(changed=()):
    return {f"d{number // 100:02}/{number}": b"%d %d" % (number, number in changed) for number in range(MANY)}


def save(store, content, **more):
    entries = []
    for path, data in content.items():
        if store.missing([chunk_id(data)]):
            store.put_chunk(chunk_id(data), data)
        entries.append(Entry(path, "file", size=len(data), chunks=(chunk_id(data),)))
    return store.commit("work", entries, **more)


def content(store, number=None):
    return {each.path: b"".join(map(store.get_chunk, each.chunks)) for each in store.manifest("work", number).entries}


def cut(lines):
    kept = {}

    def keep(plain):
        name = chunk_digest(plain).digest()
        kept[name] = plain
        return name

    names, rest = manifest_lists.cut(lines, keep)
    return [kept[name] for name in names], rest


def size(place):
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("step", [97, 5_000, 128 * 1024])
def test_lines_are_cut_the_same_however_they_come_and_never_within_an_id(step):
    chance = random.Random(1)
    ids = ",".join(f'"{chance.randbytes(32).hex()}"' for _ in range(6_000))
    holes = ",".join(f"[{number * 10**7},1048576]" for number in range(20_000))
    lines = f'{{"chunks":[{ids}],"holes":[{holes}],"path":"large"}}\n'.encode()
    lines += b"".join(b'{"chunks":["%s"],"path":"%d"}\n' % (chance.randbytes(32).hex().encode(), n) for n in range(900))
    found, rest = cut(lines[at : at + step] for at in range(0, len(lines), step))
    assert (found, rest) == cut([lines])
    assert b"".join(found) + rest == lines
    assert all(manifest_lists.LEAST <= len(each) <= manifest_lists.MOST for each in found)
    assert len(found) > 10
    assert [each for part in (*found, rest) for each in IDS.findall(part)] == IDS.findall(lines)
    moved = cut([b'{"chunks":[],"path":"before"}\n' + lines])[0]
    assert len(set(moved) - set(found)) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("encrypt", [False, True])
def test_a_save_that_changes_one_file_of_many_writes_little(tmp_path, encrypt):
    place = tmp_path / "store"
    store = open_store(str(place), encrypt=encrypt)
    save(store, files())
    before = size(place)
    save(store, files({7}))
    assert size(place) - before < before / 4
    again = open_store(str(place), encrypt=encrypt)
    assert content(again, 1) == files()
    assert content(again, 2) == files({7})
    assert again.verify("work").damaged == ()


def test_what_a_list_names_stays_as_long_as_one_generation_needs_it(tmp_path):
    place = str(tmp_path / "store")
    store = open_store(place)
    long_ago = now() - timedelta(days=60)
    save(store, files(), created_at=long_ago)
    save(store, files({7}), created_at=long_ago)
    save(store, files(range(0, MANY, 50)))
    for hours in (0, 2, 4):
        store.prune(at=now() + timedelta(hours=hours))
    assert [each.number for each in store.generations("work")] == [3]
    again = open_store(place)
    assert content(again) == files(range(0, MANY, 50))
    assert again.verify("work").damaged == ()
    assert store.size("work") < 2 * MANY * 60


@pytest.mark.slow
def test_lists_are_found_where_packs_were_put_together_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "MANY", 3)
    monkeypatch.setattr(packs, "GRACE", timedelta(minutes=10))
    store, other = open_store(str(tmp_path)), open_store(str(tmp_path))
    saves = [files({number * 300}) for number in range(4)]
    for each in saves:
        save(store, each)
    assert content(other, 3) == saves[2]
    for minutes in (0, 11):
        store.prune(at=now() + timedelta(minutes=minutes))
    assert len(list((tmp_path / "packs").iterdir())) == 1
    assert [content(other, number) for number in range(1, 5)] == saves


def test_a_list_that_cannot_be_read_is_told_and_no_later_save_counts_on_it(tmp_path):
    place = tmp_path / "store"
    save(open_store(str(place)), files())
    (lost,) = (place / "packs").iterdir()
    lost.write_bytes(bytes(lost.stat().st_size))
    store = open_store(str(place))
    with pytest.raises(WorkspaceError, match="Generation 1 of 'work' can't be read"):
        store.manifest("work")
    assert not store.holds("work", 1, Entries())
    assert "Generation 1 can't be read" in store.verify("work").damaged[0]
    with pytest.raises(WorkspaceError, match="not in the store yet"):
        save(store, files({7}))
    save(store, files({7}))
    assert content(open_store(str(place))) == files({7})
    assert open_store(str(place)).verify("work").damaged != ()


@pytest.mark.parametrize("names", [None, 5, [5], ["zz"], ["ab"], ["00" * 32], [["00" * 32]], {"a": 1}])
def test_a_first_line_that_names_no_lists_is_damage(tmp_path, monkeypatch, names):
    store = open_store(str(tmp_path))

    def first_line(_manifest, _names):
        return json.dumps({"format": 3, "lists": names}).encode() + b"\n"

    monkeypatch.setattr("golem_launcher.workspace.repository.manifest.Manifest.first_line", first_line)
    store.commit("work", [])
    with pytest.raises(WorkspaceError, match="can't be read"):
        store.manifest("work")
    assert not store.holds("work", 1, Entries())
    store.prune()
