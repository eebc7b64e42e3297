"""Files copied to and from a session: exact bytes, whatever happens meanwhile, and nothing outside of the target."""

import asyncio
import errno
import hashlib
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from golem_launcher.agent.workspace import copying, wire
from golem_launcher.errors import ProviderError, RequestError, WorkspaceError
from golem_launcher.workspace.transfer import copy_from_session as from_session
from golem_launcher.workspace.transfer import remote_files
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.copy_from_session import copy_from_session
from golem_launcher.workspace.transfer.copy_queue import Copied, CopiedFile, CopyQueue
from golem_launcher.workspace.transfer.copy_to_session import copy_to_session
from golem_launcher.workspace.transfer.remote_files import RemoteEntry, RemoteFiles
from golem_launcher.workspace.transfer.space_limits import SPARE_DISK
from tests.dialling import to_origin
from tests.workspace.transfer.conftest import TOKEN, BulkTransfer
from tests.workspace.transfer.test_hostile import Liar

ODD = os.fsdecode(b"n\xc3\xa4me\xff with\n%FF\\")
_SMALL = 300_000


def _untold(_done, _total):
    pass


@pytest.fixture
def copy(provider, tmp_path, monkeypatch):
    """Runs a copy with pieces so small that a file of a megabyte is several; by transfer, or by the tunnel."""
    monkeypatch.setattr(remote_files, "FIRST", _SMALL)
    monkeypatch.setattr(remote_files, "LARGEST", _SMALL)

    def run(work, *arguments, bulk=None, progress=_untold, copied=None):
        scratch = Path(tempfile.mkdtemp(dir=tmp_path))

        copied = Copied() if copied is None else copied

        async def main():
            async with provider.agent(bulk) as agent:
                if bulk is not None:
                    agent.throughput.tunnel_took(1_000_000, 1000.0)
                await work(RemoteFiles(agent, scratch), *arguments, progress, copied)

        asyncio.run(main())
        assert not list(scratch.iterdir())
        return copied

    return run


def _tree(top):
    (top / "a/empty").mkdir(parents=True)
    (top / "a/big").write_bytes(os.urandom(1_000_001))
    (top / "a/none").touch()
    (top / ODD).write_bytes(b"odd")
    (top / "run.sh").write_text("echo")
    (top / "run.sh").chmod(0o755)
    (top / "link").symlink_to("a/big")
    for number in range(30):
        (top / f"a/{number}").write_text(str(number) * 1000)
    os.utime(top / "a/big", ns=(1_700_000_000_123_456_789,) * 2)
    return top


def _contents(top):
    """Everything below a directory: bytes, whether they may be run, and time of a file; where a link leads."""
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            found[path.relative_to(top)] = str(path.readlink())
        elif path.is_dir():
            found[path.relative_to(top)] = None
        else:
            found[path.relative_to(top)] = path.read_bytes(), status.st_mode & 0o100, status.st_mtime_ns
    return found


@pytest.mark.parametrize("transfers", [True, False])
def test_a_folder_there_and_back_is_the_same(copy, provider, tmp_path, transfers):
    bulk = BulkTransfer(provider) if transfers else None
    source = _tree(tmp_path / "source")
    told = []
    sent = copy(copy_to_session, source, "there", bulk=bulk, progress=lambda done, total: told.append((done, total)))
    assert (sent.files, sent.unchanged, sent.left_out) == (34, 0, {})
    files = [each for each in source.rglob("*") if each.is_file() and not each.is_symlink()]
    assert told[-1] == (sent.bytes, sent.bytes)
    assert sent.bytes == sum(each.stat().st_size for each in files)
    assert _contents(provider.work / "there") == _contents(source)
    came = copy(copy_from_session, "there", tmp_path / "back", bulk=bulk)
    assert (came.files, came.left_out) == (34, {})
    assert _contents(tmp_path / "back") == _contents(source)
    if transfers:
        assert bulk.out
        assert bulk.into
    assert not list(provider.packs.iterdir())
    again = copy(copy_from_session, "there", tmp_path / "back", bulk=bulk)
    assert (again.files, again.bytes, again.unchanged) == (0, 0, 34)
    (source / "run.sh").write_text("other")
    assert copy(copy_to_session, source, "there").files == 1


