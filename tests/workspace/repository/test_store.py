import io
import random
import stat
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from golem_launcher import paths
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.backends.directory import DirectoryLocation
from golem_launcher.workspace.backends.redaction import redacted
from golem_launcher.workspace.export.extract import extract
from golem_launcher.workspace.export.results import write_zip
from golem_launcher.workspace.repository import pack_writer, packs, retention
from golem_launcher.workspace.repository.autorun_files import could_run, folded
from golem_launcher.workspace.repository.entry import Entry, chunk_id
from golem_launcher.workspace.repository.generation import Generation
from golem_launcher.workspace.repository.manifest import Environment
from golem_launcher.workspace.repository.sealing import Sealing, key_file
from golem_launcher.workspace.repository.store import Store, open_store

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))


def save(store, files, workspace="work", **more):
    """Save files, as ``{path: content}``; what is a directory ends with /."""
    entries = []
    for path, content in files.items():
        if path.endswith("/"):
            entries.append(Entry(path[:-1], "directory", 0o750, 5))
            continue
        pieces = [content[start : start + 1000] for start in range(0, len(content), 1000)]
        ids = tuple(map(chunk_id, pieces))
        for identifier, piece in zip(ids, pieces, strict=True):
            if store.missing([identifier]):
                store.put_chunk(identifier, piece)
        entries.append(Entry(path, "file", 0o640, 1_700_000_000_000_000_000, len(content), ids))
    return store.commit(workspace, entries, **more)


def content(store, workspace="work", number=None):
    manifest = store.manifest(workspace, number)
    return {
        entry.path: b"".join(map(store.get_chunk, entry.chunks)) for entry in manifest.entries if entry.kind == "file"
    }


FILES = {"a/": b"", "a/notebook.ipynb": b"{}" * 3000, "data.bin": random.Random(1).randbytes(10_000), "empty": b""}
WHOLE = {path: data for path, data in FILES.items() if not path.endswith("/")}


def test_of_each_workspace_the_newest_generation_alone_is_read_for_a_list(tmp_path, monkeypatch):
    store = open_store(str(tmp_path / "store"))
    for workspace in ("one", "two"):
        for number in range(5):
            save(store, {"data": b"%d" % number}, workspace)
    damaged = tmp_path / "store" / "workspaces" / "two" / "00000005"
    damaged.write_bytes(b"\0nonsense")
    read = []
    before = DirectoryLocation.read
    monkeypatch.setattr(
        DirectoryLocation, "read", lambda self, name, *span: read.append(name) or before(self, name, *span)
    )
    assert sorted((each.workspace, each.number) for each in store.workspaces()) == [("one", 5), ("two", 4)]
    assert set(read) == {f"workspaces/{each}" for each in ("one/00000005", "two/00000005", "two/00000004")}


@pytest.mark.parametrize("name", ["\u00b2", "\u0663", "9" * 200, "-1", "1e3"])
def test_what_is_no_save_in_a_store_keeps_nobody_from_the_saves(tmp_path, name):
    """Python calls a superscript a digit, and makes no number of it."""
    store = open_store(str(tmp_path / "store"))
    save(store, FILES)
    (tmp_path / "store" / "workspaces" / "work" / name).write_bytes(b"nonsense")
    again = open_store(str(tmp_path / "store"))
    assert content(again) == WHOLE
    assert [each.number for each in again.generations("work")] == [1]
    assert save(again, FILES).number == 2


def test_who_asks_what_is_saved_waits_for_no_index_of_chunks(tmp_path, monkeypatch):
    place = str(tmp_path / "store")
    for number in range(5):
        save(open_store(place), {"data": b"%d" % number})
    read = []
    before = DirectoryLocation.read
    monkeypatch.setattr(
        DirectoryLocation, "read", lambda self, name, *span: read.append(name) or before(self, name, *span)
    )
    store = open_store(place)
    assert [each.number for each in store.newest("work", 2)] == [5, 4]
    assert [each.number for each in store.workspaces()] == [5]
    assert store.manifest("work", 3).files == 1
    assert set(read) == {"store", *(f"workspaces/work/{number:08}" for number in (3, 4, 5))}
    assert store.get_chunk(chunk_id(b"2")) == b"2"


