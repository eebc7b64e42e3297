from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.workspace.repository import record
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry
from golem_launcher.workspace.transfer.plan import Plan
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


@given(files())
def test_a_record_has_all_of_an_entry(entry):
    packed = record.pack(entry)
    assert record.unpack(packed) == entry
    assert record.path(packed) == entry.path
    assert packed.startswith(record.key_of(entry.path))
    assert record.data(packed) == entry.data
    assert [chunk.hex() for chunk in record.chunk_ids(packed)] == list(entry.chunks)
    assert (record.is_file(packed), record.is_directory(packed)) == (entry.kind == "file", entry.kind == "directory")


@given(st.lists(files(), max_size=12))
def test_records_are_sorted_as_paths_are_by_their_parts(entries):
    records = sorted(map(record.pack, entries))
    assert [record.path(each).split("/") for each in records] == sorted(entry.path.split("/") for entry in entries)


@given(st.lists(files(), max_size=8), st.lists(files(), max_size=8), st.sets(_NAMES, max_size=3), st.booleans())
def test_a_plan_makes_of_a_tree_what_it_says(before, told, removed, whole):
    old = {entry.path: entry for entry in before}
    new = {entry.path: entry for entry in told}
    gone = {path for path in removed if path not in new}
    tree = Tree(Entries(sorted(map(record.pack, old.values()))))
    changes = sorted([*map(record.pack, new.values()), *map(record.gone, gone)])
    after, changed = tree.after(Plan("p", None if whole else "base", changes))
    left = {} if whole else {path: entry for path, entry in old.items() if path not in gone}
    expected = left | new
    assert {entry.path: entry for entry in after.entries} == expected
    assert changed == (expected != old)
    kept = {id(each) for each in tree.entries.records}
    assert all(id(each) in kept for each in after.entries.records if record.unpack(each) == old.get(record.path(each)))


def test_what_vanished_is_told():
    files = [Entry(f"d/f{number}", "file", size=1, chunks=("0" * 64,)) for number in range(30)]
    assert shrunk(Entries.of(files), Entries.of(files[20:])) == "20 of 30 files are not there any more"
    assert shrunk(Entries.of(files), Entries.of(files[3:])) == ""
    assert shrunk(Entries.of(files), Entries.of([Entry("d", "directory")])) == "30 of 30 files are not there any more"