def test_one_file_gets_the_name_that_is_asked_for(copy, provider, tmp_path):
    (tmp_path / "one").write_bytes(b"1")
    copy(copy_to_session, tmp_path / "one", "deep/other")
    assert (provider.work / "deep/other").read_bytes() == b"1"
    copy(copy_from_session, str(provider.work / "deep/other"), tmp_path / "third")
    assert (tmp_path / "third").read_bytes() == b"1"


@pytest.mark.parametrize("work", [copy_from_session, copy_to_session])
def test_what_is_not_there_is_said(copy, tmp_path, work):
    arguments = ("none", tmp_path / "here") if work is copy_from_session else (tmp_path / "none", "there")
    with pytest.raises(RequestError, match="There is nothing at"):
        copy(work, *arguments)


class _Cut(Exception):  # noqa: N818
    pass


def _cut_after(count):
    """Progress that ends a copy after so many bytes."""

    def progress(done, _total):
        if done >= count:
            raise _Cut

    return progress


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("work", [copy_from_session, copy_to_session])
def test_an_interrupted_copy_goes_on_where_it_was(copy, provider, tmp_path, work, folder):
    here, there = tmp_path / "here", provider.work / "there"
    source, target = (there, here) if work is copy_from_session else (here, there)
    name = "file" if folder else ""
    (source.mkdir() if folder else source.parent.mkdir(exist_ok=True))
    (source / name).write_bytes(data := os.urandom(1_000_000))
    arguments = ("there", here) if work is copy_from_session else (here, "there")
    with pytest.raises(_Cut):
        copy(work, *arguments, progress=_cut_after(2 * _SMALL))
    assert not (target / name).is_file()
    told = []
    copied = copy(work, *arguments, progress=lambda done, total: told.append((done, total)))
    assert told[0][0] >= 2 * _SMALL
    assert copied.bytes == len(data) - told[0][0]
    assert (target / name).read_bytes() == data
    assert not [each for each in target.parent.rglob("*") if copying.is_unfinished(each.name)]


@pytest.mark.parametrize("work", [copy_from_session, copy_to_session])
def test_a_file_that_changes_meanwhile_is_copied_as_it_is_then(copy, provider, tmp_path, work):
    here, there = tmp_path / "here", provider.work / "there"
    source, target = (there, here) if work is copy_from_session else (here, there)
    source.write_bytes(os.urandom(1_000_000))
    contents = [after := os.urandom(900_000)]

    def change(done, _total):
        if done and contents:
            source.write_bytes(contents.pop())

    arguments = ("there", here) if work is copy_from_session else (here, "there")
    copied = copy(work, *arguments, progress=change)
    assert (target.read_bytes(), copied.files, copied.left_out) == (after, 1, {})
    assert _hidden(target.parent) == []


def _hidden(folder):
    return [path.name for path in folder.iterdir() if copying.is_unfinished(path.name)]


@pytest.mark.parametrize("work", [copy_from_session, copy_to_session])
def test_a_file_that_has_no_place_leaves_nothing_behind(copy, provider, tmp_path, work):
    here, there = tmp_path / "here", provider.work / "there"
    source, target = (there, here) if work is copy_from_session else (here, there)
    source.mkdir()
    (source / "one").write_bytes(os.urandom(1_000_000))
    (target / "one/taken").mkdir(parents=True)
    copied = copy(work, *(("there", here) if work is copy_from_session else (here, "there")))
    assert len(copied.left_out) == 1
    assert _hidden(target) == []


def test_a_file_that_never_rests_is_left_out_and_named(copy, provider, tmp_path):
    restless = provider.work / "restless"
    restless.write_bytes(bytes(1_000_000))
    (provider.work / "still").write_bytes(b"1")
    copied = copy(copy_from_session, "", tmp_path / "here", progress=lambda *_: restless.write_bytes(bytes(1_000_000)))
    assert copied.left_out == {"restless": copying.BUSY}
    assert (tmp_path / "here/still").read_bytes() == b"1"
    assert not (tmp_path / "here/restless").exists()
    assert _hidden(tmp_path / "here") == []


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("work", [copy_from_session, copy_to_session])
def test_two_copies_to_one_place_at_once_mix_nothing(copy, provider, tmp_path, work, same):
    sources = [provider.work / name if work is copy_from_session else tmp_path / name for name in ("one", "other")]
    for source in sources:
        source.write_bytes(os.urandom(1_000_000))
        os.utime(source, ns=(1_700_000_000_000_000_000,) * 2)
    target = (tmp_path if work is copy_from_session else provider.work) / "target"
    second = sources[0] if same else sources[1]
    others = []

    def arguments(source):
        return (str(source), target) if work is copy_from_session else (source, str(target))

    def meanwhile(done, _total):
        if done >= 2 * _SMALL and not others:
            others.append(None)
            with ThreadPoolExecutor(1) as thread:
                others[0] = thread.submit(copy, work, *arguments(second)).result()
            assert target.read_bytes() == second.read_bytes()

    copied = copy(work, *arguments(sources[0]), progress=meanwhile)
    assert [each.left_out for each in (copied, *others)] == [{}, {}]
    assert target.read_bytes() == sources[0].read_bytes()
    assert not [each for each in target.parent.iterdir() if copying.is_unfinished(each.name)]


