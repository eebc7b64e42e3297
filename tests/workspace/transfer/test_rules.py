"""The small parts: what is left out, where cuts fall, what a stream may hold, which packages may be installed again."""

import itertools
import os
import random
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golem_launcher.agent.workspace import ignore, stable_copies, wire
from golem_launcher.agent.workspace.chunker import LEAST, MOST, chunk_id, cut_file
from golem_launcher.agent.workspace.index import Index
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import record
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry
from golem_launcher.workspace.repository.environment import installable
from golem_launcher.workspace.transfer.plan import PlanReader
from golem_launcher.workspace.transfer.tree import Tree

PATTERNS = """
*.log
!keep.log
/top.txt
data/
docs/*.pdf
**/deep/x
a/**/z
name[0-9].b?n
!.cache/
with\\ space
# a comment
"""
PATHS = [
    "x.log", "keep.log", "d/x.log", "top.txt", "d/top.txt", "data/f", "d/data/f", "docs/a.pdf", "docs/d/a.pdf",
    "deep/x", "d/deep/x", "a/z", "a/b/c/z", "name1.bin", "namex.bin", "d/name2.ban", ".cache/f", "__pycache__/f.pyc",
    "with space", "plain.txt", "# a comment", "d/.ipynb_checkpoints/n.ipynb",
]  # fmt: skip


def test_patterns_mean_what_they_mean_to_git(tmp_path):
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / ".golemignore").write_text(PATTERNS)
    (tmp_path / ".gitignore").write_text("\n".join(ignore.DEFAULTS) + PATTERNS)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    listed = subprocess.run(
        ["git", "-C", tmp_path, "ls-files", "-zo", "--exclude-standard"], check=True, capture_output=True, text=True
    )
    wanted = set(listed.stdout.split("\0")) - {"", ".gitignore", ".golemignore"}
    (tmp_path / ".golemignore").write_text(PATTERNS + ".git/\n")
    found = {line[1] for line in Index(str(tmp_path)).walk(0) if line[0] == "f"} - {".gitignore", ".golemignore"}
    assert found == wanted


def test_virtual_environments_are_left_out_and_named(tmp_path):
    (tmp_path / "p" / "venv").mkdir(parents=True)
    (tmp_path / "p" / "venv" / "pyvenv.cfg").write_text("home = /usr")
    index = Index(str(tmp_path))
    assert [line[1] for line in index.walk(0)] == ["p"]
    assert index.environments == ["p/venv"]


def reader(data):
    rest = memoryview(data)

    def read(most):
        nonlocal rest
        piece, rest = bytes(rest[:most]), rest[most:]
        return piece

    return read


def ids(data, before=None):
    cuts = cut_file(reader(data), len(data), before)
    assert sum(cuts.sizes) == len(data)
    assert all(LEAST <= size <= MOST for size in cuts.sizes[:-1])
    assert b"".join(chunk for chunk, _ in cuts) == cuts.ids
    return cuts


@pytest.mark.parametrize("kind", ["noise", "text"])
def test_an_insertion_moves_few_cuts(kind):
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinsh ", k=6)) for _ in range(500)]
    text = " ".join(chance.choices(words, k=1_200_000)).encode()
    data = text if kind == "text" else chance.randbytes(8_000_000)
    before = ids(data)
    for changed in (
        b"x" * 100 + data,
        data + b"x" * 1000,
        data[:4_000_000] + bytes(50_000) + data[4_050_000:],
        data[:3_000_000] + data[3_001_000:],
    ):
        fresh, helped = ids(changed), ids(changed, before)
        for after in (fresh, helped):
            new = sum(size for chunk, size in after if chunk not in {known for known, _ in before})
            assert new < 4 * MOST


@given(st.lists(st.binary(max_size=3000), max_size=8), st.integers(1, 700))
def test_frames_survive_any_splitting(chunks, step):
    stream = b"".join(part for data in chunks for part in wire.frame(chunk_id(data), data))
    frames = wire.Frames()
    found = [each for at in range(0, len(stream), step) for each in frames.feed(stream[at : at + step])]
    frames.end()
    assert [data for _, _, data in found] == chunks