@pytest.mark.parametrize("encrypt", [False, True])
def test_generations_stay_as_they_were(encrypt):
    store = open_store(encrypt=encrypt)
    first = save(store, FILES, environment=Environment(("numpy",), ("numpy==2",)), flags=["odd"])
    second = save(store, {**FILES, "new.txt": b"new"})
    assert (first.number, second.number) == (1, 2)
    again = open_store(encrypt=encrypt)
    assert content(again, number=1) == WHOLE
    assert content(again) == {**WHOLE, "new.txt": b"new"}
    assert [generation.flags for generation in again.generations("work")] == [("odd",), ()]
    assert again.manifest("work", 1).environment.requirements == ("numpy",)
    assert [generation.workspace for generation in again.workspaces()] == ["work"]
    assert again.verify("work").damaged == ()


def test_what_lies_in_an_encrypted_store_says_nothing_without_the_key(tmp_path):
    store = open_store(str(tmp_path / "store"), encrypt=True)
    save(store, {"secret.txt": b"the launch code" * 100})
    lying = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert b"launch code" not in lying
    assert b"secret.txt" not in lying
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    key_file().unlink()
    with pytest.raises(WorkspaceError, match="key"):
        content(open_store(str(tmp_path / "store")))


def test_no_encrypted_object_stands_in_for_another():
    sealing = Sealing(True, b"k" * 32)
    with pytest.raises(WorkspaceError, match="changed"):
        sealing.open("b", sealing.seal("a", b"x"))


def test_a_chunk_that_is_not_what_it_says_is_refused():
    store = open_store()
    with pytest.raises(WorkspaceError, match="other bytes"):
        store.put_chunk(chunk_id(b"a"), b"b")
    with pytest.raises(WorkspaceError, match="not in the store"):
        store.commit("work", [Entry("a", "file", size=1, chunks=(chunk_id(b"a"),))])
    assert store.generations("work") == []


def test_damage_is_found_and_named(tmp_path):
    store = open_store(str(tmp_path / "store"))
    save(store, FILES)
    (pack,) = (tmp_path / "store" / "packs").iterdir()
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    report = open_store(str(tmp_path / "store")).verify("work")
    assert len(report.damaged) == 1
    assert "is lost" in report.damaged[0]


def test_wrong_names_are_errors_that_help():
    store = open_store()
    save(store, FILES)
    with pytest.raises(WorkspaceError, match="no saved workspace 'other'"):
        store.manifest("other")
    with pytest.raises(WorkspaceError, match="has no save 7; it has only 1"):
        store.manifest("work", 7)
    with pytest.raises(WorkspaceError, match="is no name"):
        store.manifest("../work")


class PowerCut(Exception):  # noqa: N818
    pass


class FallibleDirectory(DirectoryLocation):
    """A disk that loses power at the ``cut``-th write: that object is lost, or lies there in part."""

    def __init__(self, path, cut, keep):
        super().__init__(path)
        self.path, self.cut, self.keep = path, cut, keep

    def write(self, name, pieces):
        if self.cut == 0:
            data = b"".join(pieces)
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.keep is not None:
                path.write_bytes(data[: int(len(data) * self.keep)])
            raise PowerCut
        self.cut -= 1
        super().write(name, pieces)


@pytest.mark.parametrize("keep", [None, 0.0, 0.3, 0.99])
def test_a_power_cut_at_any_write_leaves_a_whole_generation(tmp_path, keep, monkeypatch):
    monkeypatch.setattr(pack_writer, "PACK_BYTES", 3000)
    cut = 0
    while True:
        place = tmp_path / f"store-{cut}"
        save(Store(DirectoryLocation(place), Sealing()), FILES)
        try:
            save(
                Store(FallibleDirectory(place, cut, keep), Sealing()), {**FILES, "b": random.Random(2).randbytes(9000)}
            )
        except PowerCut:
            store = Store(DirectoryLocation(place), Sealing())
            assert content(store) == WHOLE
            save(store, {"b": random.Random(2).randbytes(9000)})
            assert content(Store(DirectoryLocation(place), Sealing())) == {"b": random.Random(2).randbytes(9000)}
            cut += 1
        else:
            break
    assert cut >= 7


def test_two_who_save_into_one_workspace_hear_of_each_other_and_both_saves_stay(tmp_path):
    """From two computers, say: what one has saved last is in no later save of the other's."""
    here, there = open_store(str(tmp_path)), open_store(str(tmp_path))

    def commit(store, name):
        return store.commit("w", [Entry(name, "directory")], created_at=NOW - timedelta(days=2))

    assert commit(here, "a").flags == commit(here, "b").flags == commit(there, "c").flags == ()
    assert "save 3" in commit(here, "d").flags[0]
    assert commit(here, "e").flags == ()
    here.prune(at=NOW)
    assert {generation.number for generation in here.generations("w")} == {3, 5}