def test_a_file_is_there_until_the_link_is_that_takes_its_place(copy, provider, tmp_path, monkeypatch):
    (provider.work / "file").write_text("file")
    (provider.work / "link").symlink_to("file")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").write_text("mine")

    def refuses(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")  # as file systems without links do

    monkeypatch.setattr(os, "symlink", refuses)
    assert list(copy(copy_from_session, ".", tmp_path / "here").left_out) == ["link"]
    assert (tmp_path / "here/link").read_text() == "mine"
    monkeypatch.undo()
    assert copy(copy_from_session, ".", tmp_path / "here").left_out == {}
    assert str((tmp_path / "here/link").readlink()) == "file"
    assert len(list((tmp_path / "here").iterdir())) == 2


def test_names_that_are_one_here_are_not_written_over_each_other(copy, provider, tmp_path, monkeypatch):
    for name in ("A.txt", "a.txt", "data/x", "Data/X"):
        (provider.work / name).parent.mkdir(exist_ok=True)
        (provider.work / name).write_text(name)
    assert copy(copy_from_session, ".", tmp_path / "apart").files == 4
    monkeypatch.setattr(from_session, "ignores_case", lambda _directory: True)
    copied = copy(copy_from_session, ".", tmp_path / "here")
    assert (copied.files, len(copied.left_out)) == (2, 2)
    assert set(copied.left_out.values()) == {"another name is the same on this computer"}


def test_nothing_is_written_through_a_link_that_is_there(copy, provider, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "here/a").symlink_to(tmp_path / "outside")
    (tmp_path / "here/b").symlink_to(tmp_path / "outside/b")
    (provider.work / "a").mkdir()
    (provider.work / "a/file").write_text("file")
    (provider.work / "b").write_text("b")
    copied = copy(copy_from_session, ".", tmp_path / "here")
    assert not list((tmp_path / "outside").iterdir())
    assert list(copied.left_out) == ["a/file"]
    assert (tmp_path / "here/b").read_text() == "b"
    assert not (tmp_path / "here/b").is_symlink()


@pytest.fixture
def liar():
    server = Liar()
    server.drop = server.state = lambda: iter([b"{}"])
    yield server
    server.shutdown()
    server.server_close()


def _from(liar, target):
    copied = Copied()

    async def main():
        async with AgentWorkspace(to_origin(f"http://127.0.0.1:{liar.server_port}"), TOKEN) as agent:
            await copy_from_session(RemoteFiles(agent, target.parent), "x", target, _untold, copied)

    asyncio.run(main())
    return copied


def _has(liar, *lines, data=b"data"):
    """It says that there are these, and of any file that it has ``data``."""
    liar.files = lambda: wire.pack_lines([*lines, {"end": True}])

    def read():
        faults = [None] * len(liar.asked["segments"])
        said = {"size": len(data) * len(faults), "sha256": hashlib.sha256(data * len(faults)).hexdigest()}
        yield json.dumps({**said, "faults": faults}).encode()
        liar.fetch = lambda: iter([data * len(faults)])

    liar.read = read


def _line(path, size=4):
    return ["f", path, 0o7777, 1, size, "stamp"]


def test_names_and_links_that_lead_out_are_left_out(liar, tmp_path):
    names = ["../out", "/out", "a/../../out", "a//b", "a/./b", "nul\0", "x" * 256, "d/" * 200 + "e", "link/file", "\\"]
    links = [["l", "link", "."], ["l", "up", "../.."], ["l", "absolute", "/etc"], ["l", "a-link", "link/link/../.."]]
    _has(liar, ["d", "", 0o777], *map(_line, names), *links, _line("good"))
    copied = _from(liar, tmp_path / "here/deep")
    # A folder `link` was made for its file before the link could be.
    assert sorted(each.name for each in (tmp_path / "here/deep").iterdir()) == ["good", "link"]
    assert (tmp_path / "here/deep/good").stat().st_mode & 0o7000 == 0
    assert len(copied.left_out) == len(names) - 1 + len(links)
    assert [each.name for each in (tmp_path / "here").iterdir()] == ["deep"]
    assert {each.name for each in tmp_path.iterdir()} == {"here"}


def test_a_link_is_judged_by_the_name_that_it_gets(liar, tmp_path):
    """The text that travels could be another spelling of it, or of no name at all."""
    here = tmp_path / "1/2/3/here"
    escaped = ["l", "L", "d/e/%C3%A9/../../secret"]
    improper = [["l", "nul", "a\0b"], ["l", "lone", "a\ud800"], ["l", "byte", "a\udcff"], escaped]
    _has(liar, ["d", "", 0o777], ["l", "d/e/é", "../.."], *improper)
    copied = _from(liar, here)
    assert set(copied.left_out) == {"L", "nul", "lone", "byte"}
    assert copied.left_out["nul"] == copied.left_out["L"] == "what it leads to has no proper name"
    assert (here / "d/e/é").resolve() == here


def test_a_link_that_climbs_behind_a_name_is_left_out_whatever_lies_there(liar, tmp_path):
    """A second copy can put its links behind those of the first, which its list does not show."""
    here = tmp_path / "1/2/3/here"
    inside = {"d/e/k": "../..", "d/e/up": "../../d/", "d/sideways": "e/./k", "same": "."}
    _has(liar, ["d", "", 0o777], *(["l", path, target] for path, target in inside.items()))
    assert _from(liar, here).left_out == {}
    climbing = {"L": "d/e/k/../../secret", "M": "./..", "N": "d/..", "d/O": "../..", "d/P": ".././..", "Q": "/"}
    _has(liar, ["d", "", 0o777], *(["l", path, target] for path, target in climbing.items()))
    assert _from(liar, here).left_out == dict.fromkeys(climbing, "it may lead out of what is copied")
    links = {str(each.relative_to(here)): each.readlink() for each in here.rglob("*") if each.is_symlink()}
    assert links == {path: Path(target) for path, target in inside.items()}
    assert all((here / path).resolve().is_relative_to(here) for path in links)


@pytest.mark.parametrize("kind", ["f", "l"])
def test_what_is_no_folder_has_nothing_in_it(liar, tmp_path, kind):
    """It would come to lie beside it, in a folder that is the user's."""
    top = _line("") if kind == "f" else ["l", "", "target"]
    _has(liar, top, _line(".bashrc"))
    with pytest.raises(WorkspaceError, match="what our program never sends"):
        _from(liar, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_what_some_program_may_run_is_named(copy, provider, tmp_path):
    there, here = provider.work / "there", tmp_path / "here"
    for path in (".git/config", "a/.git/hooks/pre-commit", ".ENVRC", "data.csv", "evil/config", "b/.git"):
        (there / path).parent.mkdir(parents=True, exist_ok=True)
        (there / path).write_text("x")
    (there / "evil/.vscode").symlink_to("../a")
    (there / "evil/link").symlink_to("../a")
    named = {".git/config", "a/.git/hooks/pre-commit", ".ENVRC", "b/.git", "evil/.vscode"}
    assert set(copy(copy_from_session, "there", here).could_run) == {str(here / each) for each in named}
    again = copy(copy_from_session, "there", here)  # what an earlier copy brought that was interrupted
    assert again.unchanged == 6
    assert set(again.could_run) == {str(here / each) for each in named}
    assert copy(copy_from_session, "there/evil/config", tmp_path / ".git/config").could_run == [
        str(tmp_path / ".git/config")
    ]
    assert copy(copy_to_session, here, "other").could_run == []


def test_what_some_program_may_run_is_named_when_the_copy_fails(copy, provider, tmp_path):
    (provider.work / ".envrc").write_text("x")
    (provider.work / "big").write_bytes(bytes(1_000_000))
    copied = Copied()
    with pytest.raises(_Cut):
        copy(copy_from_session, "", tmp_path / "here", progress=_cut_after(1), copied=copied)
    assert not (tmp_path / "here/big").exists()
    assert copied.could_run == [str(tmp_path / "here/.envrc")]


@pytest.mark.parametrize(
    "line",
    [["f", "a", 1], ["f", "a", 0, 0, -1, ""], ["f", "a", 0, 1 << 70, 1, ""], ["f", 1, 0, 0, 0, ""], ["x", "a"], None,
     ["l", "a", ""], ["f", "a", 0, 0, 1 << 61, ""], ["f", "a", 0, 0, 1, "s" * 200]],
)  # fmt: skip
def test_a_list_that_makes_no_sense_ends_the_copy(liar, tmp_path, line):
    _has(liar, ["d", "", 0o777], line)
    with pytest.raises(WorkspaceError, match="what our program never sends"):
        _from(liar, tmp_path / "here")


def test_more_than_there_is_room_for_is_not_begun(liar, tmp_path):
    _has(liar, ["d", "", 0o777], _line("a", 1 << 59))
    with pytest.raises(WorkspaceError, match="no room"):
        _from(liar, tmp_path / "here")


def test_a_copy_leaves_room_for_all_else_on_the_disk(liar, tmp_path):
    """The session's saves are mostly on the same one."""
    found = os.statvfs(tmp_path)
    _has(liar, ["d", "", 0o777], _line("a", found.f_bavail * found.f_frsize - SPARE_DISK // 2))
    with pytest.raises(WorkspaceError, match=r"no room .* stay free for all else"):
        _from(liar, tmp_path / "here")


def test_a_file_that_has_become_more_than_there_is_room_for_is_not_begun_anew(liar, tmp_path):
    """Else one that is listed as small would fill the disk, on which the session writes as well."""
    _has(liar, _line(""))

    def read():
        assert [length for _, _, length, _ in liar.asked["segments"]] == [4], "more of it is asked for"
        liar.files = lambda: wire.pack_lines([_line("", 1 << 59), {"end": True}])
        yield json.dumps({"size": 0, "sha256": hashlib.sha256().hexdigest(), "faults": [copying.BUSY]}).encode()
        liar.fetch = lambda: iter([b""])

    liar.read = read
    with pytest.raises(WorkspaceError, match="no room"):
        _from(liar, tmp_path / "here/file")
    assert not list((tmp_path / "here").iterdir())


def test_other_bytes_than_announced_are_not_kept(liar, tmp_path):
    _has(liar, _line(""))
    honest = liar.read

    def read():
        yield from honest()
        liar.fetch = lambda: iter([b"DATA"])

    liar.read = read
    with pytest.raises(ProviderError, match="not what it had read"):
        _from(liar, tmp_path / "here/file")
    assert not list((tmp_path / "here").iterdir())


def test_more_bytes_than_announced_are_not_taken(liar, tmp_path):
    _has(liar, _line(""))
    honest = liar.read

    def read():
        yield from honest()
        liar.fetch = lambda: iter([b"data"] * 1000)

    liar.read = read
    with pytest.raises(WorkspaceError, match="more than it had announced"):
        _from(liar, tmp_path / "here/file")


def test_what_could_not_be_made_over_there_is_named_as_it_may_be_shown(liar, tmp_path):
    """The names come back from there: on their way to a terminal."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/link").symlink_to("x")
    _has(liar)
    liar.make = lambda: iter([json.dumps({"problems": [["\x1b]0;theirs\x07a\nb" + "x" * 999, "\x1b[2J"]]}).encode()])
    copied = Copied()

    async def main():
        async with AgentWorkspace(to_origin(f"http://127.0.0.1:{liar.server_port}"), TOKEN) as agent:
            await copy_to_session(RemoteFiles(agent, tmp_path), tmp_path / "folder", "x", _untold, copied)

    asyncio.run(main())
    ((name, reason),) = copied.left_out.items()
    assert (name + reason).isprintable()
    assert len(name) < 500


def test_a_queue_is_cut_into_pieces_of_a_size():
    files = [CopiedFile(str(size), str(size), RemoteEntry("f", str(size), size=size)) for size in (0, 5, 25, 0, 1)]
    queue, cuts = CopyQueue(files, Copied(), _untold), []
    while queue:
        cuts.append([(each.file.source, each.offset, each.length) for each in queue.cut(10)])
    assert cuts == [
        [("0", 0, 0), ("5", 0, 5), ("25", 0, 5)],
        [("25", 5, 10)],
        [("25", 15, 10), ("0", 0, 0)],
        [("1", 0, 1)],
    ]