@given(st.binary(max_size=300))
def test_frames_of_anything_end_in_an_error_or_not_at_all(data):
    frames = wire.Frames()
    try:
        for chunk, kind, content in frames.feed(data):
            assert len(chunk) == 32
            assert kind <= wire.AGAIN
            assert len(content) <= wire.LARGEST_CHUNK
    except wire.WireError:
        pass


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["f", "d", "l", "-", "a/b"]),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(["plan", "base", "end", "notes", "entries"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.lists(_JSON, max_size=6), st.booleans())
def test_lists_of_anything_end_in_a_plan_or_a_refusal(lines, whole):
    head, end = {"plan": "p", "base": None}, {"end": True, "entries": 1, "notes": [], "environment": None, "state": ""}
    values = [head, *lines, end] if whole else lines
    plans = PlanReader()
    try:
        for piece in wire.pack_lines(values):
            plans.feed(piece)
        plan = plans.end()
    except WorkspaceError:
        return
    there = [each for each in plan.changes if not record.is_gone(each)]
    for entry in Entries(there):
        assert not {"", ".", ".."} & set(entry.path.split("/"))
        assert Entries.of([entry]).records[0] in there
    assert list(plan.changes) == sorted(plan.changes)


def test_a_workspace_that_is_listed_anew_is_the_same_when_nothing_changed():
    known = Entries.of([Entry("a", "directory"), *(Entry(f"a/{number}", "directory") for number in range(9))])
    lines = [["d", entry.path, entry.mode, entry.mtime_ns] for entry in known]
    end = {"end": True, "entries": 10, "notes": [], "environment": None, "state": ""}

    def told(lines):
        reader = PlanReader()
        for piece in wire.pack_lines([{"plan": "p", "base": None}, *lines, end]):
            reader.feed(piece)
        return reader.end()

    tree, changed = Tree(known).after(told(lines))
    assert not changed
    assert tree.entries is known
    tree, changed = Tree(known).after(told([*lines[:5], ["d", "a/4", 0o700, 1], *lines[6:]]))
    assert changed
    assert [entry.path for entry in tree.entries] == [entry.path for entry in known]
    assert [index for index, (new, old) in enumerate(zip(tree.entries, known, strict=True)) if new != old] == [5]


def test_only_plain_requirements_reach_pip():
    good = ("numpy==2.1", "a-b_c.d>=1,<2", "x[extra]==1")
    bad = (
        "-r /etc/passwd", "--index-url http://evil", "-e .", "git+https://evil/x", "x @ https://evil/x.whl",
        "x @ file:///etc", "./x.whl", "/x.whl", "x==1 --hash=sha256:0", "x; python_version>'3'", "", "x\n-e .",
    )  # fmt: skip
    assert installable((*good, *bad)) == (list(good), list(bad))


def test_a_copy_that_nobody_can_vouch_for_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(stable_copies, "_PATIENCE", 0.03)
    target = tmp_path / "live"
    target.write_bytes(b"one")
    index = Index(str(tmp_path))
    (line,) = index.walk(0)
    target.write_bytes(b"two")
    assert index.chunk(bytes.fromhex(line[5][0])) is None
    monkeypatch.setattr(stable_copies, "_QUIET_NS", 10**18)  # somebody writes all the time
    (line,) = index.walk(0)
    assert index.notes == [["busy", "live"]]
    target.write_bytes(b"three")
    assert index.chunk(bytes.fromhex(line[5][0])) == b"two"
    monkeypatch.undo()
    list(index.walk(index.version))
    assert index.notes == []
    target.unlink()
    assert list(index.walk(index.version)) == [["-", "live"]]  # its copy goes with it


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path, monkeypatch):
    target = tmp_path / "log"
    target.write_bytes(os.urandom(300_000))
    real = os.read

    def read(descriptor, most):
        data = real(descriptor, most)
        with target.open("ab") as file:
            file.write(b"more")
        return data

    monkeypatch.setattr(os, "read", read)
    index = Index(str(tmp_path))
    (line,) = [line for line in index.walk(0) if line[0] == "f"]
    assert index.notes == [["busy", "log"]]
    monkeypatch.undo()
    (again,) = list(index.walk(index.version))  # it is read again, although nobody writes any more
    assert again[4] == target.stat().st_size > line[4]
    assert index.notes == []


def test_a_file_that_is_written_anew_is_not_found_empty(tmp_path, monkeypatch):
    """Who writes it empties it first; its times then say for a while that nothing has happened."""
    path, index = tmp_path / "layout", Index(str(tmp_path))
    path.write_text("x" * 1000)
    list(index.walk(0))
    _empty(path)
    monkeypatch.setattr(stable_copies.time, "sleep", lambda _: path.write_text("y" * 1000))  # while it waits
    assert [line[4] for line in index.walk(index.version)] == [1000]
    assert index.notes == []


def test_what_was_saved_of_a_file_that_is_emptied_again_and_again_stays(tmp_path, monkeypatch):
    path, index, turns = tmp_path / "layout", Index(str(tmp_path)), itertools.count()
    path.write_text("x" * 1000)
    (before,) = index.walk(0)

    _empty(path)
    monkeypatch.setattr(stable_copies.time, "sleep", lambda _: os.utime(path, ns=(0, next(turns))))
    assert list(index.walk(0)) == [before]
    assert index.notes == [["busy", "layout"]]


def _empty(path):
    """As a program does that is about to write it."""
    before = path.stat()
    path.write_text("")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_was_emptied_is_empty(tmp_path):
    path, index = tmp_path / "log", Index(str(tmp_path))
    path.write_text("x" * 1000)
    assert [line[4] for line in index.walk(0)] == [1000]
    path.write_text("")
    assert [line[4] for line in index.walk(0)] == [0]
