import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.agent.workspace.name_escaping import escape
from golem_launcher.workspace.repository import entry_record, entry_records, spool
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES, ChunkIds
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry, fault, fault_of_path, fault_of_target
from golem_launcher.workspace.repository.entry_records import Records, Sorter, beside
from golem_launcher.workspace.transfer.change_list import ChangeList
from golem_launcher.workspace.transfer.tree import Tree, shrunk

_IDS = st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), min_size=1, max_size=3).map(tuple)
_NAMES = st.sampled_from(["a", "a!", "ab", "b", "\u00e9", "a b", "-"])


@st.composite
def files(draw):
    path = "/".join(draw(st.lists(_NAMES, min_size=1, max_size=3)))
    kind = draw(st.sampled_from(["file", "holes", "directory", "link"]))
    mode, mtime = draw(st.integers(0, 0o777)), draw(st.integers(-(2**62), 2**62))
    if kind == "link":
        return Entry(path, "link", mode, mtime, target="a")
    if kind == "directory":
        return Entry(path, "directory", mode, mtime)
    holes = ((0, 5), (7, 2)) if kind == "holes" else ()
    return Entry(path, "file", mode, mtime, 20, draw(_IDS), holes=holes)


@given(st.lists(st.sampled_from(list(b"a\xc3\xa9\xff\xe2\x82\xac")), min_size=1).map(bytes))
def test_every_name_that_a_system_can_have_has_one_spelling(name):
    spelling = escape(os.fsdecode(name))
    assert fault_of_target(spelling) == ""
    other = "".join(f"%{byte:02X}" if byte > 127 else chr(byte) for byte in name)
    assert (fault_of_target(other) == "") == (other == spelling)


def test_the_escaped_bytes_of_a_letter_are_no_second_name_of_it():
    """By one a link would lead through another that is known by its first alone."""
    assert fault_of_path("d/é") == fault_of_target("d/é") == ""
    assert fault_of_path("d/%C3%A9")
    assert fault_of_target("d/%C3%A9/../../secret")
    assert fault(Entry("L", "link", target="d/%C3%A9/.."))


@given(files())
def test_a_record_has_all_of_an_entry(entry):
    packed = entry_record.pack(entry)
    assert entry_record.unpack(packed) == entry
    assert entry_record.path(packed) == entry.path
    assert packed.startswith(entry_record.key_of(entry.path))
    assert entry_record.data(packed) == entry.data
    assert [chunk.hex() for chunk in entry_record.chunk_ids(packed)] == list(entry.chunks)
    assert (entry_record.is_file(packed), entry_record.is_directory(packed)) == (
        entry.kind == "file",
        entry.kind == "directory",
    )


@given(st.lists(files(), max_size=12))
def test_records_are_sorted_as_paths_are_by_their_parts(entries):
    packed = sorted(map(entry_record.pack, entries))
    assert [entry_record.path(each).split("/") for each in packed] == sorted(entry.path.split("/") for entry in entries)


@given(st.lists(files(), max_size=8), st.lists(files(), max_size=8), st.sets(_NAMES, max_size=3), st.booleans())
def test_a_plan_makes_of_a_tree_what_it_says(before, told, removed, whole):
    old = {entry.path: entry for entry in before}
    new = {entry.path: entry for entry in told}
    gone = {path for path in removed if path not in new}
    tree = Tree(Entries(sorted(map(entry_record.pack, old.values()))))
    changes = Records(sorted([*map(entry_record.pack, new.values()), *map(entry_record.gone, gone)]))
    after, changed = tree.after(ChangeList("p", None if whole else "base", changes))
    left = {} if whole else {path: entry for path, entry in old.items() if path not in gone}
    expected = left | new
    assert {entry.path: entry for entry in after.entries} == expected
    assert changed == (expected != old)
    assert changed or after.entries is tree.entries


def test_what_vanished_is_told():
    files = [Entry(f"d/f{number}", "file", size=1, chunks=("0" * 64,)) for number in range(30)]
    assert shrunk(Entries.of(files), Entries.of(files[20:])) == "20 of 30 files are not there any more"
    assert shrunk(Entries.of(files), Entries.of(files[3:])) == ""
    assert shrunk(Entries.of(files), Entries.of([Entry("d", "directory")])) == "30 of 30 files are not there any more"


@given(st.lists(files(), max_size=12), st.integers(1, 60))
def test_records_are_what_they_were_wherever_they_lie(entries, piece):
    packed = sorted({entry.path: entry_record.pack(entry) for entry in entries}.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_HELD", 100)
        patch.setattr(entry_records, "_PIECE", piece)
        patch.setattr(entry_records, "_RUN", 3)
        sorter = Sorter()
        for each in reversed(packed):
            sorter.add(each)
        found = Records(sorter.merged())
        assert list(found) == [found[index] for index in range(len(found))] == packed
        assert found == Records(packed)
        assert (found == Records(packed[:-1])) == (not packed)
        for entry in entries:
            assert entry_record.path(found.find(entry_record.key_of(entry.path))) == entry.path
        assert found.find(entry_record.key_of("nothing")) is None
        odd, even = packed[::2], packed[1::2]
        assert list(beside(packed, even)) == sorted([*((each, None) for each in odd), *zip(even, even, strict=True)])
        assert sorted(filter(None, (right for _, right in beside(odd, packed)))) == packed


@pytest.mark.slow
def test_many_records_are_read_while_others_are_written():
    """A list is in memory first, then in a file: whoever reads it meanwhile notices nothing."""
    ids, stop = ChunkIds(), threading.Event()
    names = [number.to_bytes(ID_BYTES, "big") for number in range(60_000)]

    def look():
        while not stop.is_set():
            many = len(ids)
            assert many == 0 or (ids[many - 1] == names[many - 1] and names[many // 2] in ids)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for name in names:
            ids.add(name)
        stop.set()
        looking.result(60)
    assert list(ids) == names