def test_old_generations_go_as_promised_and_the_newest_never():
    def at(number, ago, flags=()):
        return Generation("w", number, NOW - ago, 1, 1, flags)

    generations = [
        at(1, timedelta(days=90)),
        at(2, timedelta(days=3, hours=2)),
        at(3, timedelta(days=3, hours=1)),
        at(4, timedelta(hours=3, minutes=50)),
        at(5, timedelta(hours=3, minutes=20)),
        at(6, timedelta(hours=3, minutes=10), ("40 files vanished",)),
        at(7, timedelta(minutes=30)),
        at(8, timedelta(minutes=20)),
    ]
    assert retention.kept(generations, NOW) == {3, 5, 6, 7, 8}
    assert retention.kept(generations[:1], NOW) == {1}
    assert retention.kept([], NOW) == set()
    # Nobody looked for months after something had emptied the workspace: what was in it stays beside what is left.
    long_ago = [at(1, timedelta(days=91)), at(2, timedelta(days=90, hours=1)), at(3, timedelta(days=90), ("gone",))]
    assert retention.kept(long_ago, NOW) == {2, 3}


def test_a_clock_that_is_set_forth_makes_no_save_too_old(tmp_path, monkeypatch):
    store = open_store(str(tmp_path / "store"))
    for days in (3, 2, 1, 0):
        save(store, {"day": b"%d" % days}, created_at=packs.now() - timedelta(days=days))
    later = packs.now() + timedelta(days=60)
    monkeypatch.setattr("golem_launcher.workspace.repository.store.now", lambda: later)
    store.prune()
    store.thin("work", 10**9)
    assert [generation.number for generation in store.generations("work")] == [1, 2, 3, 4]


def test_forgotten_chunks_go_in_two_steps_and_come_back_when_needed(tmp_path):
    store = open_store(str(tmp_path / "store"))
    old = random.Random(3).randbytes(50_000)
    save(store, {"old": old}, created_at=NOW - timedelta(days=60))
    save(store, FILES, created_at=NOW)
    store.prune(at=NOW)
    assert [generation.number for generation in store.generations("work")] == [2]
    reader = open_store(str(tmp_path / "store"))
    assert reader.missing([chunk_id(old[:1000])])  # condemned: whoever wants to use it brings it again
    store.prune(at=NOW + timedelta(minutes=30))
    assert len(list((tmp_path / "store" / "packs").iterdir())) == 2
    store.prune(at=NOW + timedelta(hours=2))
    assert len(list((tmp_path / "store" / "packs").iterdir())) == 1
    assert content(open_store(str(tmp_path / "store"))) == WHOLE


def test_a_pack_that_is_mostly_dead_is_written_anew(tmp_path):
    store = open_store(str(tmp_path / "store"))
    big = random.Random(4).randbytes(90_000)
    save(store, {"big": big, "small": b"kept"}, created_at=NOW - timedelta(days=60))
    save(store, {"small": b"kept"}, created_at=NOW)
    store.prune(at=NOW)
    store.prune(at=NOW + timedelta(hours=2))
    left = sum(path.stat().st_size for path in (tmp_path / "store" / "packs").iterdir())
    assert left < 1000
    assert content(open_store(str(tmp_path / "store"))) == {"small": b"kept"}


def test_nothing_is_collected_while_a_generation_cannot_be_read(tmp_path):
    place = str(tmp_path / "store")
    save(open_store(place, encrypt=True), FILES, created_at=NOW)
    before = key_file().read_bytes()
    key_file().write_bytes(b"another computer's key, 32 bytes")
    other = open_store(place, encrypt=True)
    save(other, {"b": b"b"}, "theirs", created_at=NOW)
    for hours in (0, 2, 4):
        other.prune(at=NOW + timedelta(hours=hours))
    key_file().write_bytes(before)
    assert content(open_store(place, encrypt=True)) == WHOLE


def test_two_who_save_the_same_workspace_at_once_lose_nothing(tmp_path):
    stores = [open_store(str(tmp_path / "store")) for _ in range(2)]
    save(stores[0], {"a": b"0"})
    numbers = [1]
    stores[0]._numbers = stores[1]._numbers = lambda _workspace: list(numbers)  # both looked before the other wrote
    made = [save(store, {"a": str(index).encode()}) for index, store in enumerate(stores)]
    assert [generation.number for generation in made] == [2, 3]
    again = open_store(str(tmp_path / "store"))
    assert [content(again, number=number)["a"] for number in (2, 3)] == [b"0", b"1"]
    assert not list((tmp_path / "store").rglob(".*"))


