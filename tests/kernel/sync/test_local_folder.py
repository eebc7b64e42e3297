"""A folder of this computer that is kept equal: what is read of it, what is written into it, and what never is."""

import asyncio
import os
from datetime import UTC, datetime

import pytest

from golem_launcher.kernel.sync import local_folder as module
from golem_launcher.kernel.sync import remote_folder as there
from golem_launcher.kernel.sync.comparison import Comparison
from golem_launcher.kernel.sync.local_folder import TRASH, Folder, TooManyFiles
from golem_launcher.kernel.sync.merge import SyncStep
from golem_launcher.kernel.sync.remote_folder import Workspace
from golem_launcher.kernel.sync.steps import StepRunner
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry

_REFUSED = r"Not a directory|Too many levels"
_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "project").mkdir()
    return Folder(tmp_path / "project")


def test_links_hidden_files_and_what_is_ignored_are_not_looked_at(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    project = folder.path
    for name in ("a.txt", ".env", ".git/config", "node_modules/x", "d/b.txt", "big/x", "odd\n", "back\\slash"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("x")
    (project / ".golemignore").write_text("big/\n")
    (project / "link").symlink_to(tmp_path / "secret")
    (project / "away").symlink_to(tmp_path)
    os.mkfifo(project / "pipe")
    scan = folder.scan({})
    assert set(scan.files) == {"a.txt", "d/b.txt"}
    assert scan.left_out["link"] == scan.left_out["away"] == "links are not followed"
    assert set(scan.left_out) == {"link", "away", "pipe", "odd\n", "back\\slash"}


def test_a_file_that_looks_the_same_is_read_once(folder, monkeypatch):
    (folder.path / "a").write_text("one")
    known = folder.scan({}).files
    monkeypatch.setattr(module, "digest", None)
    assert folder.scan(known).files == known


def test_more_files_than_a_project_has_are_refused(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 2)
    for name in "abc":
        (folder.path / name).touch()
    with pytest.raises(TooManyFiles):
        folder.scan({})


def test_a_file_is_written_whole_and_over_what_was_seen_alone(folder):
    assert folder.write("d/new", [b"a", 3, b"b"], None)
    assert (folder.path / "d" / "new").read_bytes() == b"a\0\0\0b"
    assert not folder.write("d/new", [b"other"], None)
    seen = folder.scan({}).files["d/new"]
    (folder.path / "d" / "new").write_text("the user's own")
    assert not folder.write("d/new", [b"other"], seen)
    assert (folder.path / "d" / "new").read_text() == "the user's own"
    (folder.path / "d" / "new").chmod(0o755)
    assert folder.write("d/new", [b"other"], folder.scan({}).files["d/new"])
    assert (folder.path / "d" / "new").stat().st_mode & 0o111 == 0
    assert [one.name for one in (folder.path / "d").iterdir()] == ["new"]


def test_a_write_that_breaks_leaves_what_was_there(folder):
    (folder.path / "a").write_text("old")
    seen = folder.scan({}).files["a"]

    def breaks():
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        folder.write("a", breaks(), seen)
    assert {one.name: one.read_text() for one in folder.path.iterdir()} == {"a": "old"}


def test_who_writes_at_the_last_moment_keeps_what_was_written(folder):
    """The user's editor replaces the file while the other version is on its way."""
    (folder.path / "a").write_text("old")
    seen = folder.scan({}).files["a"]

    def pieces():
        yield b"from there"
        (folder.path / "a").write_text("edited")

    assert not folder.write("a", pieces(), seen)
    assert {one.name: one.read_text() for one in folder.path.iterdir()} == {"a": "edited"}


def test_nothing_is_written_or_trashed_through_a_link(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("mine")
    (folder.path / "away").symlink_to(outside)
    (folder.path / "a").write_text("a")
    seen = folder.scan({}).files["a"]
    for forbidden in (
        lambda: folder.write("away/new", [b"x"], None),
        lambda: folder.write("away/x", [b"x"], seen),
        lambda: folder.trash("away/x", seen, _AT),
    ):
        with pytest.raises(OSError, match=_REFUSED):
            forbidden()
    (folder.path / TRASH).symlink_to(outside)
    with pytest.raises(OSError, match=_REFUSED):
        folder.trash("a", seen, _AT)
    assert (folder.path / "a").read_text() == "a"
    assert [one.name for one in outside.iterdir()] == ["x"]


def test_what_is_trashed_is_found_again_and_git_does_not_see_it(folder):
    (folder.path / "d").mkdir()
    (folder.path / "d" / "a").write_text("kept")
    seen = folder.scan({}).files["d/a"]
    (folder.path / "d" / "a").write_text("newer")
    assert not folder.trash("d/a", seen, _AT)
    assert folder.trash("d/a", folder.scan({}).files["d/a"], _AT)
    assert (folder.path / TRASH / "2026-01-02 03.04.05" / "d" / "a").read_text() == "newer"
    assert (folder.path / TRASH / ".gitignore").read_text() == "*\n"
    assert not (folder.path / "d").exists()
    assert folder.scan({}).files == {}


def test_what_lies_in_the_trash_since_the_same_second_stays(folder):
    for content in ("one", "two"):
        (folder.path / "a").write_text(content)
        assert folder.trash("a", folder.scan({}).files["a"], _AT)
    folder.write_to_trash("a", [b"three"], _AT)
    kept = sorted((folder.path / TRASH).glob("*/a"))
    assert {path.read_text() for path in kept} == {"one", "two", "three"}
    assert [path.parent.name for path in kept] == [f"2026-01-02 03.04.05{again}" for again in ("", " (2)", " (3)")]


def test_a_file_that_the_disk_has_no_room_for_is_left_out(folder, monkeypatch):
    monkeypatch.setattr(module, "LEFT_FREE", 1 << 60)
    entry = Entry("big", "file", size=10, chunks=("0" * 64,))
    both = Comparison(((SyncStep.FETCH, "big"),), frozenset(), {}, {"big": entry}, {})
    doing = StepRunner(folder, Workspace(None, None, "w", "", 10**9), both, {})
    asyncio.run(doing.do(SyncStep.FETCH, "big", sends=True))
    assert "no room on the disk" in doing.outcome.left_out["big"]
    assert list(folder.path.iterdir()) == []


class _Store:
    """A store with one generation of these entries."""

    def __init__(self, entries, left_out=()):
        self.entries = Entries.of(entries)
        self.left_out = left_out

    def manifest(self, _workspace, _generation):
        return self


def test_a_listing_of_a_stranger_names_plain_files_of_the_folder_alone():
    names = ["src/a.py", "src/d/b", "src/.bashrc", "src/.git/hooks/x", "other/c", "srcs/c", "src/a\nb", "src/\u202ex",
             "src/back%5Cslash", "src/big.part-0123abcd", "src/" + "x" * 250, "src/" + "/".join("d" * 60)]  # fmt: skip
    entries = [Entry(name, "file") for name in names] + [Entry("src/link", "link", target="a.py")]
    entries += [Entry(f"src/zeros{n}", "file", size=6 * 10**8, holes=((0, 6 * 10**8),)) for n in (1, 2)]
    found = Workspace(None, _Store(entries, [("src/huge", "too large")]), "w", "src", 10**9).listing(1)
    assert set(found.files) == {"a.py", "d/b", "zeros1"}
    assert found.left_out["link"] == "links are not followed"
    assert found.left_out["huge"] == "too large"
    assert "more than the disk" in found.left_out["zeros2"]
    assert len(found.left_out) == 8


def test_more_files_than_a_project_has_are_refused_from_there_as_well(monkeypatch):
    monkeypatch.setattr(there, "MOST_FILES", 2)
    with pytest.raises(TooManyFiles):
        Workspace(None, _Store([Entry(name, "file") for name in "abc"]), "w", "", 10**9).listing(1)
