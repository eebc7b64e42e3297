"""Two files whose names differ in case alone are both saved, and both come back, whatever the computer thinks of it."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher import paths
from golem_launcher.workspace.export import extract as extracting
from golem_launcher.workspace.export.extract import extract
from golem_launcher.workspace.export.results import write_zip
from golem_launcher.workspace.repository.case_conflicts import distinct_names, ignores_case
from golem_launcher.workspace.repository.entry import LONGEST_PART
from golem_launcher.workspace.repository.store import open_store
from tests.cli.files.test_workspaces import command
from tests.workspace.repository.test_store import content, save

FILES = {
    "A.txt": b"upper", "a.txt": b"lower", "Data/": b"", "Data/x": b"1", "data/": b"", "data/x": b"2", "data/X": b"3",
    "caf\u00e9": b"one", "cafe\u0301": b"two", "a (2).txt": b"taken",
}  # fmt: skip
APART = {
    "A.txt": b"upper", "a (2).txt": b"taken", "a (3).txt": b"lower", "Data/x": b"1", "data (2)/X": b"3",
    "data (2)/x (2)": b"2", "cafe\u0301": b"two", "caf\u00e9 (2)": b"one",
}  # fmt: skip


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    store = open_store()
    save(store, FILES)
    return store


def test_both_are_saved_and_restored_where_names_are_told_apart(store, tmp_path):
    whole = {path: data for path, data in FILES.items() if not path.endswith("/")}
    assert content(store) == whole
    assert extract(store, store.manifest("work"), tmp_path / "out").renamed == {}
    assert {path: (tmp_path / "out" / path).read_bytes() for path in whole} == whole
    assert not ignores_case(tmp_path / "out")


def test_where_they_are_one_the_second_gets_a_number_and_that_is_told(store, tmp_path, monkeypatch):
    monkeypatch.setattr(extracting, "ignores_case", lambda _directory: True)
    told = extract(store, store.manifest("work"), tmp_path / "out").renamed
    assert told["a.txt"] == "a (3).txt"
    assert {path: (tmp_path / "out" / path).read_bytes() for path in APART} == APART
    monkeypatch.chdir(tmp_path)
    assert "a.txt is a (3).txt" in command("restore", "work", "again")


def test_a_zip_can_be_opened_anywhere(store, tmp_path, monkeypatch):
    target = io.BytesIO()
    written = write_zip(store, store.manifest("work"), target)
    assert dict(written.renamed)["a.txt"] == "a (3).txt"
    with zipfile.ZipFile(target) as archive:
        assert {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")} == APART
    monkeypatch.chdir(tmp_path)
    assert "a.txt is a (3).txt" in command("results", "work")


PART = st.sampled_from(
    ["a", "A", "a (2)", "b.txt", "B.TXT", "b (2).txt", "\u00df", "SS", "\u0130", "x" * 250, "X" * 250]
)


@given(st.sets(st.lists(PART, min_size=1, max_size=3).map("/".join), max_size=12))
def test_no_two_names_are_one_and_the_tree_stays_the_same(found):
    names = distinct_names(found)
    made = {path: names.get(path, path) for path in found}
    assert len({name.casefold() for name in made.values()}) == len(found)
    for path, name in made.items():
        assert path.count("/") == name.count("/")
        assert all(len(part.encode()) <= LONGEST_PART for part in name.split("/"))
        for other, its in made.items():
            assert other.startswith(path + "/") == its.startswith(name + "/")