def test_what_a_crash_left_between_pack_and_index_goes_in_the_end(tmp_path):
    store = open_store(str(tmp_path / "store"))
    save(store, FILES, created_at=NOW)
    (tmp_path / "store" / "packs" / "left").write_bytes(b"x" * 1000)
    store.prune(at=NOW)
    store.prune(at=NOW + timedelta(hours=2))
    assert not (tmp_path / "store" / "packs" / "left").exists()
    assert content(open_store(str(tmp_path / "store"))) == WHOLE


def test_what_is_damaged_is_brought_again_by_the_next_save(tmp_path):
    place = str(tmp_path / "store")
    saving = open_store(place)
    save(saving, FILES)
    (pack,) = (tmp_path / "store" / "packs").iterdir()
    pack.write_bytes(b"\0" * 10)
    assert open_store(place).verify("work").damaged
    with pytest.raises(WorkspaceError, match="not in the store yet"):
        saving.commit("work", saving.manifest("work").entries)
    save(saving, FILES)
    assert open_store(place).verify("work").damaged == ()
    for hours in (0, 2):
        saving.prune(at=packs.now() + timedelta(hours=hours))
    assert not pack.exists()
    assert content(open_store(place)) == WHOLE


def test_damaged_packs_do_not_keep_others_from_being_collected(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "MANY", 3)
    monkeypatch.setattr(packs, "GRACE", timedelta(minutes=10))
    place = str(tmp_path / "store")
    store = open_store(place)
    for number in range(5):
        save(store, {"a": b"%d" % number, "always": b"always"}, created_at=NOW)
    lost = min((tmp_path / "store" / "packs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    lost.write_bytes(b"")
    for minutes in (0, 5, 12):
        store.prune(at=NOW + timedelta(minutes=minutes))
    assert len(list((tmp_path / "store" / "packs").iterdir())) == 2
    assert len(open_store(place).verify("work").damaged) == 2
    assert lost.exists()


def test_many_small_saves_become_few_packs_and_stay_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "MANY", 10)
    monkeypatch.setattr(packs, "GRACE", timedelta(minutes=10))
    place = str(tmp_path / "store")
    store, other = open_store(place), open_store(place)
    for number in range(12):
        save(store if number % 2 else other, {"a": b"%d" % number}, created_at=NOW)
    store.prune(at=NOW)
    other.prune(at=NOW + timedelta(minutes=9))
    assert len(list((tmp_path / "store" / "packs").iterdir())) == 13
    other.prune(at=NOW + timedelta(minutes=11))
    assert len(list((tmp_path / "store" / "packs").iterdir())) == 1
    again = open_store(place)
    assert [content(again, number=number)["a"] for number in range(1, 13)] == [b"%d" % number for number in range(12)]
    assert content(store, number=3) == {"a": b"2"}  # one that has not looked for long
    save(store, {"a": b"1"})
    assert content(again) == {"a": b"1"}


def test_saves_leave_room_on_the_disk(tmp_path, monkeypatch):
    store = open_store(str(tmp_path / "store"))
    monkeypatch.setattr("golem_launcher.workspace.backends.directory.ROOM_LEFT", 1 << 60)
    with pytest.raises(WorkspaceError, match="No space left"):
        save(store, FILES)
    assert store.generations("work") == []


def test_a_workspace_is_written_into_an_empty_directory(tmp_path):
    store = open_store()
    save(store, FILES)
    target = tmp_path / "out"
    extract(store, store.manifest("work"), target)
    assert {path: (target / path).read_bytes() for path in WHOLE} == WHOLE
    assert stat.S_IMODE((target / "data.bin").stat().st_mode) == 0o640
    assert (target / "data.bin").stat().st_mtime == 1_700_000_000
    with pytest.raises(WorkspaceError, match="not empty"):
        extract(store, store.manifest("work"), target)


def test_the_lists_of_packages_lie_beside_the_files(tmp_path):
    store = open_store()
    evil = "--index-url http://evil"
    save(store, {"Requirements.txt": b"mine"}, environment=Environment(("a==1", evil), ("a==1", "b==2")))
    extract(store, store.manifest("work"), tmp_path / "out")
    lists = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert lists == {
        "Requirements.txt": "mine",
        "session-requirements.txt": f"a==1\n# from no package index, so not listed: {evil}\n",
        "requirements-full.txt": "a==1\nb==2\n",
    }
    target = io.BytesIO()
    write_zip(store, store.manifest("work"), target)
    with zipfile.ZipFile(target) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == lists


def test_links_are_made_and_never_followed(tmp_path):
    store = open_store()
    store.commit("work", [Entry("d", "directory"), Entry("d/l", "link", target="../x"), Entry("l", "link", target="d")])
    extract(store, store.manifest("work"), tmp_path / "out")
    assert (tmp_path / "out" / "d" / "l").readlink().as_posix() == "../x"


def test_results_are_a_zip_without_links_that_names_what_could_run():
    store = open_store()
    ids = (chunk_id(b"x"),)
    store.put_chunk(ids[0], b"x")
    entries = [
        Entry("d", "directory"), Entry("d/a.ipynb", "file", 0o644, 0, 1, ids),
        Entry("evil.desktop", "file", 0o755, 0, 1, ids),
        Entry("d/.vscode/tasks.json", "file", 0o644, 10**18 * 9, 1, ids), Entry("l", "link", target="d"),
        # Pickles of notebooks, which are nobody's but the next machine's.
        Entry(".jupyter", "directory"), Entry(".jupyter/state", "directory"),
        Entry(".jupyter/state/a", "directory"), Entry(".jupyter/state/a/state-1.json", "file", 0o644, 0, 1, ids),
    ]  # fmt: skip
    store.commit("work", entries)
    seen = []
    target = io.BytesIO()
    results = write_zip(store, store.manifest("work"), target, lambda done, total: seen.append((done, total)))
    assert results.could_run == ("d/.vscode/tasks.json", "evil.desktop")
    assert (results.files, results.bytes, results.links_left_out) == (3, 3, 1)
    said = "1 file in which notebooks keep their variables stays in the saves."
    assert (results.kernel_states, results.about_kernel_states) == (1, said)
    assert seen[-1] == (3, 3)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [".jupyter/", "d/", "d/.vscode/tasks.json", "d/a.ipynb", "evil.desktop"]


@pytest.mark.parametrize("path", ["a/sitecustomize.py", "postBuild", "x.DESKTOP", "a/.git/hooks/pre-commit", "e.pth"])
def test_files_that_could_run(path):
    assert could_run(path)
    assert not could_run("a/notebook.ipynb")


def test_what_every_session_leaves_is_not_warned_of():
    assert not could_run(".jupyter/lab/workspaces/default-37a8.jupyterlab-workspace")
    assert could_run(".jupyter/lab/user-settings/x/plugin.jupyterlab-settings")
    assert could_run(".jupyter/lab/workspaces/jupyter_server_config.py")


def test_files_that_could_run_are_named_by_their_directory_where_all_of_it_could():
    paths = ("r/.git/HEAD", "r/.git/hooks/x", "r/setup.py", ".vscode/tasks.json")
    assert folded(paths) == ["r/.git/ (2 files)", "r/setup.py", ".vscode/"]


def test_the_address_of_a_store_is_shown_without_secrets():
    assert redacted("s3://key:secret@host:9000/bucket?token=x") == "s3://host:9000/bucket"
    assert redacted(None) == ""
    assert redacted("/data/saves") == "/data/saves"


def test_an_unknown_or_missing_kind_of_store_says_what_to_do():
    with pytest.raises(WorkspaceError, match="no kind of store 'nosuch://'"):
        open_store("nosuch://x/y")


def test_saves_take_no_more_than_they_may_and_noise_does_not_push_out_what_was_there_before(tmp_path):
    store = open_store(str(tmp_path / "store"))
    work = random.Random(1).randbytes(50_000)
    save(store, {"work": work}, created_at=NOW - timedelta(days=20))
    save(store, {"work": work, "today": b"today"}, created_at=NOW - timedelta(hours=5))
    for number in range(10):  # in one hour
        noise = random.Random(number + 2).randbytes(100_000)
        save(store, {"noise": noise}, created_at=NOW - timedelta(minutes=30 - number), flags=["odd"])
    assert store.size("work") > 1_000_000
    store.thin("work", 400_000, at=NOW)
    kept = [generation.number for generation in store.generations("work")]
    assert kept[:2] == [1, 2]
    assert kept[-1] == 12
    assert len(kept) == 5
    store.thin("work", 400_000, at=NOW + timedelta(minutes=3))
    left = sum(path.stat().st_size for path in (tmp_path / "store" / "packs").iterdir())
    assert left < 450_000
    assert store.size("work") < 450_000
    assert content(open_store(str(tmp_path / "store")), number=1) == {"work": work}
    store.thin("work", 10, at=NOW)
    assert [generation.number for generation in store.generations("work")] == [12]
