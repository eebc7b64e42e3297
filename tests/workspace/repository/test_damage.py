"""What a flipped bit costs: its own file, named; never an older save, an empty one, or half of a file, unasked."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from golem_launcher import paths
from golem_launcher.errors import RequestError, WorkspaceError
from golem_launcher.session.preparation.preflight import resumed
from golem_launcher.workspace.backends.directory import DirectoryLocation
from golem_launcher.workspace.export.extract import extract
from golem_launcher.workspace.export.results import save_zip
from golem_launcher.workspace.repository import entries as listed
from golem_launcher.workspace.repository import pack_writer, packs
from golem_launcher.workspace.repository.entry import Entry
from golem_launcher.workspace.repository.store import open_store
from tests.cli.files.test_workspaces import command
from tests.patience import slower
from tests.workspace.repository.test_store import content, save

DATA = {f"d/{name}": random.Random(name).randbytes(3000) for name in "abc"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pack_writer, "PACK_BYTES", 2000)  # each file in packs of its own


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def object_of(directory, content):
    """The pack of a store that holds these bytes."""
    (found,) = [path for path in (directory / "packs").iterdir() if content[1000:1900] in path.read_bytes()]
    return found


@pytest.fixture
def stored():
    """The directory of a store with three saves: a file changed, then as it was; one bit of it is flipped."""
    store = open_store()
    save(store, DATA)
    save(store, {**DATA, "d/b": b"another"})
    save(store, DATA)
    directory = paths.home() / "workspaces"
    shutil.copytree(directory, "copy")
    flip(object_of(directory, DATA["d/b"]))
    return directory


def test_every_reader_gives_all_other_files_and_names_the_damaged_one(stored, tmp_path):
    assert stored.is_dir()
    others = {path: data for path, data in DATA.items() if path != "d/b"}
    said = command("restore", "work", "out", code=1)
    assert "2 files of" in said
    assert "d/b: a part of it is damaged in the store" in said
    assert "verify work" in said
    assert {f"d/{each.name}": each.read_bytes() for each in (tmp_path / "out" / "d").iterdir()} == others
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["d"]
    said = command("results", "work", code=1)
    assert "d/b: a part of it is damaged" in said
    with zipfile.ZipFile("work.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist() if name != "d/"} == others
    assert open_store().lost(open_store().manifest("work").entries) == []  # it is there, though damaged
    assert resumed(open_store(), "work") == 3


@pytest.mark.parametrize("kind", ["packs", "indexes", "workspaces"])
def test_a_generation_that_was_whole_is_looked_at_again_when_something_of_its_store_is_gone(kind):
    class Looked(listed.Entries):
        looks = 0

        def chunk_ids(self):
            Looked.looks += 1
            return super().chunk_ids()

    store = open_store()
    save(store, DATA)
    entries = Looked(store.manifest("work").entries.records)
    assert [store.holds("work", 1, entries) for _ in range(3)] == [True] * 3
    assert Looked.looks == 1  # as long as no pack goes, all that was there still is
    save(open_store(), {**DATA, "d/e": b"another's"})
    assert store.holds("work", 1, entries)
    assert Looked.looks == 1
    shutil.rmtree(paths.home() / "workspaces" / kind)
    assert [store.holds("work", 1, entries) for _ in range(2)] == [False] * 2


def test_verify_says_how_to_mend_it_and_that_mends_it(stored):
    said = command("verify", "work", code=1)
    assert "Generations 1 to 3: a part of d/b is lost. Generation 2 has it whole." in said
    assert "rsync -rc COPY/ STORE/" in said
    assert str(stored) in said
    command("restore", "work@2", "two")
    for kind in ("packs", "indexes", "workspaces"):
        shutil.copytree(f"copy/{kind}", stored / kind, dirs_exist_ok=True)
    assert "whole" in command("verify", "work")
    store = open_store()
    for hours in (0, 2):  # it was condemned, and is needed again
        store.prune(at=packs.now() + packs.GRACE * hours)
    assert content(open_store()) == DATA


def test_a_damaged_list_is_never_replaced_by_an_older_one_unasked(stored):
    newest = stored / "workspaces" / "work" / "00000003"
    for damage in (lambda: flip(newest), lambda: newest.write_bytes(b"")):
        damage()
        for readers in (("restore", "work", "out"), ("results", "work")):
            said = command(*readers, code=1)
            assert "Generation 3 of 'work' can't be read" in said
            assert "The nearest that can be read is 2" in said
        with pytest.raises(RequestError, match="Generation 3 of 'work' can't be read"):
            resumed(open_store(), "work")
        assert not os.path.exists("out")  # noqa: PTH110
        assert not os.path.exists("work.zip")  # noqa: PTH110
        assert "Generation 3 can't be read" in command("verify", "work", code=1)
    assert "Generation 3 can't be read" in command("generations", "work")
    assert command("workspaces", "--json")[0]["unreadable"] == [3]
    assert "Generation 3 can't be read" in command("workspaces")
    command("restore", "work@2", "out")
    for each in (stored / "workspaces" / "work").iterdir():
        each.write_bytes(b"")
    assert "work: Generations 1, 2 and 3 can't be read" in command("workspaces")
    assert command("workspaces", "--json") == [{"workspace": "work", "unreadable": [1, 2, 3]}]
    assert "No other can be read" in command("restore", "work", "again", code=1)


def test_nothing_is_rented_for_a_save_of_which_no_file_is_left(stored):
    shutil.rmtree(stored / "packs")
    with pytest.raises(RequestError, match="no file of save 3"):
        resumed(open_store(), "work")
    for readers in (("restore", "work", "out"), ("results", "work")):
        assert "No file of save 3" in command(*readers, code=1)
    assert not os.path.exists("out")  # noqa: PTH110
    assert not os.path.exists("work.zip")  # noqa: PTH110


_RESTORE = "from golem_launcher.cli.main import main; main()"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_restore_leaves_no_part_of_a_file(number, tmp_path, monkeypatch):
    monkeypatch.setattr(pack_writer, "PACK_BYTES", 6_000_000)
    big = random.Random(1).randbytes(40_000_000)
    save(open_store(), {"small": b"s", "big.bin": big})
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", _RESTORE, "restore", "work", str(out)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60 * slower()
    while not any(path.stat().st_size for path in out.glob("*/big.bin")):
        assert time.monotonic() < end
        assert process.poll() is None
    process.send_signal(number)
    process.wait()
    left = {path.name for path in out.iterdir()} if out.exists() else set()
    if number == signal.SIGINT:
        assert left == set()
    else:
        (unfinished,) = left
        assert unfinished.startswith(".golem-launcher-unfinished.")
    command("restore", "work", str(tmp_path / "elsewhere"))
    assert not out.exists() or not any(out.iterdir())
    command("restore", "work", str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {"small": b"s", "big.bin": big}


def test_what_was_left_of_a_pack_by_a_killed_process_goes_in_the_end(tmp_path):
    location = DirectoryLocation(tmp_path / "store")
    packs, partials = tmp_path / "store/packs", []

    def pieces():
        partials.extend(path.name for path in packs.iterdir())
        yield b"part"

    for name in ("0" * 24, "1" * 24):
        location.write(f"packs/{name}", pieces())
        location.delete(f"packs/{name}")
    killed, young, other = (packs / name for name in (*partials, ".of the user's"))
    for path in (killed, young, other):
        path.touch()
    for path in (killed, other):
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    location.establish()
    assert set(packs.iterdir()) == {young, other}


def test_a_store_that_lets_nothing_be_deleted_says_so(tmp_path):
    (tmp_path / "store/packs/stuck").mkdir(parents=True)
    with pytest.raises(WorkspaceError, match="lets nothing be deleted"):
        DirectoryLocation(tmp_path / "store").delete("packs/stuck")


def test_two_restores_into_one_directory_at_once_spoil_nothing(tmp_path):
    store = open_store()
    save(store, DATA)
    manifest, refused = store.manifest("work"), []

    def meanwhile(_done, _total):
        with pytest.raises(WorkspaceError, match="Another restore writes to") as told:
            extract(open_store(), manifest, tmp_path / "out")
        refused.append(told)

    assert extract(store, manifest, tmp_path / "out", meanwhile).left_out == {}
    assert refused
    assert {path: (tmp_path / "out" / path).read_bytes() for path in DATA} == DATA


def test_what_the_user_puts_there_meanwhile_is_not_written_over(tmp_path):
    """What is in nobody's way, as a file manager's own, does no harm."""
    store = open_store()
    save(store, DATA)
    name = min(DATA)

    def meanwhile(_done, _total):
        (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")

    with pytest.raises(WorkspaceError, match=r"d has come to .*out meanwhile"):
        extract(store, store.manifest("work"), tmp_path / "out", meanwhile)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name.partition("/")[0]]
    assert (tmp_path / "out" / name).read_text() == "mine"
    extract(store, store.manifest("work"), tmp_path / "other", lambda *_: (tmp_path / "other/.view").touch())
    assert {path.name for path in (tmp_path / "other").iterdir()} == {".view", "d"}


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    store = open_store()
    save(store, DATA)
    get, calls = store.get_chunk, iter(range(1000))

    def full(chunk):
        if next(calls) > 4:
            raise OSError(28, "No space left on device")
        return get(chunk)

    monkeypatch.setattr(store, "get_chunk", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        extract(store, store.manifest("work"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(WorkspaceError, match="No space left"):
        save_zip(store, store.manifest("work"), tmp_path / "out.zip")
    assert not list(tmp_path.glob("*out*"))


def test_a_link_of_a_save_that_leads_out_is_not_made(tmp_path, monkeypatch):
    """One that an older version has saved, or that somebody has made."""
    store = open_store()
    with monkeypatch.context() as patch:
        patch.setattr(listed.symlinks, "judged", lambda links, _target_of: ("" for _ in links))
        entries = [Entry("a/b", "directory"), Entry("a/b/y", "link", target="../..")]
        entries += [Entry("z", "link", target="a/b/y/../../etc/hostname")]
        entries += [Entry("Z", "link", target="a/B/y/../../etc/hostname")]
        store.commit("work", entries)
    said = command("restore", "work", "out")
    assert "z: it leads out of the workspace" in said
    assert not (tmp_path / "out" / "z").is_symlink()
    assert (tmp_path / "out" / "Z").is_symlink()  # here B is none, so it leads nowhere
    monkeypatch.setattr("golem_launcher.workspace.export.extract.ignores_case", lambda _directory: True)
    found = extract(store, store.manifest("work"), tmp_path / "again")
    assert set(found.left_out.values()) == {"it leads out of the workspace"}
    assert len(found.left_out) == 2
    assert not any((tmp_path / "again" / name).is_symlink() for name in ("Z", "z", "z (2)"))
